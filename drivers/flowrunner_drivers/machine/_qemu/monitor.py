"""QEMU's monitor (QMP)."""

from __future__ import annotations

import re
import socket
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import anyio
from qemu.qmp import ConnectError, ExecInterruptedError, ExecuteError, QMPClient, QMPError, Runstate, StateError

from flowrunner.errors import BenchError
from flowrunner_drivers.machine._qemu.cables import HostForward


class Monitor:
    """One connection to one QEMU."""

    def __init__(self) -> None:
        self._client = QMPClient("flowrunner")
        self._handing = anyio.Lock()

    async def connect(self, end: socket.socket) -> None:
        """Say hello over a connected socket.

        Raises:
            BenchError: QEMU hung up.
        """
        try:
            await self._client.connect(end)
        except ConnectError as error:
            raise BenchError("QEMU did not start") from error

    async def execute(self, name: str, arguments: Mapping[str, Any] | None = None) -> Any:
        """Run a command and return its answer.

        Raises:
            BenchError: QEMU refused it, or is gone.
        """
        try:
            return await self._client.execute(name, arguments)
        except ExecuteError as error:
            raise BenchError(f"QEMU refused '{name}': {error}", call=name) from error
        except (ExecInterruptedError, StateError) as error:
            raise BenchError(f"QEMU was gone before it had answered '{name}'", call=name) from error

    async def connected(self, protocol: str) -> socket.socket:
        """A new connection to one of QEMU's servers, such as `vnc`, which need not listen for that.

        Raises:
            BenchError: QEMU has no such server, or is gone.
        """
        ours, theirs = socket.socketpair()
        try:
            with theirs:
                async with self._handing:  # the name goes to the file that came last
                    self._client.send_fd_scm(theirs.fileno())
                    await self.execute("getfd", {"fdname": protocol})
                    await self.execute("add_client", {"protocol": protocol, "fdname": protocol, "skipauth": True})
        except BaseException:
            ours.close()
            raise
        return ours

    async def forwards(self, wanted: Mapping[str, HostForward]) -> dict[str, int]:
        """The port of the host behind each name, once QEMU has taken them."""
        ports = {name: forward.hostport for name, forward in wanted.items()}
        if 0 in ports.values():
            table = await self.execute("human-monitor-command", {"command-line": "info usernet"})
            for name, forward in wanted.items():
                row = rf"{forward.protocol}\[HOST_FORWARD\]\s+\d+\s+{re.escape(forward.hostaddr)}\s+(\d+)"
                found = re.search(rf"{row}\s+\S+\s+{forward.guestport}\b", str(table), re.IGNORECASE)
                ports[name] = int(found.group(1)) if found else forward.hostport
        return ports

    async def disconnect(self) -> None:
        """Let go of the connection, also of one that broke."""
        if self._client.runstate is Runstate.IDLE:
            return
        with suppress(EOFError, OSError, QMPError):
            await self._client.disconnect()
