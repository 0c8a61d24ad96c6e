"""Waiting for an exporter of Jumpstarter, and watching it: what it may say of itself, in an order of the test's choice."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any
from uuid import uuid4

import anyio
import grpc.aio
import pytest

from flowrunner.errors import BenchError
from flowrunner.remote.address import Address
from flowrunner.remote.client import readiness
from flowrunner.remote.client.connect import connected
from flowrunner.remote.client.remote import Claim, LogLine, RemoteLease
from flowrunner.remote.endpoint import Endpoint, Trust
from flowrunner.remote.exporter.status import Status
from flowrunner.remote.wire import CLIENT, NAME, messages, services
from tests.support.relay import Relay

pytestmark = pytest.mark.anyio

Stand = tuple[Status, str]


Servicer: Any = services.ExporterServiceServicer
"""Abstract in its types only: what is left out is answered as unimplemented."""


class Exporter(Servicer):  # type: ignore[misc]
    """Says one of `stands` after the other when asked, the last one for ever; without any it knows no statuses."""

    def __init__(self, stands: Sequence[Stand], logs: Sequence[tuple[int, str]] = ()) -> None:
        self.stands = list(stands)
        self.logs = logs
        self.id = str(uuid4())
        self.asked = 0
        self.server: Any = None

    async def GetReport(self, request: Any, context: Any) -> messages.GetReportResponse:
        self.asked += 1
        label = {CLIENT: "jumpstarter_driver_composite.client.CompositeClient"}
        return messages.GetReportResponse(
            uuid=self.id, labels={NAME: "bench"}, reports=[messages.DriverInstanceReport(uuid="1", labels=label)]
        )

    async def GetStatus(self, request: Any, context: Any) -> messages.GetStatusResponse:
        if not self.stands:
            await context.abort(grpc.StatusCode.UNIMPLEMENTED, "Method not implemented!")
        self.asked += 1
        status, message = self.stands.pop(0) if len(self.stands) > 1 else self.stands[0]
        return messages.GetStatusResponse(status=int(status), message=message)

    async def LogStream(self, request: Any, context: Any) -> AsyncIterator[messages.LogStreamResponse]:
        for source, message in self.logs:
            yield messages.LogStreamResponse(severity="INFO", source=source, message=message)
        await anyio.sleep_forever()


@asynccontextmanager
async def serving(service: Exporter, port: int = 0) -> AsyncIterator[Endpoint]:
    server = grpc.aio.server()
    service.server = server
    services.add_ExporterServiceServicer_to_server(service, server)
    port = server.add_insecure_port(f"127.0.0.1:{port}")
    await server.start()
    try:
        yield Endpoint(address=Address(host="127.0.0.1", port=port), trust=Trust(insecure=True))
    finally:
        await server.stop(0)


@asynccontextmanager
async def leased(
    service: Exporter, log: Callable[[LogLine], None] | None = None, grace: float = 30
) -> AsyncIterator[RemoteLease]:
    claim = Claim(role="dut", owner="tester", grace=grace, on_log=log)
    async with (
        serving(service) as endpoint,
        connected(endpoint) as remote,
        remote.leased(claim, lambda *_: None) as lease,
    ):
        yield lease


async def test_a_lease_begins_when_it_is_ready() -> None:
    stands = [(Status.AVAILABLE, ""), (Status.BEFORE_LEASE_HOOK, "warming up"), (Status.LEASE_READY, "")]
    service, log = Exporter(stands, [(2, "from the hook"), (1, "from a driver")]), list[LogLine]()
    async with leased(service, log.append) as lease:
        assert service.stands == [(Status.LEASE_READY, "")]
        with anyio.fail_after(5):
            while len(log) < 3:
                await anyio.sleep(0.01)
        assert lease.name == "bench"
    assert {(line.source, line.message) for line in log} == {
        ("system", "warming up"),
        ("before_lease", "from the hook"),
        ("driver", "from a driver"),
    }


async def test_one_that_knows_no_statuses_is_ready() -> None:
    async with leased(Exporter([])) as lease:
        assert not lease.lost.is_set()


async def test_a_warning_of_a_hook_is_told_as_one() -> None:
    log: list[LogLine] = []
    async with leased(Exporter([(Status.LEASE_READY, "[HOOK_WARNING] the lamp is missing")]), log.append):
        pass
    assert [(line.severity, line.message) for line in log] == [("WARNING", "the lamp is missing")]


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (Status.BEFORE_LEASE_HOOK_FAILED, "hook before the lease failed: no board"),
        (Status.OFFLINE, "goes offline: no board"),
    ],
)
async def test_one_that_will_not_get_ready_is_not_waited_for(status: Status, words: str) -> None:
    with anyio.fail_after(5), pytest.raises(BenchError, match=words) as raised:
        async with leased(Exporter([(Status.BEFORE_LEASE_HOOK, ""), (status, "no board")])):
            raise AssertionError("it is not to be used")
    assert raised.value.blame == "infra"


async def test_one_that_never_gets_ready_says_what_it_is_instead(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readiness, "LIMIT", 0.3)
    with pytest.raises(BenchError, match=r"was not ready within .*: its status is AVAILABLE") as raised:
        async with leased(Exporter([(Status.AVAILABLE, "")])):
            raise AssertionError("it is not to be used")
    assert "start the exporter again" in (raised.value.help or "")


@pytest.mark.parametrize("status", [Status.AVAILABLE, Status.AFTER_LEASE_HOOK, Status.OFFLINE])
async def test_a_lease_is_lost_when_the_exporter_ends_it(monkeypatch: pytest.MonkeyPatch, status: Status) -> None:
    monkeypatch.setattr(readiness, "SELDOM", 0.05)
    async with leased(Exporter([(Status.LEASE_READY, ""), (Status.LEASE_READY, ""), (status, "")])) as lease:
        with anyio.fail_after(5):
            await lease.lost.wait()
        assert lease.reason == readiness.ENDED[status]


@pytest.mark.parametrize("stands", [[], [(Status.LEASE_READY, "")]], ids=["without statuses", "with"])
@pytest.mark.parametrize("same", [False, True], ids=["another", "the same"])
async def test_one_that_was_started_again_is_another_one(
    monkeypatch: pytest.MonkeyPatch, stands: Sequence[Stand], same: bool
) -> None:
    monkeypatch.setattr(readiness, "SELDOM", 0.05)
    monkeypatch.setattr(readiness, "AGAIN", 0.05)
    first, second = Exporter(stands), Exporter(stands)
    if same:  # it was only cut off
        second.id = first.id
    async with AsyncExitStack() as stack, serving(first) as endpoint:
        remote = await stack.enter_async_context(connected(endpoint))
        lease = await stack.enter_async_context(remote.leased(Claim(role="dut", owner="tester"), lambda *_: None))
        await first.server.stop(0)
        await anyio.sleep(0.2)
        assert not lease.lost.is_set()
        async with serving(second, endpoint.address.port):
            with anyio.move_on_after(10):
                while not (lease.lost.is_set() or second.asked > 3):
                    await anyio.sleep(0.01)
        assert lease.lost.is_set() is not same
        assert same or "was started again" in (lease.reason or "")


async def test_one_that_is_not_heard_of_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readiness, "SELDOM", 0.05)
    monkeypatch.setattr(readiness, "ANSWER", 0.2)
    service = Exporter([(Status.LEASE_READY, "")])
    async with serving(service) as endpoint:
        relay = Relay(endpoint.address.port)
        async with relay.running():
            near = Endpoint(address=Address(host="127.0.0.1", port=relay.port), trust=Trust(insecure=True))
            claim = Claim(role="dut", owner="tester", grace=1)
            async with connected(near) as remote, remote.leased(claim, lambda *_: None) as lease:
                relay.go_silent()
                with anyio.fail_after(10):
                    await lease.lost.wait()
                assert (lease.reason or "").startswith(f"{near} was not heard of for 1s")
