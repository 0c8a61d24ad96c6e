"""Checks the invariants of rollouts (D9 of the semantics) on a journal alone: it shares no code with the engine."""

from __future__ import annotations

import math
import re
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

Event = Mapping[str, Any]

OVER = ("complete", "aborted", "rolled back")


def check(events: Sequence[Event], path: str) -> Checker:
    """Check the rollout of the job `path`; an assertion names the line of the journal that breaks an invariant."""
    checker = Checker(path)
    for event in events:
        checker.take(event)
    checker.end()
    return checker


class Checker:
    """Takes in a journal line by line."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.members: list[Mapping[str, Any]] = []
        self.facts: Event | None = None
        self.attempts: Counter[int] = Counter()
        self.finals: dict[int, str] = {}
        self.order: list[int] = []
        self.began: set[int] = set()
        self.out: dict[str, set[int]] = defaultdict(set)
        self.working: set[int] = set()
        self.undoing: set[int] = set()
        self.undone: dict[int, str] = {}
        self.undo_order: list[int] = []
        self.leased: dict[str, str] = {}
        self.waves: dict[str, set[str]] = defaultdict(set)
        self.halts = 0
        self.halted: Event | None = None
        self.state: str | None = None
        self.ends: list[int] = []

    def take(self, event: Event) -> None:
        """Check one line against all before it."""
        kind = str(event["event"])
        here = f"line {event['n'] + 1}: {kind} {event.get('device', '')}"
        handler = getattr(self, "_" + kind.replace(".", "_"), None)
        if handler and event.get("rollout", self.path) == self.path:
            handler(event, here)
        if self.facts is not None:
            for place, out in self.out.items():
                limit = self._limit(place)
                assert limit is None or len(out) <= limit, (
                    f"{here}: {len(out)} out of service at '{place}', {limit} may be"
                )
            most = self.facts["max_parallel"]
            assert most is None or len(self.working | self.undoing) <= most, f"{here}: {len(self.working)} at work"

    def _place(self, index: int) -> str:
        rule = self.facts["max_unavailable"] if self.facts else None
        return str(self.members[index]["labels"].get(rule["label"], "")) if rule and rule["label"] else ""

    def _limit(self, place: str) -> int | None:
        assert self.facts is not None
        rule = self.facts["max_unavailable"]
        if rule is None:
            return None
        size = sum(self._place(index) == place for index in range(len(self.members))) if rule["count"] is None else 0
        return int(rule["count"] if rule["count"] is not None else max(1, math.floor(size * rule["percent"] / 100)))

    def _wave_of(self, index: int) -> int:
        return next(number for number, end in enumerate(self.ends) if index < end)

    def _rollout_members(self, event: Event, here: str) -> None:
        assert self.facts is None, f"{here}: the fleet was frozen before"
        if event["first"] == 0:
            self.members = []
        assert event["first"] == len(self.members), here
        self.members += event["members"]

    def _rollout_started(self, event: Event, here: str) -> None:
        assert self.facts is None, f"{here}: a second fleet"
        self.facts = event
        assert event["size"] == len(self.members), here
        total = 0
        for wave in event["waves"]:
            total += wave["size"]
            self.ends.append(total)
        assert total == len(self.members), f"{here}: the waves forget somebody"

    def _run_resumed(self, event: Event, here: str) -> None:
        self.working.clear()  # whoever did it is dead
        self.undoing.clear()
        self.leased.clear()
        self.state = self.state if self.state in OVER else None

    def _device_started(self, event: Event, here: str) -> None:
        index = event["index"]
        self._goes_to_work(index, here)
        assert self.members[index]["name"] == event["device"], here
        assert event["attempt"] == self.attempts[index] + 1, (
            f"{here}: attempt {event['attempt']} after {self.attempts[index]}"
        )
        self.attempts[index] += 1
        if index not in self.order:
            self.order.append(index)

    def _device_resumed(self, event: Event, here: str) -> None:
        assert event["attempt"] == self.attempts[event["index"]] > 0, f"{here}: resumed what never started"
        self._goes_to_work(event["index"], here)

    def _goes_to_work(self, index: int, here: str) -> None:
        assert self.facts is not None, f"{here}: before the fleet was listed"
        assert self.halted is None, f"{here}: after the rollout halted"
        assert index not in self.finals, f"{here}: it had its verdict: {self.finals[index]}"
        assert index not in self.working, f"{here}: it is at work already"
        wave = self._wave_of(index)
        for number in range(wave):
            assert "passed" in self.waves[self._name(number)], f"{here}: wave {number + 1} has not passed"
        assert "started" in self.waves[self._name(wave)], f"{here}: its wave has not started"
        self.working.add(index)
        self.out[self._place(index)].add(index)

    def _name(self, wave: int) -> str:
        assert self.facts is not None
        return str(self.facts["waves"][wave]["name"])

    def _device_deferred(self, event: Event, here: str) -> None:
        self.working.remove(event["index"])

    def _device_finished(self, event: Event, here: str) -> None:
        index = event["index"]
        assert index not in self.finals, f"{here}: a second final state"
        assert event["outcome"] in ("passed", "failed", "errored", "skipped"), here
        assert (event["outcome"] == "skipped") == (self.attempts[index] == 0), here
        assert event["began"] == (index in self.began), here
        self.finals[index] = event["outcome"]
        self.working.discard(index)
        if event["outcome"] == "passed":
            self.out[self._place(index)].discard(index)

    def _step_finished(self, event: Event, here: str) -> None:
        turn = re.fullmatch(re.escape(self.path) + r"\[(\d+)\]", str(event["path"]))
        if turn:
            self.working.discard(int(turn[1]))

    def _scope_started(self, event: Event, here: str) -> None:
        turn = re.fullmatch(re.escape(self.path) + r"\[(\d+)\](#\d+)?", str(event["path"]))
        if turn and event["part"] == "body":
            assert int(turn[1]) in self.working, f"{here}: {event['path']} is not at work"
            self.began.add(int(turn[1]))

    def _lease_acquired(self, event: Event, here: str) -> None:
        assert event["exporter"] not in self.leased, f"{here}: leased to {self.leased.get(event['exporter'])} already"
        self.leased[event["exporter"]] = event.get("job", "")

    def _lease_released(self, event: Event, here: str) -> None:
        self.leased.pop(event["exporter"], None)

    def _wave_started(self, event: Event, here: str) -> None:
        assert self.facts is not None
        number = [wave["name"] for wave in self.facts["waves"]].index(event["wave"])
        assert number == 0 or "passed" in self.waves[self._name(number - 1)], f"{here}: the wave before has not passed"
        if self.facts["waves"][number]["approve"]:
            assert "approved" in self.waves[event["wave"]], f"{here}: nobody approved"
        assert "started" not in self.waves[event["wave"]], here
        self.waves[event["wave"]].add("started")

    def _wave_finished(self, event: Event, here: str) -> None:
        assert self.facts is not None
        number = [wave["name"] for wave in self.facts["waves"]].index(event["wave"])
        mine = range(self.ends[number - 1] if number else 0, self.ends[number])
        assert all(index in self.finals for index in mine), f"{here}: some have no final state"
        self.waves[event["wave"]].add("finished")

    def _wave_soaking(self, event: Event, here: str) -> None:
        assert "finished" in self.waves[event["wave"]], here
        self.waves[event["wave"]].add(f"soaking {event['t']}")

    def _wave_soaked(self, event: Event, here: str) -> None:
        since = max(float(mark.split()[1]) for mark in self.waves[event["wave"]] if mark.startswith("soaking "))
        assert event["t"] - since >= event["seconds"] - 1e-3, f"{here}: it soaked too short"
        self.waves[event["wave"]].add("soaked")

    def _wave_passed(self, event: Event, here: str) -> None:
        marks = self.waves[event["wave"]]
        assert "finished" in marks, here
        if any(mark.startswith("soaking") for mark in marks):
            assert "soaked" in marks, here
        marks.add("passed")

    def _approval_given(self, event: Event, here: str) -> None:
        assert self.facts is not None and event["plan"] == self.facts["plan"], f"{here}: for another plan"
        self.waves[event["wave"]].add("approved")

    def _rollout_halted(self, event: Event, here: str) -> None:
        assert self.halted is None, f"{here}: halted twice"
        self.halted = event
        self.halts += 1

    def _rollout_continued(self, event: Event, here: str) -> None:
        assert self.halted is not None and self.halted["action"] == "pause", here
        self.halted = None

    def _rollback_started(self, event: Event, here: str) -> None:
        index = event["index"]
        assert self.halted is not None and self.halted["action"] == "rollback", here
        assert index in self.began, f"{here}: it had not begun"
        assert index not in self.undone and index not in self.undoing, f"{here}: twice"
        assert not self.working, f"{here}: others are still at work"
        late = [
            other for other in self.order if other in self.began and self.order.index(other) > self.order.index(index)
        ]
        for other in late:
            waits = other not in self.undone and other not in self.undoing
            place = self._place(other)
            full = (
                other not in self.out[place]
                and self._limit(place) is not None
                and len(self.out[place]) >= (self._limit(place) or 0)
            )
            assert not waits or full, f"{here}: {self.members[other]['name']} started later and waits"
        self.undoing.add(index)
        self.undo_order.append(index)
        self.out[self._place(index)].add(index)

    def _rollback_finished(self, event: Event, here: str) -> None:
        assert event["index"] not in self.undone, here
        self.undone[event["index"]] = event["outcome"]
        self.undoing.discard(event["index"])
        if event["outcome"] == "passed":
            self.out[self._place(event["index"])].discard(event["index"])

    def _rollout_finished(self, event: Event, here: str) -> None:
        assert not self.working and not self.undoing, f"{here}: {self.working or self.undoing} still at work"
        self.state = event["state"]
        counts = Counter(self.finals.values())
        for name in ("passed", "failed", "errored"):
            assert event[name] == counts[name], f"{here}: {event[name]} {name}, the journal has {counts[name]}"
        if event["state"] in OVER:
            assert len(self.finals) == len(self.members), (
                f"{here}: {len(self.finals)} of {len(self.members)} have a final state"
            )
        if event["state"] == "rolled back":
            assert set(self.undone) == self.began, f"{here}: begun and not undone: {self.began - set(self.undone)}"

    def end(self) -> None:
        """What must hold at the end of any journal."""
        assert set(self.finals) <= set(range(len(self.members)))
