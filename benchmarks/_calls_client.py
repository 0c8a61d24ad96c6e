"""Calls as fast as they go, over a unix socket. python -m benchmarks._calls_client SOCKET floor|jumpstarter|ours

Prints calls a second one after the other, the median of one in milliseconds, and calls a second with 30 in flight.
"""

from __future__ import annotations

import asyncio
import json
import statistics
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import grpc.aio

from flowrunner.interfaces.power import Power
from flowrunner.remote.address import Address
from flowrunner.remote.client.connect import connected
from flowrunner.remote.client.remote import Claim
from flowrunner.remote.endpoint import Endpoint
from flowrunner.remote.wire import NAME, Empty, messages, services

Call = Callable[[], Awaitable[object]]

CALLS, LANES = 2000, 30


@asynccontextmanager
async def floor(path: str) -> AsyncIterator[Call]:
    async with grpc.aio.insecure_channel(f"unix://{path}") as channel:
        echo, message = channel.unary_unary("/bench/Echo"), bytes(64)
        yield lambda: echo(message)


@asynccontextmanager
async def jumpstarter(path: str) -> AsyncIterator[Call]:
    async with grpc.aio.insecure_channel(f"unix://{path}") as channel:
        stub = services.ExporterServiceStub(channel)
        report = await stub.GetReport(Empty())
        (uuid,) = (one.uuid for one in report.reports if one.labels.get(NAME) == "power")
        call = channel.unary_unary("/jumpstarter.v1.ExporterService/DriverCall")  # bytes, as at the floor
        request = messages.DriverCallRequest(uuid=uuid, method="on").SerializeToString()
        yield lambda: call(request)


@asynccontextmanager
async def ours(path: str) -> AsyncIterator[Call]:
    claim = Claim(role="dut", owner="bench")
    async with (
        connected(Endpoint(address=Address(path=Path(path)))) as remote,
        remote.leased(claim, lambda owner, place: None) as lease,
    ):
        power = lease.device.at("power").client
        assert isinstance(power, Power)
        yield power.on


async def main(path: str, kind: str) -> None:
    async with {"floor": floor, "jumpstarter": jumpstarter, "ours": ours}[kind](path) as call:
        for _ in range(300):
            await call()
        times = []
        begin = time.perf_counter()
        for _ in range(CALLS):
            start = time.perf_counter()
            await call()
            times.append(time.perf_counter() - start)
        alone = CALLS / (time.perf_counter() - begin)

        async def lane() -> None:
            for _ in range(CALLS // 10):
                await call()

        begin = time.perf_counter()
        await asyncio.gather(*(lane() for _ in range(LANES)))
        many = LANES * (CALLS // 10) / (time.perf_counter() - begin)
    print(json.dumps({"alone": alone, "median": statistics.median(times) * 1000, "many": many}))


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:3]))
