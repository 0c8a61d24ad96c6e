"""What an event says to people, in one line; both displays of the terminal use these words."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from flowrunner.report.text import one_line, seconds

Event = Mapping[str, Any]


_NEXT = {1: "; once more skips finally, a third time leaves at once", 2: "; finally is skipped"}


def describe(event: Event) -> tuple[str, str] | None:
    """A verb and the rest of the line; None for what nobody wants to read as it happens."""
    words = _WORDS.get(event["event"])
    return words(event) if words else None


def title(event: Event) -> str:
    """What a step that starts is about: its action, and its name where that says more."""
    name, action = one_line(event["name"], 100), str(event["action"])
    if name in (action, event["id"]) or name == event["path"]:
        return action
    return name if name.startswith(f"{action} ") else f"{action}: {name}"


def why(event: Event) -> str:
    """`: ` and the reason of an outcome, with its blame; empty when it has none."""
    blame = f" ({event['blame']})" if event.get("blame") else ""
    text = event.get("message") or because(event.get("because"))
    return f"{blame}: {one_line(text, 500)}" if text else blame


def because(reason: str | None) -> str:
    """A reason in words: a path needs some, other reasons have their own."""
    return "" if not reason else reason if " " in reason else f"because of {reason}"


def role_of(event: Event) -> str:
    """The role that an event is about, with the job that it is of."""
    return f"{event['job']} {event['role']}" if event.get("job") else str(event["role"])


def _lease_acquired(event: Event) -> tuple[str, str]:
    return "leased", f"{role_of(event)}: {event['exporter']}"


def _lease_waiting(event: Event) -> tuple[str, str]:
    place = f", number {event['position']} in the queue" if event.get("position") else ""
    return "waiting", f"{role_of(event)}: for {one_line(event['owner'])}{place}"


def _turn_waiting(event: Event) -> tuple[str, str]:
    place = f", number {event['position']} in the queue"
    return "waiting", f"{event['path']}: for the turn of {one_line(event['owner'])} in '{event['group']}'{place}"


def _attempt_finished(event: Event) -> tuple[str, str] | None:
    if event.get("pause") is None:
        return None
    attempt = f"{event['path']}: attempt {event['attempt']} {event['outcome']}{why(event)}"
    again = f"in {seconds(event['pause'])}" if event["pause"] else "at once"
    return "retry", f"{attempt}; again {again}"


def _measurement(event: Event) -> tuple[str, str]:
    value = f"{event['value']:.6g}" if isinstance(event["value"], float) else str(event["value"])
    return "measured", one_line(f"{event['name']}: {value} {event.get('unit') or ''}".strip() + f", {event['verdict']}")


def _snapshot(event: Event) -> tuple[str, str] | None:
    if event["verdict"] == "passed":
        return None
    distance = event.get("distance")
    measured = f", distance {distance}, allowed {event.get('tolerance')}" if distance is not None else ""
    return "snapshot", f"{event['name']}: {event['verdict']}{measured}"


def _safe_finished(event: Event) -> tuple[str, str]:
    what = f"{role_of(event)}.{event['part']}".strip(".") + f": {event['action']}"
    if event["ok"]:
        return "safe", what
    return "UNSAFE", f"{what} could not be reached: {one_line(event.get('message') or '')}"


_LEVELS = {"notice": "notice", "warning": "warning", "error": "error", "critical": "error"}


def _device_log(event: Event) -> tuple[str, str] | None:
    """Notices and worse; what is only informed about is in the journal."""
    word = _LEVELS.get(event["level"])
    who = event.get("driver") or f"the exporter of {event['role']}"
    return (word, f"{who}: {one_line(event['message'], 1000)}") if word else None


def _device_deferred(event: Event) -> tuple[str, str]:
    again = f"again in {seconds(event['pause'])}"
    return "retry", f"{event['device']}: attempt {event['attempt']} {event['outcome']}{why(event)}; {again}"


def _rollout_started(event: Event) -> tuple[str, str]:
    waves = ", ".join(f"{wave['name']} {wave['size']}" for wave in event["waves"])
    return "rollout", f"{event['path']}: {event['size']} devices in {len(event['waves'])} waves: {waves}"


def _approval(event: Event) -> tuple[str, str]:
    told = f"{event['passed']} passed, {event['failed']} failed, {event['errored']} errored so far"
    return (
        "approval",
        f"wave '{event['wave']}' ({event['devices']} devices; {told}) waits: flow approve RUN {event['wave']}",
    )


_WORDS: Mapping[str, Callable[[Event], tuple[str, str] | None]] = {
    "lease.acquired": _lease_acquired,
    "lease.waiting": _lease_waiting,
    "turn.waiting": _turn_waiting,
    "lease.warning": lambda event: ("warning", f"{role_of(event)}: {one_line(event['message'], 500)}"),
    "device.log": _device_log,
    "device.deferred": _device_deferred,
    "rollout.started": _rollout_started,
    "rollout.halted": lambda event: ("halted", f"{one_line(event['message'], 500)}; {event['action']}"),
    "rollout.continued": lambda event: ("rollout", f"{event['path']} goes on: told so by {event['by']}"),
    "wave.started": lambda event: ("wave", f"{event['wave']}: {event['size']} devices"),
    "wave.soaking": lambda event: ("wave", f"{event['wave']}: soaks for {seconds(event['seconds'])}"),
    "approval.requested": _approval,
    "approval.given": lambda event: ("approval", f"wave '{event['wave']}': {event['by']} said yes"),
    "run.resumed": lambda event: ("resumed", f"{event['id']} of {event['file']}"),
    "lease.lost": lambda event: ("lost", f"{role_of(event)}: {one_line(event['reason'])}"),
    "attempt.finished": _attempt_finished,
    "measurement": _measurement,
    "snapshot": _snapshot,
    "log": lambda event: (str(event["level"]), f"{event['path']}: {one_line(event['message'], 1000)}"),
    "cancel.requested": lambda event: ("cancel", f"asked by {event['by']}{_NEXT.get(event['level'], '')}"),
    "cancel.delayed": lambda event: ("cancel", one_line(event["message"])),
    "overrun": lambda event: ("overrun", f"{event['path']} went on {seconds(event['seconds'])} after its deadline"),
    "safe_state.finished": _safe_finished,
}
