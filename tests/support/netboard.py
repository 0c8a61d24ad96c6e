"""A board that boots over the network, as `netboard_program` tells, and a flasher for it."""

from __future__ import annotations

import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from flowrunner.driver import Driver
from flowrunner.interface import Direct
from flowrunner.interfaces.storage import BoardFlasher
from flowrunner.plugins import load
from tests.support import netboard_program
from tests.support.loops import loop

PROGRAM = netboard_program.__file__

HOST = f"127.77.{os.getpid() >> 8 & 255}.{os.getpid() & 255 or 1}"
"""Where the board's servers are: an address of this process, as U-Boot looks for TFTP at port 69 only."""

BUNDLE = """
apiVersion: jumpstarter.dev/v1alpha1
kind: FlashBundleManifest
metadata: {name: netboard}
spec:
  kernel: {file: kernel, address: 0x1000}
  initram: {file: initrd, address: 0x2000}
  bootcmd: boot
  login: {username: root}
  network_commands: ['true']
  targets: {disk: DISK}
"""


def bundle(folder: Path, disk: Path, **more: str) -> Path:
    """A bundle for the board, whose target `disk` is `disk`; `more` are lines of its spec."""
    made = folder / "bundle"
    made.mkdir(exist_ok=True)
    (made / "kernel").write_bytes(os.urandom(30_000))
    (made / "initrd").write_bytes(os.urandom(3000))
    lines = "".join(f"  {key}: {value}\n" for key, value in more.items())
    text = "".join(line for line in BUNDLE.splitlines(True) if line.strip().partition(":")[0] not in more)
    (made / "manifest.yaml").write_text(text.replace("DISK", str(disk)) + lines)
    return made


@asynccontextmanager
async def disk(folder: Path) -> AsyncIterator[dict[str, Any]]:
    """A bundle in `folder` whose target is a block device of 8 MiB, on the file `disk`."""
    with loop(folder / "disk", 8 << 20) as device:
        bundle(folder, device)
        yield {}


@dataclass(frozen=True)
class Lab:
    """A board with a flasher in `folder`; `parts` are the flasher's children."""

    folder: Path
    device: Path
    flasher: BoardFlasher
    parts: dict[str, Any]

    @property
    def left_safe(self) -> bool:
        """Whether the board is off, and nothing lies on the servers."""
        left = [path for name in ("tftp", "http") for path in (self.folder / name).rglob("*") if path.is_file()]
        return not (self.folder / "power").exists() and not left

    def content(self, length: int) -> bytes:
        """What the storage holds at its beginning."""
        with self.device.open("rb") as file:
            return file.read(length)


@asynccontextmanager
async def lab(
    folder: Path, *, size: int = 8 << 20, spec: dict[str, str] | None = None, tftp: dict[str, Any] | None = None,
    http: dict[str, Any] | None = None, own_servers: bool = False, **config: Any,
) -> AsyncIterator[Lab]:  # fmt: skip
    """A board that can be flashed: `spec` goes into its bundle, `tftp`, `http` and the rest into configs.

    With `own_servers` the flasher gets no children for them, and makes its own.
    """
    command = [sys.executable, PROGRAM, str(folder)]
    parts = {
        "serial": make("console.process", command=command),
        "power": make("power.command", on=f"touch {folder}/power", off=f"rm -f {folder}/power"),
        "tftp": make("tftp.server", **{"root_dir": folder / "tftp", "host": HOST, **(tftp or {})}),
        "http": make("http.server", **{"root_dir": folder / "http", "host": HOST, "port": 0, **(http or {})}),
    }
    if own_servers:
        del parts["tftp"], parts["http"]
        config |= {"host": HOST, "tftp_dir": folder / "tftp", "http_dir": folder / "http"}
    with loop(folder / "disk", size) as device:
        made = bundle(folder, device, **(spec or {}))
        usual = {"flasher_bundle": str(made), "off_for": 0, "retries": 0, "after": "off"}
        flasher = load("flowrunner.drivers", Driver, "flasher.network").make({**usual, **config}, parts)
        async with flasher.children["tftp"].opened(), flasher.children["http"].opened(), flasher.opened():
            yield Lab(folder, device, BoardFlasher.client(Direct(cast("BoardFlasher", flasher))), parts)


BENCH = """
export:
  serial: {{type: console.process, config: {{command: [{python}, {program}, {folder}]}}}}
  power: {{type: power.command, config: {{"on": touch {folder}/power, "off": rm -f {folder}/power}}}}
  flasher:
    type: flasher.network
    config: {{flasher_bundle: ./bundle, host: {host}, off_for: 0, retries: 0}}
    children:
      serial: {{ref: serial}}
      power: {{ref: power}}
"""


def bench(folder: Path) -> Path:
    """The same board as an exporter's file in `folder`, with servers of the flasher's own."""
    file = folder / "bench.yaml"
    file.write_text(BENCH.format(python=sys.executable, program=PROGRAM, folder=folder, host=HOST))
    return file


def make(type: str, **config: Any) -> Driver[Any]:
    """A driver by its type."""
    return load("flowrunner.drivers", Driver, type).make(config)
