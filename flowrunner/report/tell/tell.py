"""Tell the CI system how a run ended, in the ways that it has for that."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from flowrunner.report.model import Summary
from flowrunner.report.tell.markdown import markdown
from flowrunner.report.tell.notes import code_quality, github_lines
from flowrunner.report.tell.surroundings import System, detect

QUALITY = "code-quality.json"
"""The Code Quality report in a run's folder."""

LARGEST = 1000 * 1024
"""Bytes of one summary: GitHub takes 1 MiB."""


def tell(summary: Summary, folder: Path, environment: Mapping[str, str], write: Callable[[str], object]) -> None:
    """Tell the system of `environment`; `write` takes lines of the log.

    Raises:
        OSError: a file that the system gave could not be written.
    """
    system = detect(environment)
    if system is System.GITLAB:
        (folder / QUALITY).write_text(code_quality(summary, environment))
    if system is not System.GITHUB:
        return
    for line in github_lines(summary, environment):
        write(f"{line}\n")
    page = markdown(summary, folder).encode("utf-8", "replace")
    _append(environment.get("GITHUB_STEP_SUMMARY"), page[:LARGEST] + b"\n")
    facts = f"outcome={summary.outcome}\nrun={folder}\n"
    _append(environment.get("GITHUB_OUTPUT"), facts.encode())


def _append(path: str | None, data: bytes) -> None:
    if path:
        with Path(path).open("ab") as file:
            file.write(data)
