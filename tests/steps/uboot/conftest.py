"""Real U-Boot under QEMU, on a pty."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import pytest

from flowrunner.console.keys import keystroke
from flowrunner.console.uboot import UbootShell
from tests.support.consoles import ProgramConsole, reading
from tests.support.context import RecordingContext

FIRMWARE = "/usr/lib/u-boot/qemu_arm64/u-boot.bin"
COMMAND = (
    "qemu-system-aarch64", "-M", "virt", "-cpu", "cortex-a57", "-m", "128", "-nographic", "-bios", FIRMWARE,
    "-device", "virtio-net-pci,netdev=n0,romfile=",
)  # fmt: skip
USER_NETWORK = "user,id=n0,tftp={folder},restrict=yes"

Work = Callable[[RecordingContext], Awaitable[None]]
Booted = Callable[..., None]


@asynccontextmanager
async def machine(folder: Path, network: str) -> AsyncIterator[RecordingContext]:
    """A board that counts down, with the console of its context."""
    console = ProgramConsole([*COMMAND, "-netdev", network], echo=False)
    async with reading(console, folder) as reader:
        yield RecordingContext(folder, consoles={"dut.console": reader.session})


@pytest.fixture
def uboot(tmp_path: Path) -> Booted:
    """Does some work at the prompt of U-Boot; with `interrupt=False` while it counts down."""

    def do(work: Work, *, interrupt: bool = True, network: str = USER_NETWORK) -> None:
        async def main() -> None:
            async with machine(tmp_path, network.format(folder=tmp_path)) as context:
                if interrupt:
                    await UbootShell(context.console()).interrupt(keystroke("space"), within=30)
                with anyio.fail_after(60):
                    await work(context)

        asyncio.run(main())

    return do
