"""Going on with a run that ended early: what must be the same as before, and cleaning up behind the earlier runner."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from flowrunner.engine.folder import lives
from flowrunner.engine.lab import NAME_LABEL, Lab
from flowrunner.engine.lines import Event, read
from flowrunner.engine.past import Past
from flowrunner.engine.recover import recover, runner_of
from flowrunner.errors import BenchError, PipelineError, PipelineErrors, Span
from flowrunner.pipeline.encode import plan_json
from flowrunner.pipeline.plan import DeviceRequest, Plan

SHOWN = 12
"""Differences that are listed."""


def first_of(folder: Path) -> Event:
    """How the run in `folder` was started, in whatever state it is.

    Raises:
        BenchError: it never started.
    """
    return _events(folder)[0]


def _events(folder: Path) -> list[Event]:
    events = read(folder / "journal.jsonl")
    if not events:
        raise BenchError(f"{folder} holds no run that had started", blame="infra", help="start it with 'flow run'")
    return events


def facts_of(folder: Path) -> Event:
    """How the run in `folder` was started.

    Raises:
        BenchError: it never started, or its runner lives.
        PipelineError: there is nothing to go on with.
    """
    events = _events(folder)
    if lives(folder):
        what = f"the run {folder.name} is still running as process {runner_of(events)['pid']}"
        raise BenchError(what, blame="infra", help="press Ctrl-C there, or wait for it")
    if events[-1]["event"] == "run.finished" and events[-1]["outcome"] == "passed":
        what = f"the run {folder.name} passed: there is nothing to go on with"
        raise PipelineError(what, code="nothing-to-resume", help="start another one with 'flow run'")
    for event in events:
        if event["event"] == "rollout.finished" and event["state"] in ("aborted", "rolled back"):
            what = f"the rollout '{event['path']}' was {event['state']}: it is over"
            raise PipelineError(what, code="nothing-to-resume", help="start another one with 'flow run'")
    return events[0]


async def resume(folder: Path, plan: Plan, lab: Lab, *, force: bool = False) -> Past:
    """What the runner must know to go on with the run in `folder`, behind which is cleaned up now.

    Raises:
        PipelineErrors: the plan, its inputs or includes, or a device is not what it was; `force` goes on all the same.
        BenchError: the devices could not be made safe.
    """
    events = read(folder / "journal.jsonl")
    changed = [*_of_plan(folder, plan, runner_of(events)), *_of_devices(events, lab)]
    if changed and not force:
        listed = [*changed[:SHOWN], *([f"and {len(changed) - SHOWN} more"] if changed[SHOWN:] else [])]
        raise PipelineError(
            f"the run {folder.name} cannot go on: something is not as it was", code="changed",
            help="\n".join(("put it back, start another run, or go on all the same with --force:", *listed)),
        )  # fmt: skip
    recovery = await recover(folder, lab)
    if recovery.failed and not force:
        what = f"the run {folder.name} could not be cleaned up: {'; '.join(recovery.failed)}"
        raise BenchError(what, blame="infra", help="see to it, then try again; --force goes on all the same")
    return Past(read(folder / "journal.jsonl"))


def _of_plan(folder: Path, plan: Plan, facts: Event) -> Iterator[str]:
    if facts["plan"] == plan.digest:
        return
    try:
        before = json.loads((folder / "plan.json").read_text())
    except (OSError, ValueError):
        before = {}
    now = json.loads(json.dumps(plan_json(plan), default=str))
    for name in ("sources", "digest"):
        before.pop(name, None)
        now.pop(name, None)
    found = list(differences(before, now, ""))
    yield from found or [f"plan: {facts['plan'][:12]} -> {plan.digest[:12]}"]


def differences(before: Any, now: Any, way: str) -> Iterator[str]:
    """What differs between two plans, one line each: the way to it, what it was, what it is. Places do not count."""
    if isinstance(before, dict) and isinstance(now, dict):
        for key in dict.fromkeys((*before, *now)):
            if key != "where":
                yield from differences(before.get(key), now.get(key), f"{way}.{key}" if way else str(key))
    elif _is_nodes(before) and _is_nodes(now):
        old, new = ({str(node["path"]): node for node in nodes} for nodes in (before, now))
        for path in dict.fromkeys((*old, *new)):
            if path not in new or path not in old:
                yield f"{path}: {'is gone' if path not in new else 'is new'}"
            else:
                yield from differences(old[path], new[path], path)
    elif before != now:
        yield f"{way}: {_shown(before)} -> {_shown(now)}"


def _is_nodes(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(one, dict) and "path" in one for one in value)


def _shown(value: Any) -> str:
    text = "nothing" if value is None else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _of_devices(events: Sequence[Event], lab: Lab) -> Iterator[str]:
    """What is different about devices that were leased for what is not done yet."""
    done = {e["path"] for e in events if e["event"] == "step.finished" and e["outcome"] == "passed"}
    leased = {(e.get("job", ""), e["role"], e["exporter"]): e for e in events if e["event"] == "lease.acquired"}
    for (job, role, name), event in leased.items():
        if job not in done:
            yield from _of_device(role, name, event, lab)


def _of_device(role: str, name: str, before: Event, lab: Lab) -> Iterator[str]:
    where = Span("journal.jsonl", int(before["n"]) + 1, 1, int(before["n"]) + 1, 1)
    try:
        (now,) = lab.members(DeviceRequest(role=role, selector=f"{NAME_LABEL}={name}", where=where))
    except PipelineErrors as error:
        yield f"{role}: {name} -> {error.errors[0].what}"
        return
    if now.name != name:
        yield f"{role}: {name} -> {now.name}"
    yield from differences(dict(before["labels"]), dict(now.labels), f"{role} ({name}) labels")
    types = {path: part["type"] for path, part in before["parts"].items()}
    if now.parts:
        yield from differences(types, dict(now.parts), f"{role} ({name}) parts")


def inputs_of(facts: Event) -> Mapping[str, Any]:
    """The inputs that a run was started with, to compile its pipeline with again."""
    return {name: value for name, value in facts["inputs"].items() if value is not None}
