"""Recording pipelines on a virtual board, and replaying them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from pathlib import Path
from textwrap import dedent
from typing import Any

from flowrunner.engine.lines import Event, read
from flowrunner.engine.run import Finished, Runner
from flowrunner.engine.state import Options
from flowrunner.lab.discover import discover
from flowrunner.pipeline.compiler import compile
from flowrunner.replay.again import environment_of
from flowrunner.replay.play import Played, Player
from flowrunner.replay.recorder import Recorder
from flowrunner.replay.tape import Tape

BOARD = "export: {board: {type: machine.virtual, config: {boot_time: 20ms}}}\n"

HEAD = "flow: 1\nname: test\ndevices: {dut: {selector: ''}}\n"

TIMES = frozenset({"n", "t", "crc", "started", "ended", "seconds"})
"""Fields of events that say when; what steps measured is not among them."""


def write(folder: Path, text: str, name: str = "p.yaml", head: str = HEAD) -> Path:
    """Write a pipeline."""
    path = folder / name
    path.write_text(head + dedent(text))
    return path


def record(
    folder: Path, text: str, *, head: str = HEAD, secrets: Mapping[str, str] | None = None, at: str | None = None
) -> Finished:
    """Run a pipeline on a virtual board, or `at` an exporter, and record it."""
    (folder / "board.yaml").write_text(BOARD)
    path = write(folder, text, head=head)
    given = {f"FLOW_SECRET_{name}": value for name, value in (secrets or {}).items()}
    compiled = compile(path, environment=given)
    where = at or str(folder / "board.yaml")
    lab = discover(
        path,
        lab=None,
        exporters=[where],
        environment={"FLOW_LOCK_DIR": str(folder / "locks")},
    )
    options = Options(fsync=False, witness=Recorder())
    runner = Runner(compiled.plan, compiled.secrets, lab, folder / "runs", options)
    return asyncio.run(runner.run())


def replay(folder: Path, recorded: Path, text: str | None = None, *, head: str = HEAD) -> Played:
    """Run a pipeline, or the recorded one, against the recording in the folder `recorded`."""
    tape = Tape(recorded)
    path = folder / "p.yaml" if text is None else write(folder, text, "changed.yaml", head)
    environment = environment_of(tape, {})
    compiled = compile(path, environment=environment)
    return Player(tape, compiled.plan, compiled.secrets, folder / "replays", environment=environment).play()


def events(folder: Path) -> list[Event]:
    """The journal of a run."""
    return read(folder / "journal.jsonl")


def timeless(folder: Path) -> list[dict[str, Any]]:
    """The journal without times, and without what only a run on hardware has."""
    return [
        {key: value for key, value in event.items() if key not in TIMES | {"consoles"}}
        for event in events(folder)
        if event["event"] not in ("run.started", "created", "removed")
    ]


def sorted_lines(folder: Path) -> list[str]:
    """The same as sorted text, for runs in which steps are beside each other."""
    return sorted(json.dumps(event, sort_keys=True, default=str) for event in timeless(folder))
