"""A part of a device in a replay: it answers what was answered then, at that time."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import anyio

from flowrunner.engine.lines import Event
from flowrunner.errors import BenchError
from flowrunner.interface import ByteStream, Interface
from flowrunner.remote.faults import from_fault
from flowrunner.replay.asked import Asked, words
from flowrunner.replay.player import Replay
from flowrunner.replay.store import load_value
from flowrunner.replay.timeline import Timeline
from flowrunner.replay.values import Content, answer_type, plain, unpacked

_BROKEN = {each.__name__: each for each in (anyio.EndOfStream, anyio.ClosedResourceError, anyio.BrokenResourceError)}


class Played:
    """The transport of the part at `path` of the device `lease`; `console` is the name of its console, if any."""

    def __init__(
        self, replay: Replay, timeline: Timeline, lease: int, path: str, interfaces: tuple[type[Interface], ...],
        console: str | None,
    ) -> None:  # fmt: skip
        self._replay = replay
        self._timeline = timeline
        self._lease = lease
        self._path = path
        self._interfaces = interfaces
        self._console = console
        self._connects = deque(replay.tape.connects[lease, path])

    async def _asked(self, method: str, arguments: Mapping[str, Any]) -> Asked | None:
        given = self._replay.run.masker.data({name: plain(value) for name, value in arguments.items()})
        target = self._replay.tape.part(self._lease, self._path)
        asked = self._replay.match("call", self._lease, target, method, given)
        if asked:
            await self._timeline.arrive(asked.t)
            asked.done.set()
        return asked

    async def call(self, method: str, arguments: Mapping[str, Any]) -> Any:
        asked = await self._asked(method, arguments)
        if asked is None:
            return None  # the safe state of a replay that has gone another way
        event = next(iter(self._replay.tape.answers[asked.number]), None)
        await self._due(event)
        assert event
        for name, value in arguments.items():
            if isinstance(value, AsyncIterable):
                await self._consume(asked, name, value, event)
        return self._value(event, method)

    def iterate(self, method: str, arguments: Mapping[str, Any]) -> AsyncIterator[Any]:
        return self._iterate(method, arguments)

    async def _iterate(self, method: str, arguments: Mapping[str, Any]) -> AsyncGenerator[Any, None]:
        asked = await self._asked(method, arguments)
        for event in self._replay.tape.answers[asked.number] if asked else ():
            if event["event"] == "enough":
                target = self._replay.tape.part(self._lease, self._path)
                raise self._replay.diverged(f"more is asked of {words('call', target, method, arguments)}", asked)
            await self._due(event)
            if event["event"] == "end":
                return
            yield self._value(event, method)
        await asyncio.Event().wait()

    @asynccontextmanager
    async def stream(self, method: str, arguments: Mapping[str, Any]) -> AsyncIterator[ByteStream]:
        if self._console is not None and method == "connect":
            yield await self._connect()
            return
        asked = await self._asked(method, arguments)
        events = deque(self._replay.tape.answers[asked.number] if asked else ())
        await self._due(events.popleft() if events else None)
        yield _Stream(self._replay, self._timeline, events, asked.target if asked else self._path)

    async def _connect(self) -> ByteStream:
        if not self._connects:
            await asyncio.Event().wait()
        connected = self._connects.popleft()
        events = deque(self._replay.tape.answers[connected["n"]])
        await self._due(events.popleft() if events else None)
        return _Console(self._replay, self._timeline, self._lease, self._console or "", connected["t"], events)

    async def _due(self, event: Event | None) -> None:
        """Wait until the answer is due; one that never came is waited for as it was then."""
        if event is None or event["event"] == "left":
            await asyncio.Event().wait()
        assert event
        await self._timeline.until(event["t"])
        if event["event"] == "error":
            raise _error(event)

    async def _consume(self, asked: Asked, name: str, value: AsyncIterable[bytes], event: Event) -> None:
        """Read what the driver would have read, and compare it."""
        content = Content(value)
        async for _ in content:
            pass
        then = event.get("content", {}).get(name)
        if then is not None and then != content.facts:
            method = words("call", asked.target, asked.method, {name: content.facts})
            raise self._replay.diverged(f"{method}", asked)

    def _value(self, event: Event, method: str) -> Any:
        data, value = load_value(self._replay.tape.folder, dict(event))
        if data is not None:
            return data
        return None if value is None else answer_type(self._interfaces, method).validate_python(unpacked(value))


class _Console:
    """A console that prints again: each piece at its time, and not before what had been asked when it came."""

    def __init__(
        self, replay: Replay, timeline: Timeline, lease: int, name: str, start: float, ending: deque[Event]
    ) -> None:
        self._replay = replay
        self._timeline = timeline
        self._name = name
        self._end = next((event for event in ending if event["event"] in ("over", "error")), None)
        last = float("inf") if self._end is None else self._end["t"]
        self._pieces = deque(piece for piece in replay.tape.pieces(name) if start <= piece[0] <= last)
        self._before = deque(a for a in replay.tape.asked if a.lease == lease and a.path and a.t >= start)

    async def receive(self) -> bytes:
        while self._pieces:
            t, data = self._pieces[0]
            await self._reached(t)
            self._pieces.popleft()
            if not self._replay.left_out(t):
                return data
        if self._end is None:
            await asyncio.Event().wait()
        assert self._end
        await self._reached(self._end["t"])
        raise _error(self._end) if self._end["event"] == "error" else _BROKEN[self._end["why"]]()

    async def _reached(self, t: float) -> None:
        while self._before and self._before[0].t < t:
            await self._before[0].done.wait()
            self._before.popleft()
        await self._timeline.until(t)

    async def send(self, data: bytes, /) -> None:
        sending = self._replay.sending[self._name]
        if sending:
            asked = sending.popleft()
            await self._timeline.arrive(asked.t)
            asked.done.set()


class _Stream:
    """Another stream: it gives what it gave then, once it was sent what it was sent before."""

    datagrams = False

    def __init__(self, replay: Replay, timeline: Timeline, events: deque[Event], target: str) -> None:
        self._replay = replay
        self._timeline = timeline
        self._target = target
        self._events = events
        self._moved = asyncio.Event()
        self._sent = b""

    async def receive(self) -> bytes:
        while self._events and self._events[0]["event"] == "sent":
            self._moved.clear()
            await self._moved.wait()
        if not self._events or self._events[0]["event"] == "end":
            await asyncio.Event().wait()
        event = self._events.popleft()
        await self._timeline.until(event["t"])
        if event["event"] != "received":
            raise _error(event) if event["event"] == "error" else _BROKEN[event["why"]]()
        return load_value(self._replay.tape.folder, dict(event))[0] or b""

    async def send(self, data: bytes, /) -> None:
        self._sent += self._replay.run.masker.stars(data)
        while self._sent:
            event = next((event for event in self._events if event["event"] == "sent"), None)
            then = load_value(self._replay.tape.folder, dict(event))[0] or b"" if event else b""
            if event is None or not (then.startswith(self._sent) or self._sent.startswith(then)):
                what = f"{self._target} is sent {self._sent[:80]!r}, where it was {then[:80]!r}"
                raise self._replay.diverged(what, None)
            if len(self._sent) < len(then):
                return
            await self._timeline.arrive(event["t"])
            self._events.remove(event)
            self._sent = self._sent[len(then) :]
            self._moved.set()


def _error(event: Event) -> Exception:
    error = from_fault(dict(event))
    if event.get("driver") and isinstance(error, BenchError):
        error.driver = event["driver"]
    return error
