"""Byte streams and resources over gRPC, beside bare grpc.aio in the same run (the floor) and the real Jumpstarter.

Client, exporter and what the device is are processes of their own. Of ours it is the client for Jumpstarter's protocol
that works with `flow exporter run`; of the peer its own client with its own exporter.
"""

from __future__ import annotations

import asyncio
import os
import statistics
import subprocess
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from functools import partial
from pathlib import Path

import anyio
import grpc.aio

from benchmarks._streams_far_end import HEAD
from benchmarks._streams_served import FOLDER, HERE, Places, served
from benchmarks.harness import PEERS, Row
from flowrunner.interface import ByteStream
from flowrunner.remote.client.streams import sending, stream
from flowrunner.remote.values import to_value
from flowrunner.remote.wire import NAME, Empty, messages, services

MIB = 1 << 20
SIZE = 256 * MIB
TRIPS = 500
RUNS = 3
LOOP = asyncio.Runner()
"""grpc.aio knows one loop in a process."""


def measure() -> Iterator[Row]:
    """Megabytes a second and microseconds; the floor carries the same chunks as plain messages, to no device."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    with served() as places:
        for name, kind, chunk, goal in (
            ("one way, chunks of 64 KiB", "sink", 1 << 16, None),
            ("one way, chunks of 4 KiB", "sink", 1 << 12, None),
            ("echo, chunks of 64 KiB", "echo", 1 << 16, None),
            ("echo, chunks of 4 KiB", "echo", 1 << 12, 100.0),
        ):
            size = SIZE if chunk > 1 << 12 else SIZE // 4
            yield from rows(name, places, kind, size, chunk, partial(rate, size), "MB/s", goal)
        yield from rows("a lone byte there and back", places, "byte", TRIPS, 1, microseconds, "us", None)
        yield from files(places)


def rate(size: int, seconds: float) -> float:
    """Megabytes a second."""
    return size / 1e6 / seconds


def microseconds(seconds: float) -> float:
    """The same, in the unit of a round trip."""
    return seconds * 1e6


def rows(
    name: str, places: Places, kind: str, size: int, chunk: int, unit_of: Callable[[float], float], unit: str,
    goal: float | None,
) -> Iterator[Row]:  # fmt: skip
    """The same work by all three, in turns."""
    contenders: dict[str, Callable[[], float]] = {
        "ours": lambda: LOOP.run(ours(places, kind, size, chunk)),
        "bare grpc.aio": lambda: LOOP.run(bare(places, kind, size, chunk)),
    }
    if places.theirs:
        share = 1 if kind == "byte" else 4  # it takes its time
        contenders["Jumpstarter"] = lambda: share * theirs(places, kind, size // share, str(chunk))
    yield from table(f"streams: {name}", contenders, unit_of, unit, goal)


def files(places: Places) -> Iterator[Row]:
    """A file to the exporter's disk; ours is safe there at the end (fsync), theirs is handed to the kernel."""
    source = FOLDER / "source"
    if not source.exists() or source.stat().st_size != SIZE:
        source.write_bytes(os.urandom(SIZE))
    contenders: dict[str, Callable[[], float]] = {
        "ours": lambda: LOOP.run(ours_file(places, source)),
        "bare grpc.aio, to no disk": lambda: LOOP.run(bare(places, "sink", SIZE, 1 << 16)),
        "dd with fsync": lambda: copied(source),
    }
    if places.theirs:
        contenders["Jumpstarter"] = lambda: theirs(places, "file", 0, str(source))
    name = "streams: 256 MiB file to the exporter's disk"
    yield from table(name, contenders, partial(rate, SIZE), "MB/s", 350)


def table(
    name: str, contenders: dict[str, Callable[[], float]], unit_of: Callable[[float], float], unit: str,
    goal: float | None,
) -> Iterator[Row]:  # fmt: skip
    """One row beside each of the others; the first turn does not count."""
    found: dict[str, list[float]] = {each: [] for each in contenders}
    for turn in range(RUNS + 1):
        for each, once in contenders.items():
            seconds = once()
            if turn:
                found[each].append(seconds)
    medians = {each: unit_of(statistics.median(seconds)) for each, seconds in found.items()}
    for other in list(contenders)[1:]:
        better = "more" if unit == "MB/s" else "less"
        yield Row(name, medians["ours"], unit, goal=goal, peer=medians[other], peer_name=other, better=better)
        goal = None


