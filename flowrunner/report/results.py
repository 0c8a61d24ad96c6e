"""`results.json`: the summary as plain JSON, for programs. The shape is version 1; fields may be added, not changed."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from flowrunner.errors import Span
from flowrunner.report.model import Attempt, Case, Ending, Record, Summary
from flowrunner.report.rollouts import RolloutView
from flowrunner.report.text import unicode

VERSION = 1


def results(summary: Summary) -> dict[str, Any]:
    """The run as plain data.

    `steps` is the tree as it ran, `cases` the list that `counts` and `junit.xml` are about: one entry for each step.
    Times are in seconds since the run started.
    """
    end = summary.ending
    cause = {"path": summary.cause.path, **_ending(end)} if summary.cause else None
    shape = {
        "version": VERSION,
        "run": dict(summary.facts),
        "complete": summary.complete,
        "outcome": end.outcome,
        "blame": end.blame,
        "exit": summary.exit,
        "seconds": summary.seconds,
        "note": end.note,
        "cause": cause,
        "counts": asdict(summary.counts),
        "cases": [_case(case) for case in summary.cases],
        "rollouts": [_rollout(one) for one in summary.rollouts],
        "jobs": [_job(record) for record in summary.jobs],
        "steps": [_record(record) for record in summary.records],
        "outputs": summary.outputs,
        "measurements": _gather(summary, "measurements"),
        "snapshots": _gather(summary, "snapshots"),
        "artifacts": _gather(summary, "artifacts"),
        "leases": [asdict(lease) for lease in summary.leases],
        "consoles": [asdict(console) for console in summary.consoles],
        "safe_states": [asdict(state) for state in summary.safe_states],
        "cancels": [_event(event) for event in summary.cancels],
    }
    plain: dict[str, Any] = _strict(shape)
    return plain


def results_json(summary: Summary) -> str:
    """The text of `results.json`."""
    return json.dumps(results(summary), indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def _case(case: Case) -> dict[str, Any]:
    record = case.record
    return {
        "key": record.key, "path": record.path, "name": record.name, "action": record.action, "part": record.part,
        "outcome": record.outcome, "blame": record.ending.blame, "message": record.ending.message,
        "seconds": record.seconds, "warning": record.warning, "where": _where(record.where),
        "attempts": max(len(record.attempts), 1) + len(case.earlier),
    }  # fmt: skip


def _job(record: Record) -> dict[str, Any]:
    return {
        "id": record.id, "path": record.path, "name": record.name, "outcome": record.outcome,
        "blame": record.ending.blame, "message": record.ending.message, "because": record.ending.because,
        "seconds": record.seconds, "warning": record.warning, "outputs": record.outputs,
        "instances": [_job(instance) for instance in record.instances],
    }  # fmt: skip


def _rollout(rollout: RolloutView) -> dict[str, Any]:
    """A rollout: counts, waves, and where each device stands."""
    waves = [{**asdict(wave), "ends": dict(wave.ends)} for wave in rollout.waves.values()]
    return {
        "job": rollout.path, "selector": rollout.selector, "state": rollout.state, "size": rollout.size,
        "ends": dict(rollout.ends), "halted": _event(rollout.halted) if rollout.halted else None, "waves": waves,
        "devices": [asdict(device) for device in rollout.devices],
    }  # fmt: skip


def _record(record: Record) -> dict[str, Any]:
    return {
        "path": record.path, "id": record.id, "name": record.name, "action": record.action, "kind": record.kind,
        "part": record.part, "block": record.block, "background": record.background, "where": _where(record.where),
        "device": record.device, "started": record.started, "ended": record.ended, "seconds": record.seconds,
        "warning": record.warning, **_ending(record.ending), "parameters": record.parameters,
        "outputs": record.outputs, "attempts": [_attempt(attempt) for attempt in record.attempts],
        "steps": [_record(child) for child in record.children],
        "logs": [_event(event) for event in record.extras.logs],
    }  # fmt: skip


def _attempt(attempt: Attempt) -> dict[str, Any]:
    return {
        "number": attempt.number, "started": attempt.started, "ended": attempt.ended, "pause": attempt.pause,
        **_ending(attempt.ending), "steps": [_record(child) for child in attempt.children],
    }  # fmt: skip


def _ending(ending: Ending) -> dict[str, Any]:
    names = ("outcome", "cause", "blame", "message", "help", "said", "because", "note", "console", "offset")
    return {name: getattr(ending, name) for name in names}


def _where(where: Span | None) -> dict[str, Any] | None:
    return None if where is None else {"file": where.file, "line": where.line, "column": where.column}


def _gather(summary: Summary, kind: str) -> list[dict[str, Any]]:
    return [_event(event) for record in summary.walk() for event in getattr(record.extras, kind)]


def _event(event: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in event.items() if key not in ("n", "event")}


def _strict(value: Any) -> Any:
    """`value` as JSON knows it: no NaN, no lone surrogates, keys as text."""
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, str):
        return unicode(value)
    if isinstance(value, Mapping):
        return {unicode(str(key)): _strict(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_strict(item) for item in value]
    return value
