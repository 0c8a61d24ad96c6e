"""What goes wrong when a board is flashed over its network, and what is said of it."""

import asyncio
import os
import socket
import subprocess
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest

from flowrunner.errors import BenchError, ExpectationError
from flowrunner.image import open_image
from flowrunner.interface import Direct
from flowrunner.interfaces.console import Console
from flowrunner_drivers.flasher.network import NetworkFlasher
from tests.support.loops import loop, needs_root, small_disk
from tests.support.lossy import Lossy
from tests.support.machines import BytesImage
from tests.support.moments import counted, when
from tests.support.netboard import HOST, Lab, lab, make
from tests.support.relay import Relay

pytestmark = [pytest.mark.anyio, pytest.mark.machine, needs_root]

OTHER = HOST.replace("127.77.", "127.78.")
"""Another address of this host, for what stands between the board and its server."""

IMAGE = os.urandom(1_000_000)


async def refused(found: Lab, **how: Any) -> BenchError:
    """The error of a flash that must not succeed; the board is off then, and nothing is left on the servers."""
    with pytest.raises(BenchError) as error:
        await found.flasher.flash(BytesImage(IMAGE), **how)
    assert found.left_safe
    return error.value


async def test_writes_the_target_that_is_named(tmp_path: Path) -> None:
    async with lab(tmp_path, default_target="gone", packing="none") as found:
        await found.flasher.flash(BytesImage(IMAGE), "disk")
        assert found.content(len(IMAGE)) == IMAGE
        error = await refused(found)
        assert (error.what, error.blame, error.help) == ("the board has no target 'gone'", "config", "known: disk")


async def test_writes_several_targets_in_one_boot(tmp_path: Path) -> None:
    with loop(tmp_path / "other", 1 << 20) as other:
        async with lab(tmp_path, targets={"other": str(other)}) as found:
            board = found.flasher
            with counted("U-Boot is at its prompt") as boots:
                done = await board.flash_all({"other": BytesImage(IMAGE[:700_001]), "disk": BytesImage(IMAGE)})
            assert boots.count == 1
            assert {target: written.size for target, written in done.items()} == {"other": 700_001, "disk": 1_000_000}
            assert found.content(len(IMAGE)) == IMAGE
            assert other.read_bytes()[:700_001] == IMAGE[:700_001]
            with pytest.raises(BenchError, match=r"target 'other' is .* with 1MiB, the image has 1.91MiB"):
                await board.flash_all({"disk": BytesImage(bytes(1_000_000)), "other": BytesImage(IMAGE * 2)})
            assert found.left_safe
            assert found.content(len(IMAGE)) == IMAGE  # nothing was written, though that one fits


async def test_leaves_the_board_at_its_boot_loader_or_in_its_system_when_that_is_wanted(tmp_path: Path) -> None:
    async with lab(tmp_path) as found:
        board, serial = found.flasher, found.parts["serial"]
        said = b""
        async with Console.client(Direct(serial.front)).connect() as stream, anyio.create_task_group() as tasks:

            async def job() -> None:
                nonlocal said
                while True:
                    said += (await stream.receive()).replace(b"\r", b"")

            tasks.start_soon(job)
            for get_there, ask, answer in (
                (board.bootloader, b"printenv bootdelay || echo at uboot\r", b"\nat uboot"),
                (board.system, b"echo in $gw_addr$dhcp_addr\n", b"\nin 127.0.0.1"),
            ):
                await get_there()
                await stream.send(ask)
                with anyio.fail_after(20):
                    while answer not in said:
                        await anyio.sleep(0.05)
            tasks.cancel_scope.cancel()
        await found.parts["power"].off()
        assert found.left_safe


async def test_a_countdown_that_wants_a_password_gets_it_and_it_is_shown_nowhere(tmp_path: Path) -> None:
    (tmp_path / "stop").write_text("let me in")
    async with lab(tmp_path, uboot_timeout=3) as found:
        board = found.flasher
        with pytest.raises(BenchError, match="U-Boot's prompt was not seen within 3s"):
            await board.bootloader()
        assert found.left_safe
    async with lab(tmp_path, uboot_password="let me in", uboot_delay=0.001) as found:
        await found.flasher.bootloader()
        await found.parts["power"].off()


