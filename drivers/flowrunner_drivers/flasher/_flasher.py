"""What all flashers over the network have in common; presets differ in their bundle only."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import anyio

from flowrunner.beside import beside
from flowrunner.bundle.bundle import Bundle, open_bundle
from flowrunner.console.alone import reading
from flowrunner.driver import NOTICE, Driver
from flowrunner.errors import BenchError, PipelineErrors, near
from flowrunner.interfaces.console import Console
from flowrunner.interfaces.power import Power
from flowrunner.interfaces.server import HttpServer, TftpServer
from flowrunner.interfaces.storage import BoardFlasher, Image, Written
from flowrunner.registry.reference import Access
from flowrunner_drivers._shared import share
from flowrunner_drivers.flasher._boot import Boot, Load, Start
from flowrunner_drivers.flasher._config import FlasherConfig
from flowrunner_drivers.flasher._dump import dumped, pieces
from flowrunner_drivers.flasher._faults import left_safe, tried
from flowrunner_drivers.flasher._packing import PackedImage
from flowrunner_drivers.flasher._parcels import Parcel, fetched, installed
from flowrunner_drivers.flasher._servers import Folder, Served, child
from flowrunner_drivers.flasher._system import System

C = TypeVar("C", bound=FlasherConfig)

Work = Callable[[System], Awaitable[None]]

log = logging.getLogger(__name__)


class BaseFlasher(Driver[C], BoardFlasher):
    """A board that writes its storage itself; a private base."""

    def __init__(self, config: C, children: Mapping[str, Driver[Any]] | None = None) -> None:
        super().__init__(config, children)
        self._power = child(self.children, Power, "power")
        self._console = share(child(self.children, Console, "serial", "console"))
        self._tftp = Served(self.children, "tftp", TftpServer, config.tftp_dir, config.host, port=69)
        self._http = Served(self.children, "http", HttpServer, config.http_dir, config.host, port=0)
        self._turn = anyio.Lock()

    async def flash(self, image: Image, target: str | None = None) -> Written:
        (done,) = await self._flash([(target, image)])
        return done

    async def flash_all(self, images: Mapping[str, Image]) -> dict[str, Written]:
        return dict(zip(images, await self._flash(list(images.items())), strict=True))

    async def _flash(self, images: Sequence[tuple[str | None, Image]]) -> list[Written]:
        """Write images to targets in one boot."""
        config = self.config
        async with self._turn:
            bundle = await self._bundle()
            parcels = [
                Parcel(*self._target(bundle, target), PackedImage(image, config.packing), f"image{number or ''}")
                for number, (target, image) in enumerate(images)
            ]
            async with (
                self._tftp.folder() as tftp, self._http.listening(), self._http.folder() as http,
                left_safe(self._power),
            ):  # fmt: skip
                start = await self._start(bundle, tftp)

                async def work(system: System) -> None:
                    spec = bundle.manifest.spec
                    await installed(system, parcels, http, spec, config.packing, verify=config.verify)

                async with beside(lambda: fetched(parcels, http)):
                    await tried(lambda: self._with_system(start, work), config.retries, self._power)
            return [parcel.image.written for parcel in parcels]

    async def dump(self, target: str | None = None, length: int | None = None) -> AsyncIterator[bytes]:
        async with self._turn:
            bundle = await self._bundle()
            name, place = self._target(bundle, target)

            async def all_of_it(put: Callable[[bytes], Awaitable[None]]) -> None:
                async def work(system: System) -> None:
                    device = await system.device(name, place)
                    host = await self._http.server.host()
                    await dumped(system, device, length, host, put, stall=self.config.stall_timeout)

                async with self._tftp.folder() as tftp, left_safe(self._power):
                    await self._with_system(await self._start(bundle, tftp), work)

            async for piece in pieces(all_of_it):
                yield piece

    async def bootloader(self) -> None:
        async with self._turn, left_safe(self._power), reading(self._console) as reader:
            await Boot(self.config, self._power, reader).bootloader()

    async def system(self) -> None:
        async with self._turn:
            bundle = await self._bundle()
            async with self._tftp.folder() as tftp, left_safe(self._power):
                start = await self._start(bundle, tftp)

                async def boot() -> None:
                    async with reading(self._console) as reader:
                        await Boot(self.config, self._power, reader).system(start)

                await tried(boot, self.config.retries, self._power)

    async def _with_system(self, start: Start, work: Work) -> None:
        """Boot the board, do `work` there, and leave it as the config says."""
        async with reading(self._console) as reader:
            system = await Boot(self.config, self._power, reader).system(start)
            async with beside(system.restarted):
                await work(system)
            log.log(NOTICE, "done; the board goes on with: %s", self.config.after)
            if self.config.after == "reboot":
                await system.reboot()
                return
            await system.run("sync")
            await self._power.off()
            if self.config.after == "cycle":
                await anyio.sleep(self.config.off_for)
                await self._power.on()

    async def _bundle(self) -> Bundle:
        config = self.config
        access = Access.found() if config.username is None else Access(config.username, config.password)
        cacert = str(config.cacert) if config.cacert else None
        access = replace(access, insecure=config.insecure, cacert=cacert)
        try:
            return await open_bundle(
                config.flasher_bundle, base=Path(), access=access, cache=config.cache_dir, manifest=config.manifest
            )
        except PipelineErrors as error:
            what = f"the manifest of bundle '{config.flasher_bundle}' is wrong:\n{error}"
            raise BenchError(what, blame="config", help="try 'flow bundle check' on it") from error

    def _target(self, bundle: Bundle, name: str | None) -> tuple[str, str]:
        """The target's name and place; those of the config come before the bundle's."""
        wanted = name or self.config.default_target
        if wanted in self.config.targets:
            return wanted, self.config.targets[wanted]
        if wanted is not None and wanted not in bundle.manifest.spec.targets:
            known = {*self.config.targets, *bundle.manifest.spec.targets}
            raise BenchError(f"the board has no target '{wanted}'", blame="config", help=near(wanted, known))
        return bundle.target(wanted)

    async def _start(self, bundle: Bundle, tftp: Folder) -> Start:
        """Put the files where the board finds them."""
        spec, loads = bundle.manifest.spec, []
        for kind, own, loaded in (
            ("kernel", self.config.kernel, spec.kernel),
            ("initram", self.config.initram, spec.initram),
            ("dtb", self.config.dtb, bundle.device_tree(self.config.variant)),
        ):
            if loaded is None and own is not None:
                raise BenchError(
                    f"bundle '{bundle.origin}' loads no {kind}, so there is nothing to replace", blame="config"
                )
            if loaded is not None:
                await tftp.store.put(own or bundle.folder / loaded.file, tftp.path(kind))
                loads.append(Load(kind, tftp.path(kind), loaded.address))
        return Start(
            await self._tftp.server.host(), lambda: self._tftp.listening(self.config.port_timeout),
            spec.bootloader_commands, loads, bundle.bootcmd(self.config.variant), spec.login, spec.network_commands,
        )  # fmt: skip
