"""A bench: the drivers of one exporter, opened and closed as one."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import anyio

from flowrunner.bench.build import Builder
from flowrunner.bench.calling import OnLog
from flowrunner.bench.config import Source
from flowrunner.bench.keeper import Keeper
from flowrunner.bench.part import Part, join
from flowrunner.bench.traced import Guard, OnCall, Traced
from flowrunner.console.watched import WatchedConsole
from flowrunner.device import Device
from flowrunner.driver import Driver
from flowrunner.errors import BenchError, FlowrunnerError
from flowrunner.interface import Direct, Interface, client, offered
from flowrunner.interfaces.console import Console


class Bench:
    """The tree of drivers that an exporter describes. Making it opens nothing.

    `name` is how the job calls it: the first part of each path in an error. `on_log` is told what drivers log.
    """

    def __init__(self, source: Source, name: str, *, on_log: OnLog | None = None) -> None:
        """Make the drivers.

        Raises:
            PipelineErrors: all that is wrong with the exporter.
        """
        builder = Builder(source)
        self.name = name
        self.on_log = on_log
        self.root = builder.build()
        self._order = tuple(part for part in builder.order if type(part.driver).opened is not Driver.opened)
        self._keepers: dict[str, Keeper] = {}
        self._watched: dict[str, WatchedConsole] = {}

    def device(self, *, guard: Guard | None = None, on_call: OnCall | None = None) -> Device:
        """The bench as the job sees it: clients at their paths. A proxy has the client of what it refers to.

        `guard` raises when no call may be made, `on_call` is told of each call before it is made.
        """
        clients: dict[str, Interface | None] = {}

        def device(part: Part, name: str) -> Device:
            if part.home not in clients:
                clients[part.home] = self._client(part, guard, on_call)
            children = {below: device(child, below) for below, child in part.children.items()}
            return Device(name, part.type, offered(type(part.driver)), clients[part.home], children)

        return device(self.root, self.name)

    def _client(self, part: Part, guard: Guard | None, on_call: OnCall | None) -> Interface | None:
        driver = part.driver
        if not isinstance(driver, Interface):
            return None

        def alive() -> None:
            keeper = self._keepers.get(part.home)
            if keeper and keeper.broken:
                raise keeper.broken

        guards = (guard, alive) if guard else (alive,)
        path = join(self.name, part.home)
        reached = driver.front or driver
        if isinstance(reached, Console):
            reached = self._watched.setdefault(part.home, WatchedConsole(reached))
        direct = Direct(reached)
        traced = Traced(direct, driver=path, type=part.type, guards=guards, on_call=on_call, on_log=self.on_log)
        return client(offered(type(driver)), traced)

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[None]:
        """Open all drivers, those that others are made of first; leaving closes all of them in reverse.

        Raises:
            BenchError: one could not be opened: those before it are closed again. Or, at the end: some did not close.
        """
        failure: BaseException | None = None
        keepers = self._keepers = {}
        async with anyio.create_task_group() as tasks:
            try:
                for part in self._order:
                    keeper = keepers[part.home] = Keeper(part, join(self.name, part.home), self.on_log)
                    tasks.start_soon(keeper.run)
                    await keeper.opened()
                yield
            except BaseException as error:  # noqa: BLE001 - kept until all is closed, then raised
                failure = error
            for keeper in reversed(keepers.values()):
                await keeper.close()
        broken = [keeper.broken for keeper in keepers.values() if keeper.broken and keeper.broken is not failure]
        if failure:
            for later in broken:
                failure.add_note(f"and then: {later.what}")
            raise failure
        if broken:
            raise summed_up(broken)


def summed_up(errors: Sequence[FlowrunnerError]) -> FlowrunnerError:
    """One error for all of `errors`."""
    if len(errors) == 1:
        return errors[0]
    places = (f"{error.driver}: {error.what}" if isinstance(error, BenchError) else error.what for error in errors)
    first = next((error for error in errors if isinstance(error, BenchError)), None)
    return BenchError(f"{len(errors)} drivers broke: " + "; ".join(places), blame=first.blame if first else "internal")
