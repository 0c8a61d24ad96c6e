"""Where a rollout stands, from what is in the journal: for whoever goes on with it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from flowrunner.engine.lab import Member
from flowrunner.engine.lines import Event

TURN = re.compile(r"(\w+)\[(\d+)\](?:#\d+)?")
"""The path of a device's turn, or of one attempt of it."""


@dataclass(slots=True)
class RolloutPast:
    """What was recorded. `finished`, `undone` and `attempts` are by the index of a device, `undone` those rolled back.

    `tried` are those whose last attempt ended and another one is due, `began` those whose steps had begun; `order` is
    that of first starts; `complete` says whether all members are listed, `over` that there is nothing to go on with.
    """

    members: list[Member] = field(default_factory=list)
    complete: bool = False
    attempts: dict[int, int] = field(default_factory=dict)
    tried: set[int] = field(default_factory=set)
    began: set[int] = field(default_factory=set)
    order: list[int] = field(default_factory=list)
    finished: dict[int, Event] = field(default_factory=dict)
    undone: dict[int, Event] = field(default_factory=dict)
    done: dict[str, set[str]] = field(default_factory=dict)
    halted: Mapping[str, Any] | None = None
    over: bool = False

    @classmethod
    def read(cls, events: Iterable[Event], path: str) -> RolloutPast:
        """The past of the rollout whose job is `path`."""
        past = cls()
        for event in events:
            if event["event"] == "scope.started" and event["part"] == "body":
                if (name := TURN.fullmatch(str(event["path"]))) and name[1] == path:
                    past.began.add(int(name[2]))
            elif event.get("rollout") == path:
                take = _TAKE.get(event["event"])
                if take:
                    take(past, event)
        return past

    def passed(self, wave: str, part: str) -> bool:
        """Whether a part of a wave is behind us: `started`, `finished`, `soaked`, `passed`, or `approved PLAN`."""
        return part in self.done.get(wave, ())

    def _members(self, event: Event) -> None:
        if int(event["first"]) == 0:
            self.members.clear()
        self.members += [Member(name=one["name"], labels=one["labels"]) for one in event["members"]]

    def _started(self, event: Event) -> None:
        self.complete = True

    def _device(self, event: Event) -> None:
        index = int(event["index"])
        if index not in self.attempts:
            self.order.append(index)
        self.attempts[index] = int(event["attempt"])
        self.tried.discard(index)

    def _deferred(self, event: Event) -> None:
        self.tried.add(int(event["index"]))

    def _ended(self, event: Event) -> None:
        self.finished[int(event["index"])] = event

    def _undone(self, event: Event) -> None:
        self.undone[int(event["index"])] = event

    def _wave(self, event: Event) -> None:
        self.done.setdefault(str(event["wave"]), set()).add(str(event["event"]).partition(".")[2])

    def _approved(self, event: Event) -> None:
        self.done.setdefault(str(event["wave"]), set()).add(f"approved {event['plan']}")

    def _halted(self, event: Event) -> None:
        self.halted = event

    def _continued(self, event: Event) -> None:
        self.halted = None

    def _over(self, event: Event) -> None:
        self.over = event["state"] in ("complete", "aborted", "rolled back")


_TAKE = {
    "rollout.members": RolloutPast._members, "rollout.started": RolloutPast._started,
    "device.started": RolloutPast._device, "device.deferred": RolloutPast._deferred,
    "device.finished": RolloutPast._ended,
    "rollback.finished": RolloutPast._undone, "wave.started": RolloutPast._wave, "wave.finished": RolloutPast._wave,
    "wave.soaked": RolloutPast._wave, "wave.passed": RolloutPast._wave, "approval.given": RolloutPast._approved,
    "rollout.halted": RolloutPast._halted, "rollout.continued": RolloutPast._continued,
    "rollout.finished": RolloutPast._over,
}  # fmt: skip
