"""A rollout as people read it: its waves, where each device stands, why it stopped. Fed event by event."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

Event = Mapping[str, Any]

ENDS = ("passed", "failed", "errored", "skipped")


@dataclass(slots=True)
class DeviceView:
    """One device. `outcome` is `waiting`, `working`, `deferred`, or how it ended; `undone` how its rollback ended.

    `began` is False for a device that was never touched; times are in seconds since the run started.
    """

    name: str
    index: int
    path: str
    wave: str
    outcome: str = "waiting"
    attempts: int = 0
    began: bool = False
    blame: str | None = None
    message: str | None = None
    cause: str | None = None
    started: float | None = None
    ended: float | None = None
    undone: str | None = None
    undone_message: str | None = None


@dataclass(slots=True)
class WaveView:
    """One wave: `state` is `waiting`, `approval`, `working`, `soaking`, `gate` or `passed`."""

    name: str
    number: int
    size: int
    state: str = "waiting"
    approved_by: str | None = None
    ends: Counter[str] = field(default_factory=Counter)
    working: int = 0
    started: float | None = None
    ended: float | None = None

    @property
    def done(self) -> int:
        """How many devices had their turn, or will have none."""
        return self.ends.total()


@dataclass(slots=True)
class RolloutView:
    """A rollout; `state` is `running` until it has ended."""

    path: str
    selector: str = ""
    on_halt: str = ""
    plan: str = ""
    state: str = "running"
    names: list[str] = field(default_factory=list)
    waves: dict[str, WaveView] = field(default_factory=dict)
    devices: list[DeviceView] = field(default_factory=list)
    asked: str | None = None
    halted: Event | None = None
    trouble: list[DeviceView] = field(default_factory=list)

    @property
    def size(self) -> int:
        """How many devices the fleet has."""
        return len(self.devices)

    @property
    def ends(self) -> Counter[str]:
        """How many devices ended how."""
        return sum((wave.ends for wave in self.waves.values()), Counter[str]())

    def take(self, event: Event) -> None:
        """Bring the picture up to date."""
        handler = _HANDLERS.get(event["event"])
        if handler:
            handler(self, event)

    def groups(self) -> Sequence[tuple[str, str, list[DeviceView]]]:
        """Devices that did not end passed, by outcome and reason, the most frequent first; skipped ones last."""
        found: dict[tuple[str, str], list[DeviceView]] = {}
        for device in self.devices:
            if device.outcome in ("failed", "errored", "skipped", "canceled"):
                found.setdefault((device.outcome, device.message or "no reason was recorded"), []).append(device)
        order = ("failed", "errored", "canceled", "skipped")
        listed = [(outcome, message, devices) for (outcome, message), devices in found.items()]
        return sorted(listed, key=lambda one: (order.index(one[0]), -len(one[2])))

    def _members(self, event: Event) -> None:
        if event["first"] == 0:
            self.names.clear()
        self.names += [str(one["name"]) for one in event["members"]]

    def _started(self, event: Event) -> None:
        self.selector, self.on_halt, self.plan = str(event["fleet"]), str(event["on_halt"]), str(event["plan"])
        index = 0
        for one in event["waves"]:
            wave = self.waves[one["name"]] = WaveView(str(one["name"]), int(one["number"]), int(one["size"]))
            for _ in range(wave.size):
                path = f"{self.path}[{index}]"
                self.devices.append(DeviceView(self.names[index], index, path, wave.name))
                index += 1

    def _device(self, event: Event) -> DeviceView:
        return self.devices[int(event["index"])]

    def _goes(self, event: Event) -> None:
        device = self._device(event)
        device.outcome, device.attempts = "working", int(event["attempt"])
        device.started = event["t"] if device.started is None else device.started
        self.waves[device.wave].working += 1

    def _deferred(self, event: Event) -> None:
        device = self._device(event)
        device.outcome, device.message, device.blame = "deferred", event.get("message"), event.get("blame")
        self.waves[device.wave].working -= 1

    def _ended(self, event: Event) -> None:
        device = self._device(event)
        wave = self.waves[device.wave]
        wave.working -= device.outcome == "working"
        wave.ends[str(event["outcome"])] += 1
        for name in ("outcome", "blame", "message", "cause", "began", "attempts"):
            setattr(device, name, event[name])
        device.ended = event["t"] if device.started is not None else None
        if device.outcome in ("failed", "errored"):
            self.trouble.append(device)

    def _undone(self, event: Event) -> None:
        device = self._device(event)
        device.undone, device.undone_message = str(event["outcome"]), event.get("message")

    def _asks(self, event: Event) -> None:
        self.asked = str(event["wave"])
        self.waves[self.asked].state = "approval"

    def _yes(self, event: Event) -> None:
        self.asked = None
        self.waves[event["wave"]].approved_by = str(event["by"])

    def _halted(self, event: Event) -> None:
        self.halted = event

    def _continued(self, event: Event) -> None:
        self.halted, self.state = None, "running"

    def _over(self, event: Event) -> None:
        self.state = str(event["state"])
        for device in self.devices:
            device.outcome = "canceled" if device.outcome in ("working", "deferred") else device.outcome
        for wave in self.waves.values():
            wave.working = 0

    def resumed(self) -> None:
        """Another runner goes on."""
        self._over({"state": "running"})
        self.asked = None


def _wave(state: str) -> Callable[[RolloutView, Event], None]:
    def take(rollout: RolloutView, event: Event) -> None:
        wave = rollout.waves[event["wave"]]
        wave.state = state
        wave.started = event["t"] if state == "working" else wave.started
        wave.ended = event["t"] if state == "passed" else wave.ended

    return take


_HANDLERS: Mapping[str, Callable[[RolloutView, Event], None]] = {
    "rollout.members": RolloutView._members, "rollout.started": RolloutView._started,
    "rollout.halted": RolloutView._halted, "rollout.continued": RolloutView._continued,
    "rollout.finished": RolloutView._over, "device.started": RolloutView._goes, "device.resumed": RolloutView._goes,
    "device.deferred": RolloutView._deferred, "device.finished": RolloutView._ended,
    "rollback.finished": RolloutView._undone, "approval.requested": RolloutView._asks,
    "approval.given": RolloutView._yes, "wave.started": _wave("working"), "wave.finished": _wave("gate"),
    "wave.soaking": _wave("soaking"), "wave.soaked": _wave("gate"), "wave.passed": _wave("passed"),
}  # fmt: skip


@dataclass(slots=True)
class Rollouts:
    """All rollouts of a run, by the path of their job."""

    found: dict[str, RolloutView] = field(default_factory=dict)

    def take(self, event: Event) -> bool:
        """Take `event` in; says whether it was about a rollout."""
        path = event.get("rollout")
        if event["event"] == "run.resumed":
            for rollout in self.found.values():
                rollout.resumed()
        if path is None:
            return False
        if path not in self.found:
            self.found[path] = RolloutView(str(path))
        self.found[path].take(event)
        return True

    def is_turn(self, path: str) -> bool:
        """Whether `path` is that of a device's turn itself."""
        return self.inside(path) and path.endswith("]") and path.count("[") == 1

    def label(self, path: str) -> str:
        """What people call the node at `path`: the device's name when it is a device's turn."""
        if not self.is_turn(path):
            return path
        job, _, number = path.removesuffix("]").partition("[")
        undone = job.endswith(".rollback")
        device = self.found[job.removesuffix(".rollback")].devices[int(number)]
        return f"{'rollback of ' if undone else ''}{device.name}"

    def inside(self, path: str) -> bool:
        """Whether `path` is that of a device's turn, or of something in one."""
        return path.partition("[")[0].removesuffix(".rollback") in self.found and "[" in path