async def test_a_job_reads_its_console_while_the_board_is_flashed(tmp_path: Path) -> None:
    async with lab(tmp_path, after="reboot") as found:
        serial = found.parts["serial"]
        said = b""

        async def job() -> None:
            nonlocal said
            async with Console.client(Direct(serial.front)).connect() as stream:
                while True:
                    said += await stream.receive()

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(job)
            await found.flasher.flash(BytesImage(IMAGE))
            while b"flashed login: " not in said:
                await anyio.sleep(0.05)
            tasks.cancel_scope.cancel()
        for words in (b"stop autoboot", b"DHCP client bound", b"Starting kernel", b"flow-dd=0"):
            assert words in said
        await found.parts["power"].off()


async def test_tries_again_when_the_network_broke_off_and_reads_the_image_once(tmp_path: Path) -> None:
    async with lab(tmp_path, http={"address": OTHER}, retries=1) as found:
        port = await found.parts["http"].port()
        relay = Relay(port, host=OTHER, far=HOST)

        def cut_once() -> None:
            if relay.carried > 300_000:
                relay.on_carried = None
                relay.cut()

        relay.on_carried = cut_once
        async with relay.running(port):
            await found.flasher.flash(BytesImage(IMAGE))
        assert relay.connections == 2
        assert found.content(len(IMAGE)) == IMAGE


async def test_a_download_that_breaks_off_is_the_networks_fault(tmp_path: Path) -> None:
    async with lab(tmp_path, http={"address": OTHER}) as found:
        port = await found.parts["http"].port()
        relay = Relay(port, host=OTHER, far=HOST)
        relay.on_carried = lambda: relay.cut() if relay.carried > 300_000 else None
        async with relay.running(port):
            error = await refused(found)
    assert error.what == "the board's download of the image broke off: wget exited 1"
    assert error.blame == "infra"
    assert error.said and "wget: " in error.said


async def test_a_download_that_stands_still_is_seen(tmp_path: Path) -> None:
    async with lab(tmp_path, http={"address": OTHER}, stall_timeout=3) as found:
        port = await found.parts["http"].port()
        relay = Relay(port, host=OTHER, far=HOST)
        relay.on_carried = lambda: relay.go_silent() if relay.carried > 300_000 else None
        async with relay.running(port):
            error = await refused(found)
    assert error.what.startswith("the writing stands still for ")
    assert error.blame == "infra"


