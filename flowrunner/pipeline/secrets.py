"""Secrets: what a pipeline declares, and their values, which are never shown."""

from __future__ import annotations

import stat
from collections.abc import Mapping as Map
from pathlib import Path

from flowrunner.errors import PipelineError, PipelineErrors
from flowrunner.model import Secret
from flowrunner.pipeline.fit import Fitter
from flowrunner.pipeline.inputs import entries
from flowrunner.pipeline.language import SecretKeys
from flowrunner.pipeline.problems import Problems
from flowrunner.source import Mapping, Node, Scalar, load

SHORTEST = 6
"""Secrets with fewer characters cannot be masked: too much else would be."""


def read_secrets(
    problems: Problems, node: Node | None, file: Path | None, environment: Map[str, str], *, complete: bool
) -> tuple[dict[str, Secret], list[str]]:
    """The declared secrets with their values, empty for those that were not given, and warnings.

    A value comes from `file`, else from FLOW_SECRET_NAME. Without `complete` a required secret may be missing.
    """
    kept = _file(problems, file) if file else {}
    found: dict[str, Secret] = {}
    warnings = []
    for name, key, value in entries(problems, node, "secrets", "what it is for", "{required: true}"):
        label = f"the secret '{name}'"
        keys = Fitter(problems, SecretKeys, value, lambda scalar, path: None, label=label, anchor=key).fit()
        variable = f"FLOW_SECRET_{name.upper()}"
        text = kept.get(name, environment.get(variable))
        if text is None and complete and keys.get("required"):
            problems.add(
                f"{label} is required, and no value was given", code="missing-secret", where=key,
                help=f"give it as {variable}, or in a file with --secrets-file",
            )  # fmt: skip
        if text and len(text) < SHORTEST:
            warnings.append(f"{label} has fewer than {SHORTEST} characters: it is not masked in logs and reports")
        found[name] = Secret(text or "")
    return found, warnings


def _file(problems: Problems, path: Path) -> dict[str, str]:
    """The texts of a secrets file; nothing of them is in an error."""
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
    except OSError as error:
        problems.add(f"the secrets file '{path}' cannot be read: {error.strerror}", code="unreadable", where=None)
        return {}
    if mode & 0o077:
        problems.add(
            f"the secrets file '{path}' can be read by others, its mode is {mode:04o}", code="open-secrets",
            where=None, help=f"chmod 600 {path}",
        )  # fmt: skip
        return {}
    try:
        root = load(path).root
    except PipelineErrors as several:
        for one in several.errors:
            problems.take(PipelineError("the secrets file is no YAML", code=one.code, where=one.where))
        return {}
    found = {}
    if root is not None and not isinstance(root, Mapping):
        problems.add("a secrets file is a mapping of names to texts", code="bad-secret", where=root.where)
    for name, value in root.items() if isinstance(root, Mapping) else ():
        if isinstance(value, Scalar) and isinstance(value.value, str):
            found[name] = value.value
        else:
            what = f"the secret '{name}' needs text"
            problems.add(what, code="bad-secret", where=value.where, help="put it in quotes")
    return found
