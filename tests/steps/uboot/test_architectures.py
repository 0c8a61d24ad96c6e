"""Real U-Boot on the other processors that Debian builds it for: each greets and counts down a little differently."""

import asyncio
import shutil
from pathlib import Path

import pytest

from flowrunner.errors import BenchError
from flowrunner_steps.uboot.boot import Boot
from flowrunner_steps.uboot.dhcp import Dhcp
from flowrunner_steps.uboot.env import Env
from flowrunner_steps.uboot.interrupt import Interrupt
from flowrunner_steps.uboot.run import Run
from tests.support.consoles import ProgramConsole, reading
from tests.support.context import RecordingContext

pytestmark = pytest.mark.machine

FOLDER = Path("/usr/lib/u-boot")
CARD = ("-netdev", "user,id=n0,restrict=yes", "-device", "virtio-net-pci,netdev=n0,romfile=")
MACHINES = {
    "arm": ("qemu-system-arm", "-M", "virt", "-bios", str(FOLDER / "qemu_arm/u-boot.bin")),
    "x86": ("qemu-system-x86_64", "-M", "pc", "-bios", str(FOLDER / "qemu-x86/u-boot.rom")),
    "riscv64": ("qemu-system-riscv64", "-M", "virt", "-bios", str(FOLDER / "qemu-riscv64/u-boot.bin")),
}


@pytest.mark.parametrize("machine", MACHINES)
def test_is_stopped_asked_and_left(machine: str, tmp_path: Path) -> None:
    command = MACHINES[machine]
    if shutil.which(command[0]) is None or not Path(command[-1]).exists():
        pytest.skip(f"needs {command[0]} and u-boot-qemu")

    async def main() -> None:
        console = ProgramConsole([*command, "-m", "256", "-nographic", *CARD], echo=False)
        async with reading(console, tmp_path) as reader:
            context = RecordingContext(tmp_path, consoles={"dut.console": reader.session})
            await Interrupt().run(context)
            version = await Run(command="version", delay="1ms").run(context)
            assert version.lines[0].startswith("U-Boot 20")
            assert (await Env(set={"x": "it's $x"}, get=["x"]).run(context)).values == {"x": "it's $x"}
            if machine != "arm":
                with pytest.raises(BenchError, match="U-Boot knows of no network card") as error:
                    await Dhcp().run(context)
                assert (error.value.blame, error.value.said) == ("config", "No ethernet found.")
                await Run(command="pci enum; virtio scan").run(context)
            assert (await Dhcp().run(context)).ip == "10.0.2.15"
            again = await Boot(command="reset", started=r"U-Boot 20\d\d").run(context)
            assert again.line.startswith("U-Boot 20")

    asyncio.run(asyncio.wait_for(main(), 110))
