"""QEMU's monitor (QMP)."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from qemu.qmp import ConnectError, ExecInterruptedError, ExecuteError, QMPClient, QMPError, Runstate, StateError

from flowrunner.errors import BenchError


class Monitor:
    """One connection to one QEMU."""

    def __init__(self) -> None:
        self._client = QMPClient("flowrunner")

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

    async def disconnect(self) -> None:
        """Let go of the connection, also of one that broke."""
        if self._client.runstate is Runstate.IDLE:
            return
        with suppress(EOFError, OSError, QMPError):
            await self._client.disconnect()
