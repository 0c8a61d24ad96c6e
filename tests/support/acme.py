"""A third party's drivers, registered by an entry point as a real package does, in a folder of their own."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import invalidate_caches
from pathlib import Path
from textwrap import dedent

from flowrunner import plugins
from flowrunner.bench import aliases

MODULES = {
    "switch": """
        from collections.abc import AsyncIterator
        from contextlib import asynccontextmanager

        import anyio

        from flowrunner.driver import Config, Driver
        from flowrunner.errors import BenchError
        from flowrunner.interfaces.power import Power, PowerReading

        EVENTS: list[str] = []

        class SwitchConfig(Config):
            name: str
            breaks: str = ""
            error: str = "BenchError"

        class Switch(Driver[SwitchConfig], Power):
            aliases = ("jumpstarter_driver_acme.driver.Switch",)

            def fail(self, where: str) -> None:
                EVENTS.append(f"{self.config.name} {where}")
                if self.config.breaks == where:
                    raise {"BenchError": BenchError, "ValueError": ValueError}[self.config.error](f"no {where} today")

            @asynccontextmanager
            async def opened(self) -> AsyncIterator[None]:
                self.fail("open")
                if self.config.breaks == "background":
                    async with anyio.create_task_group() as tasks:
                        tasks.start_soon(self.explode)
                        yield
                elif self.config.breaks == "never":
                    yield
                    await anyio.sleep(1000)
                else:
                    yield
                self.fail("close")

            async def explode(self) -> None:
                raise OSError(5, "Input/output error")

            async def on(self) -> None:
                self.fail("on")

            async def off(self) -> None:
                if self.config.breaks == "off":
                    raise OSError(19, "No such device", "/dev/ttyUSB7")
                if self.config.breaks == "slow off":
                    raise TimeoutError

            async def read(self) -> AsyncIterator[PowerReading]:
                if self.config.breaks == "read":
                    yield PowerReading(voltage=1, current=1)
                    raise KeyError("volts")
                raise NotImplementedError
        """,
    "board": """
        from collections.abc import AsyncIterator, Mapping
        from contextlib import AbstractAsyncContextManager, asynccontextmanager
        from typing import Any

        import anyio

        from flowrunner.driver import Config, Driver
        from flowrunner.interface import ByteStream
        from flowrunner.interfaces.console import Console
        from flowrunner.interfaces.machine import Machine
        from flowrunner.interfaces.video import Video

        class BoardConfig(Config):
            memory: int = 64

        class _Uart(Driver[Config], Console):
            broken = False

            @asynccontextmanager
            async def connect(self) -> AsyncIterator[ByteStream]:
                yield self

            async def receive(self) -> bytes:
                if self.broken:
                    raise OSError(5, "Input/output error")
                raise anyio.EndOfStream

            async def send(self, data: bytes, /) -> None:
                if data == b"break":
                    raise OSError(5, "Input/output error")

        class Board(Driver[BoardConfig], Machine, Video):
            def __init__(self, config: BoardConfig, children: Mapping[str, Driver[Any]] | None = None) -> None:
                super().__init__(config, children)
                if config.memory > 1000:
                    raise ValueError(f"a board has at most 1000 MiB, not {config.memory}")
                self.children["uart"] = _Uart(Config())

            async def state(self) -> str:
                return "running"

            async def pause(self) -> None: ...
            async def resume(self) -> None: ...
            async def reset(self) -> None: ...

            async def shutdown(self, timeout: float = 60.0) -> None: ...
            async def save(self, name: str) -> None: ...
            async def load(self, name: str) -> None: ...
            async def saved(self) -> list[Any]:
                return []

            async def delete(self, name: str) -> None: ...
            async def resize_disk(self, size: Any) -> None: ...
            async def resize_memory(self, size: Any) -> None: ...

            async def qmp(self, command: str, arguments: dict[str, Any] | None = None) -> Any:
                return command

            async def snapshot(self) -> bytes:
                return b"png"
        """,
    "verbose": """
        import asyncio
        import logging
        from collections.abc import AsyncIterator
        from contextlib import asynccontextmanager

        from flowrunner.driver import Config, Driver
        from flowrunner.interfaces.power import Power, PowerReading

        log = logging.getLogger(__name__)
        library = logging.getLogger("a_library")

        class Verbose(Driver[Config], Power):
            @asynccontextmanager
            async def opened(self) -> AsyncIterator[None]:
                log.info("opening")
                task = asyncio.create_task(self.work())
                self.poked = asyncio.Event()
                yield
                task.cancel()
                log.info("closing")

            async def work(self) -> None:
                await self.poked.wait()
                log.warning("worked in the background")

            async def on(self) -> None:
                log.debug("nobody asked for this")
                library.warning("the relay is %s", "old")
                await asyncio.to_thread(log.error, "from a thread")
                self.poked.set()
                await asyncio.sleep(0)

            async def off(self) -> None:
                try:
                    raise OSError(5, "Input/output error")
                except OSError:
                    log.exception("it does not go off")

            async def read(self) -> AsyncIterator[PowerReading]:
                log.info("before the first")
                yield PowerReading(voltage=1, current=1)
                log.info("before the second")
                yield PowerReading(voltage=1, current=1)
        """,
    "needy": """
        import a_library_that_nobody_has

        from flowrunner.driver import Config, Driver

        class Needy(Driver[Config]): ...
        """,
}


@contextmanager
def installed(folder: Path) -> Iterator[None]:
    """The package `acme` installed in `folder`: `acme/switch`, `acme/board`, and `acme/needy`, which cannot load."""
    package = folder / "acme_drivers"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    for name, text in MODULES.items():
        (package / f"{name}.py").write_text(dedent(text))
    facts = folder / "acme-1.0.dist-info"
    facts.mkdir()
    (facts / "METADATA").write_text("Metadata-Version: 2.1\nName: acme\nVersion: 1.0\n")
    (facts / "entry_points.txt").write_text("[flowrunner.drivers]\nacme = acme_drivers\n")
    sys.path.insert(0, str(folder))
    _forget()
    try:
        yield
    finally:
        sys.path.remove(str(folder))
        for name in [name for name in sys.modules if name.partition(".")[0] == "acme_drivers"]:
            del sys.modules[name]
        _forget()


def _forget() -> None:
    invalidate_caches()
    plugins.types.cache_clear()
    plugins._load.cache_clear()
    aliases._table.cache_clear()
