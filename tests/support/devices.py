"""Devices for tests of steps: a client around a driver in this process."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from flowrunner.device import Device
from flowrunner.driver import Config, Driver
from flowrunner.interface import Direct, client, offered
from flowrunner.interfaces.machine import Machine, SavedState
from flowrunner.interfaces.power import Power, PowerReading
from flowrunner.interfaces.video import Video


def device(**parts: Driver[Any]) -> Device:
    """The device `dut` with these parts."""
    children = {
        name: Device(name, name, offered(type(part)), client(offered(type(part)), Direct(part)))  # type: ignore[arg-type]
        for name, part in parts.items()
    }
    return Device("dut", "composite", children=children)


class NoConfig(Config):
    """Nothing to configure."""


class CountingPower(Driver[NoConfig], Power):
    """Remembers what was asked of it; each reading is a volt more than the one before, `readings` of them."""

    def __init__(self, readings: int = 1000) -> None:
        super().__init__(NoConfig())
        self.asked: list[str] = []
        self.readings = readings
        self.reading = False

    async def on(self) -> None:
        self.asked.append("on")

    async def off(self) -> None:
        self.asked.append("off")

    async def read(self) -> AsyncIterator[PowerReading]:
        self.reading = True
        try:
            for volts in range(1, self.readings + 1):
                yield PowerReading(voltage=float(volts), current=0.5)
        finally:
            self.reading = False


class EchoMachine(Driver[NoConfig], Machine, Video):
    """Answers a command with itself; its screen is not text."""

    def __init__(self) -> None:
        super().__init__(NoConfig())

    async def state(self) -> str:
        return "running"

    async def pause(self) -> None:
        pass

    async def resume(self) -> None:
        pass

    async def reset(self) -> None:
        pass

    async def shutdown(self, timeout: float = 60.0) -> None:
        pass

    async def save(self, name: str) -> None:
        pass

    async def load(self, name: str) -> None:
        pass

    async def saved(self) -> list[SavedState]:
        return []

    async def delete(self, name: str) -> None:
        pass

    async def resize_disk(self, size: int) -> None:
        pass

    async def resize_memory(self, size: int) -> None:
        pass

    async def qmp(self, command: str, arguments: dict[str, Any] | None = None) -> Any:
        return {"command": command, "arguments": arguments}

    async def snapshot(self) -> bytes:
        return b"\x89PNG\r\n\x1a\n\xff"
