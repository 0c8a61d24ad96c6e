"""U-Boot for Python programs: a real one, on a real serial line with its power."""

from pathlib import Path

import anyio
import pytest

from flowrunner.adapters.device import device, part
from flowrunner.adapters.uboot import uboot_on
from flowrunner.errors import BenchError, ExpectationError
from flowrunner.interfaces.console import Console
from flowrunner.interfaces.power import Power

FIRMWARE = Path("/usr/lib/u-boot/qemu_arm64/u-boot.bin")

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.machine,
    pytest.mark.skipif(not FIRMWARE.exists(), reason="needs u-boot-qemu and qemu-system-arm"),
]

BENCH = f"""
export:
  board:
    type: machine.qemu
    config: {{arch: aarch64, mem: 256MiB, smp: 1, display: none, default_partitions: {{bios: {FIRMWARE}}}}}
"""


async def test_a_program_works_at_its_prompt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLOW_LOCK_DIR", str(tmp_path / "locks"))
    (tmp_path / "bench.yaml").write_text(BENCH)
    with anyio.fail_after(100):
        async with device(tmp_path / "bench.yaml") as dut:
            console, power = part(dut, Console), part(dut, Power)
            async with uboot_on(console, power) as uboot:
                assert (await uboot.checked("version")).startswith("U-Boot 20")
                await uboot.set("greeting", "it's here")
                assert await uboot.get("greeting") == "it's here"
                assert (await uboot.dhcp()).ip == "10.0.2.15"
            async with uboot_on(console) as again:
                assert await again.get("greeting") == "it's here"
                with pytest.raises(ExpectationError, match="U-Boot's 'false' exited 1"):
                    await again.checked("false")
            await power.off()
            with pytest.raises((ExpectationError, BenchError), match=r"prompt was not seen within 1s|is off"):
                async with uboot_on(console, within=1):
                    pass