@contextmanager
def taken() -> Iterator[socket.socket]:
    """Somebody else has the port that boards load from."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind((HOST, 69))
        yield other


async def test_boards_of_one_host_wait_for_each_other_at_the_port_that_they_load_from(tmp_path: Path) -> None:
    folders = [tmp_path / name for name in ("one", "two")]
    async with AsyncExitStack() as stack:
        other = stack.enter_context(taken())
        for folder in folders:
            folder.mkdir()
        boards = [await stack.enter_async_context(lab(folder, own_servers=True)) for folder in folders]
        moment = stack.enter_context(when("the board waits until it is free", other.close))
        async with anyio.create_task_group() as tasks:
            for board in boards:
                tasks.start_soon(board.flasher.flash, BytesImage(IMAGE))
        assert moment.done
        assert [board.content(len(IMAGE)) == IMAGE for board in boards] == [True, True]
        assert all(board.left_safe for board in boards)


async def test_a_port_that_somebody_else_keeps_is_told(tmp_path: Path) -> None:
    with taken():
        async with lab(tmp_path, own_servers=True, port_timeout=0.5) as found:
            error = await refused(found)
    assert error.what == f"the TFTP server cannot listen on {HOST}:69: Address already in use"
    assert (error.blame, error.help) == ("infra", "is it a TFTP server that is none of ours? one of flowrunner's is given "
                                         "to the flasher as its child tftp")  # fmt: skip


async def test_nobody_answers_to_dhcp(tmp_path: Path) -> None:
    (tmp_path / "no-dhcp").touch()
    async with lab(tmp_path) as found:
        error = await refused(found)
    assert (error.what, error.blame) == ("DHCP gave no address in 3 tries", "infra")
    assert error.said == "BOOTP broadcast 1\nRetry time exceeded"


async def test_another_tftp_server_answers(tmp_path: Path) -> None:
    async with make("tftp.server", host=OTHER).opened(), lab(tmp_path, tftp={"address": OTHER}) as found:
        error = await refused(found)
    assert error.what.startswith(f"the TFTP server at {OTHER} has no 'flash-")
    assert error.what.endswith("/kernel', the kernel")
    assert (error.blame, error.help) == ("config", "does another TFTP server answer at that address?")


@pytest.mark.parametrize("lose", [0.03, 1.0])
async def test_lost_packets_cost_time_and_a_dead_line_is_the_networks_fault(tmp_path: Path, lose: float) -> None:
    lossy = Lossy((HOST, 69), 7, lose=lose, listen=(OTHER, 69))
    async with lossy.running(), lab(tmp_path, tftp={"address": OTHER, "timeout": 0.1}, load_timeout=4) as found:
        if lose < 1:
            await found.flasher.flash(BytesImage(IMAGE))
            return
        error = await refused(found)
    assert "loaded the kernel" in error.what or "could not load" in error.what
    assert error.blame == "infra"
    assert lossy.lost


async def test_an_image_that_is_too_large_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    async with lab(tmp_path, size=512 << 10) as found:
        error = await refused(found)
        assert found.content(512 << 10) == b"\xaa" * (512 << 10)
    assert error.what == f"target 'disk' is {found.device} with 512KiB, the image has 976.56KiB"
    assert error.blame == "config"


async def test_a_locked_medium_is_the_devices_fault(tmp_path: Path) -> None:
    async with lab(tmp_path) as found:
        subprocess.run(["blockdev", "--setro", str(found.device)], check=True)
        try:
            error = await refused(found)
        finally:  # it outlives the loop
            subprocess.run(["blockdev", "--setrw", str(found.device)], check=True)
    assert error.what.startswith(f"'{found.device}' did not take the image: dd exited 1")
    assert error.blame == "device"
    assert error.said and "dd: " in error.said


async def test_a_medium_that_fails_in_the_middle_is_the_devices_fault(tmp_path: Path) -> None:
    with small_disk(tmp_path / "small", 256 << 10) as small, loop(small / "disk", 4 << 20, blank=True) as failing:
        async with lab(tmp_path, targets={"failing": str(failing)}, retries=1) as found:
            error = await refused(found, target="failing")
    assert error.what.startswith(f"'{failing}' did not take the image: dd exited 1")
    assert error.blame == "device"
    assert error.said and "dd: " in error.said


async def test_a_prompt_that_does_not_come_back_is_the_devices_fault(tmp_path: Path) -> None:
    async with lab(tmp_path, spec={"preflash_commands": "['exec sleep 1000']"}, sync_timeout=2) as found:
        error = await refused(found)
    assert error.what == "the board was not done within 2s while it ran 'exec sleep 1000'"
    assert error.blame == "device"


async def test_a_medium_that_holds_something_else_is_found_by_reading_back(tmp_path: Path) -> None:
    def decay() -> None:
        with found.device.open("r+b") as medium:
            medium.seek(500_000)
            medium.write(b"\0" * 512)
            medium.flush()
            os.fsync(medium.fileno())

    async with lab(tmp_path) as found:
        with when("reads 976.56KiB back", decay) as moment:
            error = await refused(found)
        assert moment.done
    assert error.what.startswith(f"the storage does not hold what was written: '{found.device}' has another checksum")
    assert error.blame == "device"


async def test_a_block_device_that_the_board_does_not_have(tmp_path: Path) -> None:
    targets = {"card": "/dev/mmcblk7", "nand": "/sys/class/block#4fb0000"}
    async with lab(tmp_path, targets=targets) as found:
        error = await refused(found, target="card")
        assert error.what == "target 'card' is '/dev/mmcblk7': the board has no block device /dev/mmcblk7"
        error = await refused(found, target="nand")
    assert error.what.endswith("no block device of the board is behind the address 4fb0000")
    assert error.blame == "config"


@pytest.mark.parametrize("login", ["{username: root}", "{username: root, password: wrong}"])
async def test_a_login_that_is_refused_is_not_tried_again(tmp_path: Path, login: str) -> None:
    (tmp_path / "password").write_text("secret")
    async with lab(tmp_path, spec={"login": login}, retries=2) as found:
        error = await refused(found)
    wanted = "'root' was not let in" if "wrong" in login else "a password was asked for 'root', and none is given"
    assert (error.what, error.blame) == (wanted, "config")
    assert "manifest" in (error.help or "")


async def test_a_kernel_that_hangs_is_the_devices_fault(tmp_path: Path) -> None:
    (tmp_path / "hang").touch()
    async with lab(tmp_path, login_timeout=1) as found:
        error = await refused(found)
    assert (error.what, error.blame) == ("'root' was not logged in within 1s: no login prompt", "device")
    assert error.said and "Starting kernel" in error.said


async def test_a_board_without_a_boot_loader_is_the_devices_fault(tmp_path: Path) -> None:
    async with lab(tmp_path, uboot_prompt="Nothing> ", uboot_timeout=2) as found:
        error = await refused(found)
    assert (error.what, error.blame) == ("U-Boot's prompt was not seen within 2s", "device")


@pytest.mark.parametrize("back", [False, True])
async def test_power_that_is_lost_in_the_middle(tmp_path: Path, back: bool) -> None:
    def lose() -> None:
        (tmp_path / "power").unlink()
        if back:
            asyncio.get_running_loop().call_later(0.3, (tmp_path / "power").touch)

    async with lab(tmp_path, http={"address": OTHER}, stall_timeout=3) as found:
        port = await found.parts["http"].port()
        relay = Relay(port, host=OTHER, far=HOST)
        relay.on_carried = lambda: relay.go_silent() if relay.carried > 300_000 else None
        async with relay.running(port):
            with when("the board writes", lose):
                error = await refused(found)
    wanted = "the board started again while it was flashed" if back else "the board has said nothing for 3s"
    assert (error.what, error.blame) == (wanted, "device")


async def test_a_cancelled_flash_leaves_the_board_off_and_can_be_done_again(tmp_path: Path) -> None:
    async with lab(tmp_path) as found:
        with anyio.CancelScope() as scope:
            with when("the board writes", scope.cancel):
                await found.flasher.flash(BytesImage(IMAGE))
        assert scope.cancelled_caught
        assert found.left_safe
        await found.flasher.flash(BytesImage(IMAGE))
        assert found.content(len(IMAGE)) == IMAGE


async def test_an_image_with_a_wrong_checksum_never_reaches_the_board(tmp_path: Path) -> None:
    (tmp_path / "image").write_bytes(IMAGE)
    async with lab(tmp_path) as found, open_image("image", base=tmp_path, checksum=f"sha256:{'0' * 64}") as image:
        with pytest.raises(ExpectationError, match="has the checksum") as error:
            await found.flasher.flash(image)
        assert error.value.help == "nothing was written to the board"
        assert found.left_safe
        assert found.content(len(IMAGE)) == b"\xaa" * len(IMAGE)


async def test_commands_before_and_behind_are_run_and_must_succeed(tmp_path: Path) -> None:
    spec = {
        "preflash_commands": f"['echo $dhcp_addr > {tmp_path}/a']",
        "postflash_commands": "['test -b $target', 'false']",
    }
    async with lab(tmp_path, spec=spec) as found:
        error = await refused(found)
        assert found.content(len(IMAGE)) == IMAGE
    assert (tmp_path / "a").read_text() == "127.0.0.1\n"
    assert (error.what, error.blame) == ("the postflash command 'false' exited 1", "config")


async def test_a_system_without_a_command_is_the_bundles_fault(tmp_path: Path) -> None:
    async with lab(tmp_path, packing="zstd") as found:
        error = await refused(found)
    assert (error.what, error.blame) == ("the board's system has no 'zstd'", "config")


async def test_a_registry_that_is_down_leaves_the_board_alone(tmp_path: Path) -> None:
    async with lab(tmp_path, flasher_bundle="127.0.0.1:1/flashers/board:1.0") as found:
        (tmp_path / "power").touch()
        with pytest.raises(BenchError, match="did not answer: Connection refused") as error:
            await found.flasher.flash(BytesImage(IMAGE))
        assert error.value.blame == "infra"
        assert (tmp_path / "power").exists()


async def test_a_manifest_that_is_wrong_is_told_with_its_places(tmp_path: Path) -> None:
    async with lab(tmp_path, spec={"default_target": "gone"}) as found:
        with pytest.raises(BenchError, match=r"manifest.yaml:\d+:\d+: default_target is 'gone'") as error:
            await found.flasher.flash(BytesImage(IMAGE))
        assert error.value.blame == "config"


def test_needs_a_console_and_power() -> None:
    for children, missing in (({}, "power"), ({"power": make("power.virtual")}, "serial")):
        with pytest.raises(BenchError, match=f"needs a child '{missing}'"):
            NetworkFlasher.make({"flasher_bundle": "./b"}, children)


async def test_a_dump_from_a_board_that_loses_its_power_ends(tmp_path: Path) -> None:
    async with lab(tmp_path, stall_timeout=2) as found:
        with when("the board sends", (tmp_path / "power").unlink), pytest.raises(BenchError) as error:
            _ = [piece async for piece in found.flasher.dump()]
        assert found.left_safe
    assert error.value.what.startswith(("nothing came from the board for 2s", "the board has said nothing for 2s"))
