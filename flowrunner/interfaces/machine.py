"""Machine: what a virtual target can do beyond a real one."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

from pydantic import BaseModel

from flowrunner.interface import Interface, call
from flowrunner.model import Seconds


class SavedState(BaseModel):
    """A state of the machine that was saved: how many bytes it has, and when it was, in seconds since 1970."""

    name: str
    size: int
    at: float


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
    async def shutdown(self, timeout: Seconds = 60.0) -> None:
        """Press the power button (ACPI), and wait until the guest has ended by itself: `timeout` seconds at most.

        Raises:
            BenchError: it has not. It runs on then.
        """

    @call
    @abstractmethod
    async def save(self, name: str) -> None:
        """Keep the state of all of the machine: memory, processor and disk. One of that name is replaced."""

    @call
    @abstractmethod
    async def load(self, name: str) -> None:
        """Go back to a state that was saved, also after the power was off. The machine must be on."""

    @call
    @abstractmethod
    async def saved(self) -> list[SavedState]:
        """The states that are kept, oldest first; they last as long as the disk."""

    @call
    @abstractmethod
    async def delete(self, name: str) -> None:
        """Forget a state that was saved."""

    @call
    @abstractmethod
    async def resize_disk(self, size: int) -> None:
        """Make the disk `size` bytes large, more than it has. The machine must be off."""

    @call
    @abstractmethod
    async def resize_memory(self, size: int) -> None:
        """Give the machine `size` bytes of memory when it is powered on next."""

    @call
    @abstractmethod
    async def qmp(self, command: str, arguments: dict[str, Any] | None = None) -> Any:
        """Pass a command to QEMU's monitor (QMP), and return its answer: `query-block`, `device_add` ..."""
