"""U-Boot between us and the real Jumpstarter, both ways."""

from __future__ import annotations

from pathlib import Path

import anyio
import pytest

from flowrunner.interfaces.console import Console
from flowrunner.interfaces.power import Power
from flowrunner.interfaces.uboot import Uboot
from tests.flowrunner.remote.peer.conftest import part, used
from tests.support.exporters import exporter
from tests.support.peers import peer, python

FIRMWARE = Path("/usr/lib/u-boot/qemu_arm64/u-boot.bin")

pytestmark = [pytest.mark.anyio, pytest.mark.peer]

OURS = f"""
export:
  board:
    type: machine.qemu
    config: {{arch: aarch64, mem: 256MiB, smp: 1, display: none, default_partitions: {{bios: {FIRMWARE}}}}}
  uboot:
    type: jumpstarter_driver_uboot.driver.UbootConsole
    config: {{prompt: "=> "}}
    children: {{power: {{ref: board.power}}, serial: {{ref: board.console}}}}
"""

THEIRS = """
export:
  uboot:
    type: jumpstarter_driver_uboot.driver.UbootConsole
    config: {prompt: "board=> "}
    children:
      power: {type: jumpstarter_driver_power.driver.MockPower}
      serial: {type: jumpstarter_driver_pyserial.driver.PySerial, config: {url: "loop://"}}
"""


@pytest.mark.machine
@pytest.mark.skipif(not FIRMWARE.exists(), reason="needs u-boot-qemu and qemu-system-arm")
def test_their_library_works_at_the_prompt_of_a_board_of_ours(tmp_path: Path) -> None:
    (tmp_path / "exporter.yaml").write_text(OURS)
    with exporter(tmp_path / "exporter.yaml", tmp_path) as ours:
        said = python(
            ours.unix,
            """
            with client.uboot.reboot_to_console(retries=600):
                client.uboot.set_env("greeting", "hello")
                print("said:", client.uboot.get_env("greeting"), client.uboot.get_env("nothing"))
                print("said:", client.uboot.run_command_checked("version")[0])
                print("said:", client.uboot.setup_dhcp().ip_address)
            client.uboot.power.off()
            """,
        ).splitlines()
    found = [line.removeprefix("said: ") for line in said if line.startswith("said: ")]  # beside its log
    assert (found[0], found[2]) == ("hello None", "10.0.2.15")
    assert found[1].startswith("U-Boot 20")


async def test_our_client_finds_the_parts_and_the_prompt_of_theirs() -> None:
    with peer(THEIRS) as theirs:
        async with used(theirs.unix) as lease:
            assert await part(lease, "uboot", Uboot).prompt() == "board=> "
            await part(lease, "uboot.power", Power).on()
            async with part(lease, "uboot.serial", Console).connect() as console:
                await console.send(b"hello")
                with anyio.fail_after(10):
                    assert await console.receive()
