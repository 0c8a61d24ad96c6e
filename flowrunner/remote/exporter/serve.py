"""An exporter from its file to its end: opened, served, read again, stopped."""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import anyio

from flowrunner.bench.bench import Bench
from flowrunner.bench.config import Source, load_exporter
from flowrunner.errors import FlowrunnerError, unwrap
from flowrunner.remote.address import Address
from flowrunner.remote.endpoint import Listen
from flowrunner.remote.exporter.debt import Debt
from flowrunner.remote.exporter.hooks import Hooks, Serve
from flowrunner.remote.exporter.inner import serving_turn
from flowrunner.remote.exporter.outside import obeyed, watched
from flowrunner.remote.exporter.own import OwnProtocol
from flowrunner.remote.exporter.server import Server, serving
from flowrunner.remote.exporter.station import Station
from flowrunner.remote.exporter.systemd import Notifier
from flowrunner.remote.exporter.turn import OPEN, Turn

log = logging.getLogger(__name__)

Ready = Callable[[Sequence[Address]], None]
"""Told when clients are served: where."""

READER = "the exporter itself, to read its file again"
"""Who has the bench while the file is read again."""


@asynccontextmanager
async def exporting(station: Station, listens: Sequence[Listen]) -> AsyncIterator[Server]:
    """Open a bench and serve it; leaving ends what clients do, makes their devices safe, and closes the bench.

    Raises:
        PipelineErrors: the exporter's file is wrong.
        BenchError: the bench could not be opened, now or behind a lease, or nothing can listen there.
    """
    own = OwnProtocol(station)
    try:
        async with station.opened(), serving(station, listens, [own]) as server, own.running():
            yield server
    except BaseExceptionGroup as group:
        raise unwrap(group) from None


@dataclass(slots=True)
class Service:
    """One exporter that is served, and what can be asked of it from outside."""

    path: Path
    listens: Sequence[Listen]
    notifier: Notifier
    ready: Ready
    debt: Debt
    stop: anyio.Event = field(default_factory=anyio.Event)
    reload: anyio.Event = field(default_factory=anyio.Event)
    opening: anyio.CancelScope = field(default_factory=anyio.CancelScope)

    async def run(self, parent: int | None = None) -> None:
        """Serve until told to stop. `parent` is a file descriptor that becomes readable when nobody wants it any more.

        SIGTERM, SIGINT and SIGQUIT stop it, after the devices are safe; a second one leaves at once. SIGHUP reads the
        file again when no lease is held.

        Raises:
            FlowrunnerError: it could not be opened, or broke.
        """
        with obeyed(self.obey), watched(parent, self.stop.set):
            source = load_exporter(self.path)
            name = source.exporter.metadata.name or self.path.stem
            station = hooked(source, name, self.path.parent, self.stop)
            station.debt = self.debt
            with self.opening:
                async with exporting(station, self.listens) as server:
                    self.opening.shield = True
                    await self._served(station, server)

    async def _served(self, station: Station, server: Server) -> None:
        tasks = [asyncio.create_task(self.notifier.beat()), asyncio.create_task(self._reloads(station))]
        self.ready(server.addresses)
        self.notifier.ready("serving")
        try:
            await self.stop.wait()
        finally:
            self.notifier.stopping("making devices safe")
            for task in tasks:
                task.cancel()

    async def _reloads(self, station: Station) -> None:
        while True:
            await self.reload.wait()
            self.reload = anyio.Event()
            try:
                source = load_exporter(self.path)
                Bench(source, "")
            except FlowrunnerError as error:
                log.error("the file was not read again, the old one stays: %s", error)
                continue
            await self._replace(station, source)

    async def _replace(self, station: Station, source: Source) -> None:
        """Let the bench be made from `source` when everyone who came before has had it."""

        async def waiting(owner: str, position: int) -> None:
            log.info("the file is read again when %s has ended", owner)

        self.notifier.reloading()
        async with station.taken(READER, waiting=waiting):
            station.source = source
        self.notifier.ready("serving")
        log.info("the file was read again")

    def obey(self, number: int) -> None:
        """What a signal asks for."""
        if number == signal.SIGHUP:
            self.reload.set()
            return
        log.info("%s: stopping", signal.Signals(number).name)
        self.stop.set()
        if not self.opening.shield:
            self.opening.cancel()


def hooked(source: Source, name: str, folder: Path, stop: anyio.Event | None = None) -> Station:
    """A station with the hooks of its file, which lies in `folder`; `stop` is set where a lease ends it."""
    station = Station(source, name)
    station.around = _Stopping(station, folder, serving_turn, stop or anyio.Event())
    return station


class _Stopping(Hooks):
    """The hooks of each lease, and behind it the end of the exporter, when its file says so."""

    def __init__(self, station: Station, folder: Path, serve: Serve, stop: anyio.Event) -> None:
        super().__init__(station, folder, serve)
        self._stop = stop

    async def begin(self, turn: Turn) -> None:
        if turn.owner != READER:
            await super().begin(turn)

    async def end(self, turn: Turn) -> None:
        if turn.owner == READER:
            return
        await super().end(turn)
        if self._station.source.exporter.exit_on_lease_end and turn.id != OPEN:
            self._stop.set()
