"""Several supplies that are switched as one."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, aclosing
from typing import Any, cast

import anyio
from pydantic import Field

from flowrunner.driver import Config, Driver
from flowrunner.errors import BenchError, FlowrunnerError, near
from flowrunner.interfaces.power import Power, PowerReading
from flowrunner.model import Seconds


class GroupPowerConfig(Config):
    """The order of the supplies."""

    order: list[str] | None = Field(default=None, min_length=1)
    """The supplies, by their names below `children`, in the order in which they go on; null is as they are written."""

    delay: Seconds = 0.0
    """Seconds from one supply to the next, when they go on and when they go off."""


class GroupPower(Driver[GroupPowerConfig], Power):
    """Supplies that go on one after the other and off in reverse: a board and its fan, all slots of a power strip.

    When one does not go on, those before it go off again. Off goes on to the last one, also when one fails. A reading
    is the voltage of the first supply, and the current that would give the power of all at that voltage.

    ```yaml
    export:
      power:
        type: power.group
        config: {delay: 500ms}
        children:
          fan: {type: power.virtual, config: {volts: 12}}
          board: {type: power.virtual}
    ```
    """

    def __init__(self, config: GroupPowerConfig, children: Mapping[str, Driver[Any]] | None = None) -> None:
        super().__init__(config, children)
        self._supplies = {name: self._supply(name) for name in config.order or self.children}
        if not self._supplies:
            raise BenchError("a group needs supplies", blame="config", help="list them under children")

    async def on(self) -> None:
        done: list[str] = []
        try:
            for name, supply in self._supplies.items():
                done.append(name)
                await self._switch(name, supply.on, first=len(done) == 1)
        except BaseException as error:
            with anyio.CancelScope(shield=True):
                for later in await self._all_off(done):
                    error.add_note(f"and then: {later.what}")
            raise

    async def off(self) -> None:
        failed = await self._all_off(list(self._supplies))
        if failed:
            for later in failed[1:]:
                failed[0].add_note(f"and then: {later.what}")
            raise failed[0]

    async def read(self) -> AsyncIterator[PowerReading]:
        async with AsyncExitStack() as stack:
            meters = [cast("AsyncGenerator[PowerReading]", supply.read()) for supply in self._supplies.values()]
            for meter in meters:
                await stack.enter_async_context(aclosing(meter))
            while True:
                readings = [await anext(meter) for meter in meters]
                yield _sum(readings)

    async def _all_off(self, names: Sequence[str]) -> list[FlowrunnerError]:
        failed: list[FlowrunnerError] = []
        for count, name in enumerate(reversed(names)):
            try:
                await self._switch(name, self._supplies[name].off, first=not count)
            except FlowrunnerError as error:
                failed.append(error)
        return failed

    async def _switch(self, name: str, switch: Callable[[], Awaitable[None]], *, first: bool) -> None:
        await anyio.sleep(0 if first else self.config.delay)
        try:
            await switch()
        except BenchError as error:
            error.what = f"supply '{name}': {error.what}"
            raise

    def _supply(self, name: str) -> Power:
        found = self.children.get(name)
        if found is None:
            raise BenchError(f"there is no supply '{name}'", blame="config", help=near(name, self.children))
        if not isinstance(found, Power):
            raise BenchError(f"'{name}' is no supply", blame="config", help="give the group only parts with power")
        return found


def _sum(readings: Sequence[PowerReading]) -> PowerReading:
    voltage = next((reading.voltage for reading in readings if reading.voltage), 0.0)
    total = sum(reading.apparent_power for reading in readings)
    return PowerReading(voltage=voltage, current=total / voltage if voltage else 0.0)
