"""The checker of rollouts finds what it is there for: each of these journals breaks one invariant."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from flowrunner.pipeline.plan import Wave
from tests.support.fleets import CANARY, REST, FleetLab, execute, rollout
from tests.support.rollout_checker import check

Events = list[dict[str, Any]]


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Events:
    plan = rollout(
        CANARY, Wave(name="two", size=2), REST, parallel=2, per_site=1, halt=["fleet.failed >= 1"], on_halt="rollback"
    )
    ran = execute(plan, tmp_path_factory.mktemp("run"), FleetLab([[], [], [], [], ["fail"], []], sites=2))
    check(ran.events, "update")
    return [dict(event) for event in ran.events]


def first(events: Events, kind: str, **facts: Any) -> int:
    return next(i for i, e in enumerate(events) if e["event"] == kind and all(e.get(k) == v for k, v in facts.items()))


def drop(kind: str, **facts: Any) -> Callable[[Events], None]:
    def gone(events: Events) -> None:
        events.pop(first(events, kind, **facts))

    return gone


def again(kind: str, **facts: Any) -> Callable[[Events], None]:
    def twice(events: Events) -> None:
        at = first(events, kind, **facts)
        events.insert(at + 1, dict(events[at]))

    return twice


def early(kind: str, before: str, **facts: Any) -> Callable[[Events], None]:
    def move(events: Events) -> None:
        event = events.pop(first(events, kind, **facts))
        events.insert(first(events, before), event)

    return move


def alter(kind: str, key: str, value: Any, **facts: Any) -> Callable[[Events], None]:
    return lambda events: events[first(events, kind, **facts)].update({key: value})


BROKEN: dict[str, Callable[[Events], object]] = {
    "a device starts before the fleet is listed": early("device.started", "rollout.members", index=0),
    "a device starts twice": again("device.started", index=1),
    "a device has two ends": again("device.finished", index=1),
    "a device has no end": drop("device.finished", index=2),
    "a device starts before its wave": early("device.started", "wave.passed", index=2),
    "a wave starts before the one before it passed": drop("wave.passed", wave="canary"),
    "a wave is over too early": early("wave.finished", "device.finished", wave="two"),
    "too many are out of service": lambda events: events[first(events, "rollout.started")].update(max_unavailable={"count": 1, "percent": None, "label": None}),
    "too many are at work": alter("rollout.started", "max_parallel", 1),
    "a halt is taken twice": again("rollout.halted"),
    "a device starts behind a halt": early("rollout.halted", "device.started"),
    "somebody is not rolled back": drop("rollback.finished"),
    "somebody is rolled back twice": again("rollback.started"),
    "the last that started is not the first that goes back": lambda events: events.append(events.pop(first(events, "rollback.started"))),
    "the counts are wrong": alter("rollout.finished", "failed", 7),
    "a board is leased twice": again("lease.acquired"),
    "a device that was touched is said not to be": alter("device.finished", "began", False, index=0),
    "a wave without approval": lambda events: events[first(events, "rollout.started")]["waves"].__setitem__(1, {**events[first(events, "rollout.started")]["waves"][1], "approve": True}),
}  # fmt: skip


@pytest.mark.parametrize("what", BROKEN)
def test_sees_that(good: Events, what: str, tmp_path: Path) -> None:
    events = [dict(event) for event in good]
    started = first(events, "rollout.started")
    events[started]["waves"] = [dict(wave) for wave in events[started]["waves"]]
    BROKEN[what](events)
    for number, event in enumerate(events):
        event["n"] = number
    with pytest.raises((AssertionError, KeyError, StopIteration)):
        check(events, "update")
