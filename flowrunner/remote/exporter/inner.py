"""The device of one turn, served to the exporter's own hooks."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio

from flowrunner.errors import BenchError
from flowrunner.remote.exporter.facades import Facades
from flowrunner.remote.exporter.jumpstarter import Exporter
from flowrunner.remote.exporter.own import OwnProtocol
from flowrunner.remote.exporter.router import Router
from flowrunner.remote.exporter.server import made
from flowrunner.remote.exporter.station import Station
from flowrunner.remote.exporter.turn import Turn


@asynccontextmanager
async def serving_turn(station: Station, turn: Turn, path: Path) -> AsyncIterator[None]:
    """Serve the device of `turn` on a unix socket at `path`: calls are admitted whatever the state of the turn."""
    facades = Facades(station, lambda: turn.unguarded)
    own = OwnProtocol(station, within=turn)
    server = made(Exporter(station, facades), (own, Router(facades.facade, facades.resources, _never)))
    server.add_insecure_port(f"unix://{path}")
    await server.start()
    try:
        async with own.running():
            yield
    finally:
        with anyio.CancelScope(shield=True):
            await server.stop(0)


async def _never() -> BenchError:
    await anyio.sleep_forever()
    raise AssertionError
