"""The report files of a run, written from its folder alone."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from flowrunner.engine.lines import read
from flowrunner.engine.state import console_prefix
from flowrunner.errors import BenchError
from flowrunner.report.consolefile import ConsoleFile
from flowrunner.report.html import render
from flowrunner.report.junit import junit_xml
from flowrunner.report.model import ConsoleFacts, Summary
from flowrunner.report.page.rollout import SHOWN
from flowrunner.report.planned import read_plan
from flowrunner.report.results import results_json
from flowrunner.report.summary import summarize


def write_reports(run_dir: Path) -> list[Path]:
    """Write `results.json`, `junit.xml` and `report.html` into the run's folder; each appears whole or not at all.

    Raises:
        BenchError: the folder holds no journal, or cannot be written.
    """
    plan = read_plan(run_dir)
    summary = summarize(read(run_dir / "journal.jsonl"), plan)
    consoles = {facts.name: ConsoleFile(run_dir, facts) for facts in _worth_reading(summary)}
    return [
        _write(run_dir / "results.json", results_json(summary).encode()),
        _write(run_dir / "junit.xml", junit_xml(summary, consoles)),
        _write(run_dir / "report.html", render(summary, plan, run_dir, consoles).encode("utf-8", "replace")),
    ]


def _worth_reading(summary: Summary) -> Iterator[ConsoleFacts]:
    """The consoles that reports quote: of a large fleet those of devices that did not pass, and not all of these."""
    large = [rollout for rollout in summary.rollouts if rollout.size > SHOWN]
    fleet = tuple(f"{rollout.path}." for rollout in large)
    bad = {console_prefix(device.path) for rollout in large for device in rollout.trouble[:SHOWN]}
    for facts in summary.consoles:
        head = ".".join(facts.name.split(".")[:2]) + "."
        if not facts.name.startswith(fleet) or head in bad:
            yield facts


def _write(path: Path, data: bytes) -> Path:
    new = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        new.write_bytes(data)
        new.replace(path)
    except OSError as error:
        new.unlink(missing_ok=True)
        raise BenchError(
            f"the report {path} could not be written: {error.strerror}", blame="infra",
            help="make room, then write it again with 'flow report'",
        ) from error  # fmt: skip
    return path
