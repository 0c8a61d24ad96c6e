"""Which CI system this is."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum


class System(StrEnum):
    """What a run may take itself to be in."""

    AUTO = "auto"
    GITHUB = "github"
    GITLAB = "gitlab"
    OTHER = "other"
    NONE = "none"


MARKS = {System.GITHUB: {"GITHUB_ACTIONS": "true"}, System.GITLAB: {"GITLAB_CI": "true"}}
"""The variables that systems set, as their documentation has them; all of them, and most others, set CI."""

OTHERS = ("JENKINS_URL", "TF_BUILD", "TEAMCITY_VERSION", "BUILDKITE", "ARGO_WORKFLOW_NAME")
"""Variables of systems that may leave CI unset."""

SERVERS = {System.GITHUB: "GITHUB_WORKSPACE", System.GITLAB: "CI_PROJECT_DIR"}
"""The variable that has the folder of the checkout."""


def detect(environment: Mapping[str, str]) -> System:
    """The system that `environment` tells of; `none` when it tells of none."""
    if environment.get("GITHUB_ACTIONS") == "true":
        return System.GITHUB
    if environment.get("GITLAB_CI"):
        return System.GITLAB
    return System.OTHER if any(environment.get(name) for name in ("CI", *OTHERS)) else System.NONE


def surroundings(wanted: System, environment: Mapping[str, str]) -> Mapping[str, str]:
    """`environment` as it is in the system `wanted`: all that looks at it then agrees."""
    system = detect(environment) if wanted is System.AUTO else wanted
    marks = {name for found in MARKS.values() for name in found}
    kept = {name: value for name, value in environment.items() if name not in (*marks, "CI", *OTHERS)}
    if system is System.NONE:
        return kept
    return {**kept, "CI": environment.get("CI") or "true", **MARKS.get(system, {})}
