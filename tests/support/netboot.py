"""Real U-Boot on a network of its own, with servers of ours: run as `unshare -n python -m tests.support.netboot FOLDER`.

QEMU's user network answers TFTP itself, so it takes a tap, and that takes a network namespace.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from pathlib import Path

from flowrunner.console.keys import keystroke
from flowrunner.console.uboot import UbootShell
from flowrunner_drivers.http.server import HttpServer
from flowrunner_drivers.tftp.server import Tftp
from tests.support.consoles import ProgramConsole, reading
from tests.support.context import RecordingContext

FIRMWARE = "/usr/lib/u-boot/qemu_arm64/u-boot.bin"
HOST, BOARD = "192.168.77.1", "192.168.77.2"
MACHINE = (
    "qemu-system-aarch64", "-M", "virt", "-cpu", "cortex-a57", "-m", "256", "-nographic", "-bios", FIRMWARE,
    "-netdev", "tap,id=n0,ifname=tap0,script=no,downscript=no", "-device", "virtio-net-pci,netdev=n0,romfile=",
)  # fmt: skip


def network() -> None:
    """A tap with our address, in the namespace that we are in."""
    for command in (
        "ip link set lo up", "ip tuntap add dev tap0 mode tap", f"ip addr add {HOST}/24 dev tap0",
        "ip link set tap0 up",
    ):  # fmt: skip
        subprocess.run(command.split(), check=True)


async def main(folder: Path, commands: list[str]) -> None:
    """Print what U-Boot said to each command, as JSON: its status and its output."""
    network()
    config = {"root_dir": folder / "root", "host": HOST}
    console = ProgramConsole([*MACHINE], echo=False)
    said: list[tuple[int, str]] = []
    async with Tftp.make(config).opened(), HttpServer.make(config).opened(), reading(console, folder) as reader:
        context = RecordingContext(folder, consoles={"dut.console": reader.session})
        shell = UbootShell(context.console())
        await shell.interrupt(keystroke("space"), within=60)
        for command in (f"setenv ipaddr {BOARD}", f"setenv serverip {HOST}", *commands):
            ran = await shell.run(command)
            said.append((ran.status, ran.text))
    print(json.dumps(said[2:]))


if __name__ == "__main__":
    asyncio.run(asyncio.wait_for(main(Path(sys.argv[1]), sys.argv[2:]), 150))
