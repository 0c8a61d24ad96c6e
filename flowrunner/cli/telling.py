"""What commands tell of a run that has ended: its reports, and what the CI system around them shows."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from flowrunner.report.summary import summarize_folder
from flowrunner.report.tell.surroundings import System, detect
from flowrunner.report.tell.tell import tell
from flowrunner.report.writer import write_reports

CiOption = Annotated[
    System, typer.Option("--ci", help="The CI system to speak to; none to speak to nobody", envvar="FLOW_CI")
]


def tell_about(folder: Path, around: Mapping[str, str]) -> str | None:
    """Tell the system of `around` how the run in `folder` ended; returns what went wrong with that."""
    if detect(around) not in (System.GITHUB, System.GITLAB):
        return None
    try:
        tell(summarize_folder(folder), folder, around, sys.stdout.write)
    except OSError as error:
        return f"the CI system could not be told: {error.filename}: {error.strerror}"
    return None


def reported(folder: Path) -> str | None:
    """Write the reports of the run in `folder`; returns what went wrong."""
    try:
        write_reports(folder)
    except OSError as error:
        return f"the reports could not be written to {folder}: {error.strerror}"
    return None
