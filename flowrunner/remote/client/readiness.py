"""Whether an exporter of Jumpstarter may be used: waiting until it is ready, and watching whether it stays so."""

from __future__ import annotations

from collections.abc import Sequence

import anyio
import grpc
import grpc.aio

from flowrunner.errors import BenchError
from flowrunner.model import Duration
from flowrunner.remote.client.remote import Claim, LogLine, RemoteLease
from flowrunner.remote.exporter.status import HOOK_WARNING, Status
from flowrunner.remote.wire import Empty, messages, services

LIMIT = 300.0
"""Seconds that an exporter may take to get ready, as Jumpstarter's own client allows."""

ANSWER = 5.0
"""Seconds that one answer may take."""

SOON, SELDOM, AGAIN = 0.1, 2.0, 0.5
"""Seconds between two questions: while it gets ready, later, and when the last one was not answered."""

GONE = 5.0
"""Seconds to wait for an exporter whose process has ended: one that is started again has other drivers anyway."""

ENDED = {
    Status.AVAILABLE: "the session at the exporter was ended by somebody",
    Status.AFTER_LEASE_HOOK: "the session at the exporter was ended by somebody",
    Status.AFTER_LEASE_HOOK_FAILED: "the session at the exporter was ended by somebody",
    Status.BEFORE_LEASE_HOOK_FAILED: "the exporter's hook before the lease failed",
    Status.OFFLINE: "the exporter goes offline",
}
"""Statuses in which drivers are not to be called any more."""

USELESS = (Status.BEFORE_LEASE_HOOK_FAILED, Status.OFFLINE)
"""Those that will not change into a better one."""


class Readiness:
    """What an exporter says of its status. `id` is the uuid of its report, which changes when it is started again."""

    def __init__(self, channel: grpc.aio.Channel, id: str, name: str, claim: Claim) -> None:
        self._stub = services.ExporterServiceStub(channel)
        self._id = id
        self._name = name
        self._claim = claim
        self._silent_since: float | None = None
        self._told = ""

    async def awaited(self) -> None:
        """Wait until it is ready; one that knows no statuses always is.

        Raises:
            BenchError: its hook failed, it goes offline, is not heard of, or is not ready in time.
        """
        last = Status.UNSPECIFIED
        with anyio.move_on_after(LIMIT):
            while True:
                found = await self._asked()
                if isinstance(found, str):
                    raise BenchError(found, blame="infra")
                last = self._tell(found) if found else last
                if last is Status.LEASE_READY:
                    return
                if last in USELESS:
                    why = f": {self._told}" if self._told else ""
                    raise BenchError(f"{self._name} cannot be used: {ENDED[last]}{why}", blame="infra")
                await anyio.sleep(SOON if found else AGAIN)
        raise BenchError(
            f"{self._name} was not ready within {Duration(LIMIT)}: its status is {last.name}",
            blame="infra", help="somebody may have ended its session: start the exporter again",
        )  # fmt: skip

    async def watched(self, lease: RemoteLease) -> None:
        """Watch it until the lease is lost."""
        while not lease.lost.is_set():
            await anyio.sleep(AGAIN if self._silent_since else SELDOM)
            found = await self._asked()
            if isinstance(found, str):
                lease.lose(found)
            elif found and (ended := ENDED.get(self._tell(found))):
                lease.lose(ended)

    async def _asked(self) -> messages.GetStatusResponse | str | None:
        """Its status; nothing while it does not answer; in the end, why it is lost."""
        try:
            if self._silent_since is not None and (why := await self._another()):
                return why
            found = await self._status()
        except grpc.aio.AioRpcError as error:
            return self._silent((error.details() or "").rpartition(": ")[2])
        self._silent_since = None
        return found

    def _silent(self, why: str) -> str | None:
        """Why it is lost, once the silence is too long; `why` it does not answer are the last of gRPC's words."""
        now = anyio.current_time()
        self._silent_since = self._silent_since or now
        gone = "refused" in why or "No such file" in why
        patience = min(self._claim.grace, GONE) if gone else self._claim.grace
        if now - self._silent_since < patience:
            return None
        return f"{self._name} was not heard of for {Duration(patience)}: {why}"

    async def _status(self) -> messages.GetStatusResponse:
        try:
            found: messages.GetStatusResponse = await self._stub.GetStatus(messages.GetStatusRequest(), timeout=ANSWER)
        except grpc.aio.AioRpcError as error:
            if error.code() is not grpc.StatusCode.UNIMPLEMENTED:
                raise
        else:
            return found
        await self._stub.GetReport(Empty(), timeout=ANSWER)
        return messages.GetStatusResponse(status=Status.LEASE_READY)

    async def _another(self) -> str | None:
        """After a silence: whether the one that answers is the one of before."""
        report = await self._stub.GetReport(Empty(), timeout=ANSWER)
        return None if report.uuid == self._id else f"{self._name} was started again: its drivers are new ones"

    def _tell(self, found: messages.GetStatusResponse) -> Status:
        """The status; what its message says is logged once, when it says something new."""
        if found.message and found.message != self._told and self._claim.on_log:
            warns = found.message.startswith(HOOK_WARNING)
            text = found.message.removeprefix(HOOK_WARNING)
            self._claim.on_log(LogLine(message=text, severity="WARNING" if warns else "INFO"))
        self._told = found.message
        return Status(found.status) if found.status in _KNOWN else Status.UNSPECIFIED


_KNOWN: Sequence[int] = tuple(Status)
