"""Cleaning up behind a run whose runner was killed: what it made is removed, its devices are made safe."""

from __future__ import annotations

import os
import shutil
import signal
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anyio

from flowrunner.engine.clock import Clock
from flowrunner.engine.folder import lives
from flowrunner.engine.journal import Journal
from flowrunner.engine.lab import Lab, Owner
from flowrunner.engine.lines import Event, read
from flowrunner.engine.mask import Masker
from flowrunner.engine.result import EXIT
from flowrunner.errors import BenchError, FlowrunnerError, Span
from flowrunner.model import Outcome
from flowrunner.pipeline.plan import DeviceRequest

WAIT_FOR_DEVICE = 60.0
"""Seconds that recovery waits for a device that somebody else leased meanwhile."""


@dataclass(slots=True)
class Recovery:
    """What was done: one line each, and what could not be done."""

    done: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)


async def recover(folder: Path, lab: Lab | None) -> Recovery:
    """Complete the run in `folder`: end its processes, remove its files, make its devices safe, close its journal.

    Doing it again changes nothing.

    Raises:
        BenchError: the folder holds no run, or its runner is alive.
    """
    events = read(folder / "journal.jsonl")
    if not events:
        raise BenchError(f"{folder} holds no run that had started", blame="infra")
    if lives(folder):
        raise BenchError(
            f"the run {folder.name} is still running as process {runner_of(events)['pid']}", blame="infra",
            help="press Ctrl-C there, or end that process first",
        )  # fmt: skip
    recovery = Recovery()
    last = next(event for event in reversed(events) if event["event"] in ("run.started", "run.resumed", "run.finished"))
    if last["event"] == "run.finished":
        return recovery
    _repair(folder / "journal.jsonl", len(events))
    journal = Journal(folder / "journal.jsonl", Clock(float(events[-1]["t"])), Masker(), first=len(events))
    try:
        _end_processes(folder.name, recovery)
        _remove_leftovers(folder, events, recovery)
        await _make_safe(events, lab, journal, recovery)
        _close(events, journal)
    finally:
        journal.close()
    return recovery


def runner_of(events: Sequence[Event]) -> Event:
    """How the last runner of a run began."""
    return next(event for event in reversed(events) if event["event"] in ("run.started", "run.resumed"))


def _repair(path: Path, whole: int) -> None:
    """Cut a torn last line off, so that what is appended can be read."""
    lines = path.read_bytes().split(b"\n")[:whole]
    os.truncate(path, sum(len(line) + 1 for line in lines))


def _end_processes(run: str, recovery: Recovery) -> None:
    """End whatever still carries this run's id in its environment."""
    for sign, wait in ((signal.SIGTERM, 2.0), (signal.SIGKILL, 2.0)):
        found = list(_processes(run))
        for pid in found:
            os.kill(pid, sign)
            recovery.done.append(f"sent {sign.name} to process {pid}")
        deadline = time.monotonic() + wait
        while found and time.monotonic() < deadline and list(_processes(run)):
            time.sleep(0.05)
    recovery.failed += [f"process {pid} is still there" for pid in _processes(run)]


def _processes(run: str) -> Iterator[int]:
    mark = f"FLOW_RUN_ID={run}".encode()
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            environment = (entry / "environ").read_bytes().split(b"\0")
        except OSError:
            continue
        if mark in environment and int(entry.name) != os.getpid():
            yield int(entry.name)


def _remove_leftovers(folder: Path, events: Sequence[Event], recovery: Recovery) -> None:
    removed = {str(event["facts"]) for event in events if event["event"] == "removed"}
    paths = [folder / "work"]
    for event in events:
        if event["event"] == "created" and event["kind"] != "process" and str(event["facts"]) not in removed:
            paths.append(Path(event["facts"]["path"]))
    for path in paths:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        elif path.exists():
            path.unlink()
        else:
            continue
        recovery.done.append(f"removed {path}")


async def _make_safe(events: Sequence[Event], lab: Lab | None, journal: Journal, recovery: Recovery) -> None:
    for (_, role), lease in _unsafe(events).items():
        if lab is None:
            recovery.failed.append(f"no lab was given to make '{role}' ({lease['exporter']}) safe")
            continue
        try:
            await _make_one_safe(role, lease, lab, journal, recovery)
        except FlowrunnerError as error:
            recovery.failed.append(f"'{role}' ({lease['exporter']}) could not be made safe: {error}")


def _unsafe(events: Sequence[Event]) -> Mapping[tuple[str, str], Event]:
    """The leases that were neither made safe nor released, by job and role."""
    open_leases: dict[tuple[str, str], Event] = {}
    for event in events:
        if event["event"] == "lease.acquired":
            open_leases[event.get("job", ""), event["role"]] = event
        elif event["event"] == "lease.released":
            open_leases.pop((event.get("job", ""), event["role"]), None)
    return open_leases


async def _make_one_safe(role: str, lease: Event, lab: Lab, journal: Journal, recovery: Recovery) -> None:
    where = Span("journal.jsonl", int(lease["n"]) + 1, 1, int(lease["n"]) + 1, 1)
    request = DeviceRequest(role=role, selector=f"flowrunner/exporter={lease['exporter']}", where=where)
    owner = Owner(run="recovery", pipeline="flow recover", user=str(os.getuid()), pid=os.getpid())
    safe_state: Mapping[str, str] = lease.get("safe_state") or {}
    async with lab.lease(
        [request],
        owner=owner,
        queue_timeout=WAIT_FOR_DEVICE,
        waiting=lambda *_: None,
        opening=lambda _: None,
        on_log=lambda _: None,
    ) as leases:
        for part, action in safe_state.items():
            for path, call in leases[role].device.methods(part, action):
                facts: dict[str, Any] = {"role": role, "part": path, "action": action}
                journal.write("safe_state.started", durable=True, **facts)
                with anyio.fail_after(WAIT_FOR_DEVICE):
                    await call()
                journal.write("safe_state.finished", durable=True, ok=True, message=None, **facts)
                recovery.done.append(f"drove {role}.{path}: {action}")
    job = {"job": lease["job"]} if "job" in lease else {}
    journal.write("lease.released", role=role, exporter=lease["exporter"], **job)


def _close(events: Sequence[Event], journal: Journal) -> None:
    """Give each step that was under way, and the run, their final records."""
    open_steps: dict[str, Event] = {}
    for event in events:
        if event["event"] == "step.started":
            open_steps[event["path"]] = event
        elif event["event"] == "step.finished":
            open_steps.pop(event["path"], None)
    cause: dict[str, Any] = {
        "outcome": Outcome.ERRORED.value, "cause": "cancel", "blame": "infra", "help": None, "said": None,
        "message": "the runner was killed", "because": None, "console": None, "offset": None,
    }  # fmt: skip
    last = {**cause, "path": "", "where": None}
    for path, event in reversed(open_steps.items()):
        last = {**cause, "path": path, "where": event["where"]} if not last["path"] else last
        journal.write(
            "step.finished", path=path, where=event["where"], **cause, started=event["t"], ended=event["t"], attempts=1,
            outputs={}, warning=False,
        )  # fmt: skip
    journal.write(
        "run.finished", durable=True, outcome=Outcome.ERRORED.value, exit=EXIT[Outcome.ERRORED],
        seconds=float(events[-1]["t"]), cause=last,
    )  # fmt: skip