async def ours(places: Places, kind: str, size: int, chunk: int) -> float:
    """Seconds of our client with our exporter."""
    async with (
        grpc.aio.insecure_channel(f"127.0.0.1:{places.ours}") as channel,
        stream(channel, await uuid(channel, "net")) as opened,
    ):
        await opened.send(HEAD.pack(b"s" if kind == "sink" else b"e", size))
        return await worked(opened, kind, size, chunk)


async def ours_file(places: Places, source: Path) -> float:
    """Seconds until a file is flashed through a resource."""

    async def chunks() -> AsyncIterator[bytes]:
        with source.open("rb") as file:
            while chunk := file.read(1 << 18):
                yield chunk

    async with grpc.aio.insecure_channel(f"127.0.0.1:{places.ours}") as channel:
        disk, stub = await uuid(channel, "disk"), services.ExporterServiceStub(channel)
        start = time.perf_counter()
        async with sending(channel, disk, chunks()) as handle:
            args = [to_value(handle), to_value(None)]
            await stub.DriverCall(messages.DriverCallRequest(uuid=disk, method="flash", args=args))
        seconds = time.perf_counter() - start
    assert (FOLDER / "ours").stat().st_size == SIZE
    return seconds


def copied(source: Path) -> float:
    """Seconds of a copy on this machine: what the disk takes."""
    start = time.perf_counter()
    target = f"of={FOLDER / 'copy'}"
    subprocess.run(["dd", f"if={source}", target, "bs=1M", "conv=fsync", "status=none"], check=True)
    return time.perf_counter() - start


async def uuid(channel: grpc.aio.Channel, name: str) -> str:
    """The uuid of a part."""
    report = await services.ExporterServiceStub(channel).GetReport(Empty())
    return next(str(each.uuid) for each in report.reports if each.labels.get(NAME) == name)


async def bare(places: Places, kind: str, size: int, chunk: int) -> float:
    """Seconds of grpc.aio with nothing around it."""

    class Bare:
        async def send(self, data: bytes) -> None:
            await call.write(data)

        async def receive(self) -> bytes:
            message = await call.read()
            assert isinstance(message, bytes)
            return message

    async with grpc.aio.insecure_channel(f"127.0.0.1:{places.bare}") as channel:
        call = channel.stream_stream("/bench/Stream")()
        await call.write(HEAD.pack(b"s" if kind == "sink" else b"e", size))
        seconds = await worked(Bare(), kind, size, chunk)
        call.cancel()
        return seconds


def worked(opened: ByteStream, kind: str, size: int, chunk: int) -> Awaitable[float]:
    """Seconds of the work itself."""
    work: dict[str, Callable[[ByteStream, int, int], Awaitable[float]]] = {"sink": sink, "echo": echo, "byte": byte}
    return work[kind](opened, size, chunk)


async def sink(opened: ByteStream, size: int, chunk: int) -> float:
    """One way, until the far end has said that it got all."""
    data = bytes(chunk)
    start = time.perf_counter()
    for _ in range(size // chunk):
        await opened.send(data)
    assert await opened.receive() == b"done"
    return time.perf_counter() - start


async def echo(opened: ByteStream, size: int, chunk: int) -> float:
    """Both ways at the same time."""
    data = bytes(chunk)

    async def give() -> None:
        for _ in range(size // chunk):
            await opened.send(data)

    start = time.perf_counter()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(give)
        left = size
        while left > 0:
            left -= len(await opened.receive())
    return time.perf_counter() - start


async def byte(opened: ByteStream, size: int, chunk: int) -> float:
    """The median of `size` round trips of `chunk` bytes."""
    times = []
    for _ in range(size):
        start = time.perf_counter()
        await opened.send(b"x" * chunk)
        await opened.receive()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def theirs(places: Places, kind: str, size: int, chunk: str) -> float:
    """Seconds of the peer's client with the peer's exporter."""
    variables = {
        "JUMPSTARTER_HOST": f"127.0.0.1:{places.theirs}",
        "JMP_DRIVERS_ALLOW": "UNSAFE",
        "JMP_GRPC_INSECURE": "1",
    }
    command: list[str | Path] = [PEERS / "python", HERE / "_streams_peer.py", kind, str(size), chunk]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, **variables}, timeout=600)
    if done.returncode:
        raise RuntimeError(f"the peer's client failed: {done.stderr[-800:]}")
    return float(done.stdout.splitlines()[-1])