def rollouts(events: Iterable[Event]) -> tuple[RolloutView, ...]:
    """The rollouts in a journal that got as far as listing their fleet."""
    all_ = Rollouts()
    for event in events:
        all_.take(event)
    return tuple(rollout for rollout in all_.found.values() if rollout.devices)


def words(rollout: RolloutView) -> Iterator[str]:
    """What a release manager wants to know, line by line."""
    ends = rollout.ends
    parts = [f"{ends[name]} {name}" for name in ENDS if ends[name]]
    left = rollout.size - ends.total()
    parts += [f"{left} not started" if rollout.state != "running" else f"{left} to go"] if left else []
    yield f"rollout {rollout.path} is {rollout.state}: {rollout.size} devices ({rollout.selector}): {', '.join(parts)}"
    width = max((len(name) for name in rollout.waves), default=0)
    for wave in rollout.waves.values():
        told = ", ".join(f"{wave.ends[name]} {name}" for name in ENDS if wave.ends[name]) or "not started"
        by = f", approved by {wave.approved_by}" if wave.approved_by else ""
        yield f"  wave {wave.name:<{width}}  {wave.done:>5} of {wave.size:<5}  {told}{by}"
    for outcome, message, devices in rollout.groups()[:6]:
        names = ", ".join(device.name for device in devices[:4]) + (", ..." if len(devices) > 4 else "")
        yield f"  {len(devices):>5} {outcome}: {message} ({names})"
    yield from _rollback(rollout)


def _rollback(rollout: RolloutView) -> Iterator[str]:
    undone = Counter(device.undone for device in rollout.devices if device.undone)
    if undone:
        yield "  rolled back: " + ", ".join(f"{count} {outcome}" for outcome, count in undone.items())
    for device in rollout.devices:
        if device.undone not in (None, "passed"):
            yield f"    {device.name} was not rolled back: {device.undone_message or device.undone}"
