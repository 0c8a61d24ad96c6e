"""A lab whose devices are recordings."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

from flowrunner.device import Device
from flowrunner.engine.lab import DeviceLog, Lease, LeaseTimeout, Member, OnLog, Owner, Waiting
from flowrunner.engine.lines import Event
from flowrunner.engine.witness import JOB
from flowrunner.errors import PipelineError, PipelineErrors, near
from flowrunner.interface import Interface, client
from flowrunner.pipeline.plan import DeviceRequest
from flowrunner.remote.known import named
from flowrunner.replay.played import Played
from flowrunner.replay.player import Replay
from flowrunner.replay.tape import Leased
from flowrunner.replay.timeline import Timeline

_LOG = ("role", "level", "message", "source", "driver", "call")


class ReplayLab:
    """Gives each role the device that filled it then, in the same order."""

    def __init__(self, replay: Replay) -> None:
        self._replay = replay
        self._tape = replay.tape

    def check(self, requests: Sequence[DeviceRequest]) -> None:
        known = {event["role"] for event in self._tape.journal if event["event"] == "lease.requested"}
        errors = [
            PipelineError(
                f"the recording has no device '{request.role}'", code="no-exporter", where=request.where,
                help=near(request.role, known),
            )
            for request in requests
            if request.role not in known
        ]  # fmt: skip
        if errors:
            raise PipelineErrors(errors)

    def members(self, request: DeviceRequest) -> Sequence[Member]:
        """The fleet as it was listed then."""
        lists = {e["rollout"] for e in self._events("rollout.started") if e["fleet"] == request.selector}
        found = [one for e in self._events("rollout.members") if e["rollout"] in lists for one in e["members"]]
        if not found:
            raise self._replay.diverged(f"the fleet {request.selector} is listed", None)
        return [Member(name=one["name"], labels=one["labels"]) for one in found]

    def _events(self, name: str) -> Iterator[Event]:
        return (event for event in self._tape.journal if event["event"] == name)

    @asynccontextmanager
    async def lease(
        self,
        requests: Sequence[DeviceRequest],
        *,
        owner: Owner,
        queue_timeout: float | None,
        waiting: Waiting,
        opening: Callable[[Lease], None],
        on_log: OnLog,
    ) -> AsyncIterator[Mapping[str, Lease]]:
        timelines = {request.role: self._replay.timeline() for request in requests}
        found = {request.role: self._find(request.role) for request in requests}
        missing = next((role for role, leased in found.items() if leased is None), None)
        if missing is not None:
            await self._never(missing, queue_timeout)
        held = {role: leased for role, leased in found.items() if leased}
        for event, role in self._waits(held):
            await timelines[role].until(event["t"])
            waiting(role, event["owner"], event["position"])
        leases = {role: self._lease(leased, timelines[role]) for role, leased in held.items()}
        for role, leased in held.items():
            await timelines[role].until(leased.acquired.get("t", leased.t))
            opening(leases[role])
        for role, leased in held.items():
            await timelines[role].arrive(leased.t)
        tasks = [
            asyncio.create_task(work)
            for role, leased in held.items()
            for work in self._beside(leased, leases[role], timelines[role], on_log)
        ]
        try:
            yield leases
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        for leased in held.values():
            self._replay.finished(leased.number)

    def _find(self, role: str) -> Leased | None:
        job = JOB.get()
        free = [one for one in self._tape.leases if one.role == role and not one.taken]
        found = next((one for one in free if one.job == job), None)
        if found:
            found.taken = True
        return found

    async def _never(self, role: str, queue_timeout: float | None) -> None:
        """The recording has no such lease: the queue was too long then, or the pipeline asks for more than it did."""
        asked = any(
            event["event"] == "lease.requested" and event["role"] == role and event.get("job", "") == JOB.get()
            for event in self._tape.journal
        )
        got = any(one.role == role and one.job == JOB.get() for one in self._tape.leases)
        if asked and not got and queue_timeout is not None:
            await asyncio.sleep(queue_timeout)
            raise LeaseTimeout(role, queue_timeout, None)
        raise self._replay.diverged(f"the device '{role}' is leased", None)

    def _waits(self, held: Mapping[str, Leased]) -> Iterator[tuple[Event, str]]:
        for event in self._tape.journal:
            leased = held.get(event.get("role", "")) if event["event"] == "lease.waiting" else None
            if leased and event.get("job", "") == leased.job and self._during(event, leased, before=True):
                yield event, leased.role

    def _during(self, event: Event, leased: Leased, *, before: bool = False) -> bool:
        start = leased.requested["t"] if leased.requested else 0.0
        same = (one for one in self._tape.leases if (one.job, one.role) == (leased.job, leased.role))
        later = [one.requested["t"] for one in same if one.requested and one.t > leased.t]
        end = leased.t if before else min(later, default=float("inf"))
        return bool(start <= event["t"] < end)

    def _beside(
        self, leased: Leased, lease: Lease, timeline: Timeline, on_log: OnLog
    ) -> Iterator[Coroutine[Any, Any, None]]:
        """What happens to the device by itself: it is lost, or something is logged beside it."""
        events = [
            event
            for event in self._tape.journal
            if event["event"] in ("lease.lost", "device.log")
            and (event.get("job", ""), event["role"]) == (leased.job, leased.role)
            and self._during(event, leased)
        ]

        async def follow() -> None:
            for event in events:
                await timeline.until(event["t"])
                if event["event"] == "lease.lost":
                    lease.lose(event["reason"])
                else:
                    facts: dict[str, Any] = {name: event.get(name) for name in _LOG}
                    on_log(DeviceLog(**facts))

        yield follow()

    def _lease(self, leased: Leased, timeline: Timeline) -> Lease:
        got = leased.acquired
        device = self._device(leased, timeline)
        warnings = (
            event["message"]
            for event in self._tape.journal
            if event["event"] == "lease.warning" and event["role"] == leased.role and event["t"] >= got.get("t", 0)
        )
        lease = Lease(
            role=leased.role, name=str(got.get("lease", "replay")), expires_at=got.get("expires"),
            exporter=got.get("exporter", "recording"), labels=dict(got.get("labels", {})), device=device,
            types={path: node.type for path, node in device.walk()}, warning=next(warnings, None),
        )  # fmt: skip
        self._replay.numbers[id(lease)] = leased.number
        return lease

    def _device(self, leased: Leased, timeline: Timeline) -> Device:
        clients: dict[str, Interface | None] = {}

        def build(path: str) -> Device:
            facts = leased.parts[path]
            twin = facts["twin"]
            offers = tuple(kind for name in facts["offers"] if (kind := named(name)))
            console = next((n for n, place in self._tape.consoles.items() if place == (leased.number, path)), None)
            if twin is None and offers:
                played = Played(self._replay, timeline, leased.number, path, offers, console)
                clients[path] = client(offers, played)
            below = [one for one in leased.parts if one and one.rpartition(".")[0] == path]
            interfaces = tuple(kind for name in facts["interfaces"] if (kind := named(name)))
            mine = clients.get(path if twin is None else twin)
            children = {one.rpartition(".")[2]: build(one) for one in below}
            return Device(facts["name"], facts["type"], interfaces, mine, children)

        return build("")
