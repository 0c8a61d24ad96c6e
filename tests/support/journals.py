"""Journals as they can be compared: without what is time, chance, or the way to the device."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from flowrunner.engine.lines import Event

TIMES = frozenset(
    {"t", "crc", "started", "ended", "at", "seconds", "rate", "boot_time", "took", "times", "slowest", "slowest_boot"}
)
"""Keys, at any depth, whose values are times."""

MOMENTS = frozenset({"consoles", "offset"})
"""How far a console had come at some moment."""

OF_THE_RUN = frozenset({"id", "wall", "argv", "cwd", "pid", "exporters"})
WAY = frozenset({"lease", "expires"})
OFFSETS = frozenset({"start", "end", "bytes"})

CHANCE = re.compile(r"(?<=FLOW-)[0-9a-f]{8}|(?<=F%s-)[0-9a-f]{8}|\b\d+\.\d{2}\b")
"""What is new each time in texts: the marks of the action `shell`, and what `/proc/uptime` says."""


def comparable(events: Sequence[Event], *, exact: bool = True) -> list[dict[str, Any]]:
    """The events but those of drivers' logs, which come when they come. Not `exact`: where on a console does not count."""
    told = [_without(event, exact=exact) for event in events if event["event"] != "device.log"]
    timed = {event["path"] for event in told if event["event"] == "measurement" and event["unit"] == "s"}
    for event in told:
        if event.get("path") in timed:
            for key in ("value", "verdict"):
                event.pop(key, None)
                event.get("outputs", {}).pop(key, None)
    return told


def logs(events: Sequence[Event], *, informed: bool = True) -> list[tuple[Any, ...]]:
    """What was logged beside the devices, whatever came first; not `informed`: warnings and worse only."""
    keys = ("role", "driver", "call", "source", "level", "message")
    lines = [event for event in events if event["event"] == "device.log"]
    return sorted(tuple(str(line[key]) for key in keys) for line in lines if informed or line["level"] != "info")


def _without(event: Event, *, exact: bool) -> dict[str, Any]:
    dropped = MOMENTS | {"n"}
    if event["event"] == "run.started":
        dropped |= OF_THE_RUN
    elif event["event"] in {"lease.acquired", "console.opened"}:
        dropped |= WAY
    elif event["event"] == "console.closed":
        dropped |= {"bytes"}
    elif not exact:
        dropped |= OFFSETS
    return {key: _plain(value) for key, value in event.items() if key not in dropped | TIMES}


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items() if key not in TIMES | MOMENTS}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, float) and not value.is_integer():
        return "a time"  # or something else that was measured
    return same_text(value) if isinstance(value, str) else value


def same_text(text: str) -> str:
    """A text without what is time or chance in it."""
    return CHANCE.sub("*", text)
