"""Machine: what a virtual target can do beyond a real one."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

from flowrunner.interface import Interface, call


class Machine(Interface):
    """A virtual machine."""

    name = "machine"
    jumpstarter = "jumpstarter_driver_qemu.client.QemuClient"

    @call
    @abstractmethod
    async def state(self) -> str:
        """`off`, `running`, `paused`, or what else the machine says of itself."""

    @call
    @abstractmethod
    async def pause(self) -> None:
        """Stop the clock of the machine."""

    @call
    @abstractmethod
    async def resume(self) -> None:
        """Let a paused machine go on."""

    @call
    @abstractmethod
    async def reset(self) -> None:
        """Reset as the button does."""

    @call
    @abstractmethod
    async def command(self, name: str, arguments: dict[str, Any] | None = None) -> Any:
        """Pass a command to the machine's own monitor and return its answer."""
