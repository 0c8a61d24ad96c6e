"""How each driver is set up for the suites: a driver without a rig fails `test_rigs`."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar, cast

import pytest
from PIL import Image as Picture

from flowrunner.driver import Driver
from flowrunner.interface import ByteStream, Direct, Interface
from flowrunner.interfaces.console import Console
from flowrunner.interfaces.power import Power
from flowrunner.interfaces.storage import Flasher, StorageMux
from flowrunner.plugins import load
from tests.support import far_ends, netboard, ports
from tests.support.loops import needs_root
from tests.support.machines import BytesImage, echo_disk, read_until
from tests.support.sshd import sshd
from tests.support.vnc import desktop

I = TypeVar("I", bound=Interface)  # noqa: E741

Config = Callable[[Path], dict[str, Any]]


@dataclass(frozen=True)
class Rig:
    """One driver: its config below a folder, and what its parts need to be tried.

    `boots` is what its console shows once it is up (None: nothing has to be done), `methods` what its shell offers,
    `far_end` is started before the driver is made and adds to its config, `talk` is what to send there and what comes,
    `greeting` how that begins before anything is sent. A `twin` is another rig's driver with other defaults: what that
    has passed, it has. Its children have rigs of their own.
    """

    type: str
    config: Config
    boots: bytes | None = None
    image: bytes | None = None
    methods: dict[str, bytes] = field(default_factory=dict)
    far_end: Callable[[Path], AbstractAsyncContextManager[dict[str, Any]]] | None = None
    talk: tuple[bytes, bytes] = (b"hello", b"hello")
    greeting: bytes = b""
    children: Mapping[str, Rig] = field(default_factory=dict)
    marks: tuple[pytest.MarkDecorator, ...] = ()
    twin: bool = False

    def make(self, folder: Path, **config: Any) -> Driver[Any]:
        """The driver."""
        return self._of(folder, config, {name: child.make(folder) for name, child in self.children.items()})

    @asynccontextmanager
    async def made(self, folder: Path) -> AsyncIterator[Driver[Any]]:
        """The driver, with its far end running and its children open."""
        async with AsyncExitStack() as stack:
            children = {}
            for name, child in self.children.items():
                children[name] = await stack.enter_async_context(child.made(folder))
                await stack.enter_async_context(children[name].opened())
            config = await stack.enter_async_context(self.far_end(folder)) if self.far_end else {}
            yield self._of(folder, config, children)

    def _of(self, folder: Path, config: Mapping[str, Any], children: Mapping[str, Driver[Any]]) -> Driver[Any]:
        return load("flowrunner.drivers", Driver, self.type).make({**self.config(folder), **config}, children)


SCRATCH = Path("nowhere")
"""Where nothing is opened: drivers are made here only to look at them."""


def _pictures(folder: Path) -> dict[str, Any]:
    if folder != SCRATCH:
        Picture.new("RGB", (8, 8), "red").save(folder / "screen.png")
    return {"path": folder / "screen.png"}


def _lamp(folder: Path) -> dict[str, Any]:
    lamp = folder / "lamp"
    return {"on": f"touch {lamp}", "off": ["rm", "-f", str(lamp)], "read": "echo 5.0 0.5", "interval": 0}


@asynccontextmanager
async def _bus(folder: Path) -> AsyncIterator[dict[str, Any]]:
    async with far_ends.message_bus(folder) as address:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("DBUS_SESSION_BUS_ADDRESS", address)
            yield {}


@asynccontextmanager
async def _sshd(folder: Path) -> AsyncIterator[dict[str, Any]]:
    async with sshd(folder) as server:
        yield server.config


@asynccontextmanager
async def _desktop(folder: Path) -> AsyncIterator[dict[str, Any]]:
    async with desktop(folder, "-rfbunixpath", str(folder / "s")):
        yield {}


def _flasher(folder: Path) -> dict[str, Any]:
    return {"flasher_bundle": str(folder / "bundle"), "off_for": 0, "after": "off", "retries": 0}


NETBOARD = {
    "serial": Rig("console.process", lambda f: {"command": [sys.executable, netboard.PROGRAM, str(f)]}),
    "power": Rig("power.command", lambda f: {"on": f"touch {f}/power", "off": f"rm -f {f}/power"}),
    "tftp": Rig("tftp.server", lambda f: {"root_dir": f / "tftp", "host": netboard.HOST}),
    "http": Rig("http.server", lambda f: {"root_dir": f / "http", "host": netboard.HOST, "port": 0}),
}
TERMINAL_SERVER = (pytest.mark.machine, ports.OF_PYSERIAL)
NEEDS_ROOT = (pytest.mark.machine, needs_root)
NO_VSOCK = pytest.mark.skipif(not far_ends.has_vsock(), reason="no vsock loopback: modprobe vsock_loopback")
FREE = {"host": "127.0.0.1", "port": 0}
NOWHERE = {"host": "127.0.0.1", "port": 9}
LOGIN = (b"\0AUTH\r\n", b"REJECTED EXTERNAL")
"""How a bus is asked for the ways to log in."""

RFB = (b"RFB 003.008\n", b"\1\1")
"""How a VNC server greets, is greeted, and offers one way to log in: none (RFC 6143)."""

KEY_EXCHANGE = (b"SSH-2.0-suite\r\n", b"\0\0")
"""How an SSH server goes on after its greeting: with a packet that is shorter than 64 KiB (RFC 4253)."""

QEMU: dict[str, Any] = {"accel": "tcg", "mem": "32M", "smp": 1, "network": False}

AT_S = Rig("network.unix", lambda folder: {"path": str(folder / "s")})
ECHO = Rig("network.echo", lambda _: {})
LOOP = Rig("console.serial", lambda _: {"url": "loop://"})
SUPPLY = Rig("power.virtual", lambda _: {"interval": 0})
SSH = Rig("ssh.client", lambda _: NOWHERE, far_end=_sshd, talk=KEY_EXCHANGE, greeting=b"SSH-2.0-")

RIGS = (
    Rig("console.process", lambda _: {"command": ["cat"], "raw": True}),
    Rig("flasher.network", _flasher, far_end=netboard.disk, children=NETBOARD, marks=NEEDS_ROOT),
    Rig("flasher.rcar_s4", _flasher, far_end=netboard.disk, children=NETBOARD, marks=NEEDS_ROOT, twin=True),
    Rig("flasher.ti_j784s4", _flasher, far_end=netboard.disk, children=NETBOARD, marks=NEEDS_ROOT, twin=True),
    LOOP,
    Rig("console.serial", lambda _: {"url": "nowhere"}, far_end=ports.adapter),
    Rig("console.serial", lambda _: {"url": "nowhere"}, far_end=ports.terminal_server, marks=TERMINAL_SERVER),
    Rig("console.uboot", lambda _: {}, children={"power": SUPPLY, "serial": LOOP}),
    Rig("files.opendal", lambda folder: {"scheme": "fs", "kwargs": {"root": str(folder / "files")}}),
    Rig("files.sftp", lambda folder: {"root": str(folder / "files")}, children={"ssh": SSH}),
    Rig("http.server", lambda folder: {"root_dir": folder / "files", **FREE}),
    Rig("files.opendal", lambda _: {"scheme": "memory"}),
    Rig("machine.qemu", lambda _: QEMU, boots=b"!ready> ", image=echo_disk(), marks=(pytest.mark.machine,)),
    Rig("machine.virtual", lambda _: {"boot_time": 0}, boots=b"login: ", methods={"echo": b"\n"}),
    Rig("network.dbus", lambda _: {"kind": "session"}, far_end=_bus, talk=LOGIN),
    ECHO,
    Rig("network.first", lambda _: {}, children={"a": ECHO, "b": ECHO}),
    Rig("network.tcp", lambda _: NOWHERE, far_end=lambda _: far_ends.tcp_echo()),
    Rig("network.udp", lambda _: NOWHERE, far_end=lambda _: far_ends.udp_echo()),
    Rig("network.unix", lambda f: {"path": str(f / "s")}, far_end=lambda f: far_ends.unix_echo(f / "s")),
    Rig("network.vsock", lambda _: {"cid": 1, "port": 9}, far_end=lambda _: far_ends.vsock_echo(), marks=(NO_VSOCK,)),
    Rig("network.websocket", lambda _: {"url": "ws://127.0.0.1:9"}, far_end=lambda _: far_ends.websocket_echo()),
    Rig("power.command", _lamp),
    Rig("power.group", lambda _: {}, children={"a": SUPPLY, "b": SUPPLY}),
    SUPPLY,
    Rig("shell.command", lambda _: {"methods": {"hello": "echo hello"}}, methods={"hello": b"hello\n"}),
    SSH,
    Rig("storage.file", lambda folder: {"path": folder / "disk", "size": "64MiB"}),
    Rig("storage.mux", lambda f: {"path": f / "card", "size": "64MiB", "host": "true", "dut": "true", "off": "true"}),
    Rig("storage.virtual", lambda _: {}),
    Rig("storage.virtual_flasher", lambda _: {"targets": ["root"]}),
    Rig("tftp.server", lambda folder: {"root_dir": folder / "files", **FREE}),
    Rig("video.file", _pictures),
    Rig(
        "video.vnc",
        lambda _: {},
        far_end=_desktop,
        talk=RFB,
        greeting=RFB[0],
        children={"unix": AT_S},
        marks=(pytest.mark.machine,),
    ),
)


def parts(driver: Driver[Any], interface: type[Interface], path: str = "") -> Iterator[tuple[str, Driver[Any]]]:
    """The parts of a driver that offer `interface`, with their paths."""
    if isinstance(driver, interface):
        yield path, driver
    for name, child in driver.children.items():
        yield from parts(child, interface, f"{path}.{name}".lstrip("."))


def over(interface: type[Interface], *, boots: bool = False) -> pytest.MarkDecorator:
    """Run a test over each part of each rig that offers `interface`, as `rig` and `path`; `boots`: of those that boot.

    Children have rigs of their own.
    """
    found = [
        pytest.param(rig, path, id=f"{rig.type}{':' if path else ''}{path}", marks=rig.marks)
        for rig in RIGS
        if (rig.boots is not None or not boots) and not rig.twin
        for path, _ in parts(rig.make(SCRATCH), interface)
        if path.partition(".")[0] not in rig.children
    ]
    return pytest.mark.parametrize(("rig", "path"), found)


@dataclass
class Bench:
    """An open driver."""

    driver: Driver[Any]

    def client(self, interface: type[I], path: str | None = None) -> I:
        """The client of the part at `path`, or of the first one that offers `interface`."""
        found = dict(parts(self.driver, interface))
        part = found[path] if path is not None else next(iter(found.values()))
        return interface.client(Direct(cast("Interface", part)))

    async def medium(self, path: str) -> Flasher:
        """The flasher at `path`; one behind a mux is switched to the host."""
        if isinstance(dict(parts(self.driver, Flasher))[path], StorageMux):
            await self.client(StorageMux, path).host()
        return self.client(Flasher, path)

    def has(self, interface: type[Interface]) -> bool:
        """Whether any part offers it."""
        return any(True for _ in parts(self.driver, interface))


@asynccontextmanager
async def opened(rig: Rig, folder: Path) -> AsyncIterator[Bench]:
    """The driver, open; what it boots is flashed."""
    async with rig.made(folder) as driver, AsyncExitStack() as stack:
        for name in rig.children:
            await stack.enter_async_context(driver.children[name].opened())
        await stack.enter_async_context(driver.opened())
        bench = Bench(driver)
        if rig.image is not None:
            await bench.client(Flasher).flash(BytesImage(rig.image))
        yield bench


@asynccontextmanager
async def running(rig: Rig, path: str, folder: Path) -> AsyncIterator[tuple[Bench, ByteStream]]:
    """The driver with its console connected, and powered on if that is what it takes."""
    async with opened(rig, folder) as bench, bench.client(Console, path).connect() as stream:
        if rig.boots is not None:
            await bench.client(Power).on()
            await read_until(stream, rig.boots)
        yield bench, stream
