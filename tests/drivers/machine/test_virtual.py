import io
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TypeVar, cast

import anyio
import pytest
from PIL import Image as Picture

from flowrunner.errors import BenchError
from flowrunner.image import open_image
from flowrunner.interface import ByteStream, Direct, Interface
from flowrunner.interfaces.console import Console
from flowrunner.interfaces.files import Files
from flowrunner.interfaces.power import Power
from flowrunner.interfaces.shell import Shell
from flowrunner.interfaces.storage import Flasher
from flowrunner.interfaces.video import Video
from flowrunner_drivers.machine.virtual import VirtualMachine
from tests.support.processes import alive, ended

pytestmark = pytest.mark.anyio

I = TypeVar("I", bound=Interface)  # noqa: E741

PROMPT = b"root@virtual:~# "


def part(machine: VirtualMachine, interface: type[I]) -> I:
    driver = next(child for child in machine.children.values() if isinstance(child, interface))
    return interface.client(Direct(cast("Interface", driver)))


@asynccontextmanager
async def board(**config: object) -> AsyncIterator[tuple[VirtualMachine, ByteStream]]:
    """An open board that is off, and its console."""
    machine = VirtualMachine.make({"boot_time": 0.02, **config})
    assert isinstance(machine, VirtualMachine)
    async with machine.opened(), part(machine, Console).connect() as console:
        yield machine, console


async def until(console: ByteStream, mark: bytes) -> bytes:
    data = b""
    with anyio.fail_after(10):
        while mark not in data:
            data += await console.receive()
    return data


async def logged_in(console: ByteStream) -> None:
    await until(console, b"login: ")
    await console.send(b"root\r")
    await until(console, PROMPT)


async def command(console: ByteStream, text: bytes) -> bytes:
    await console.send(text + b"\r")
    said = await until(console, PROMPT)
    return said.removeprefix(text + b"\r\n").removesuffix(PROMPT)


async def test_boots_to_a_login_and_says_that_it_is_virtual() -> None:
    async with board() as (machine, console):
        await part(machine, Power).on()
        said = await until(console, b"login: ")
    assert said.startswith(b"\r\nU-Boot 2026.04-virtual (virtual board: no hardware)\r\n")
    assert b"Linux version 6.1.0-virtual" in said
    assert said.endswith(b"\r\n\r\nvirtual login: ")


async def test_its_shell_is_a_real_one() -> None:
    async with board() as (machine, console):
        await part(machine, Power).on()
        await logged_in(console)
        assert await command(console, b"echo $((6 * 7)); (exit 3); echo $?") == b"42\r\n3\r\n"
        assert await command(console, b"cat /etc/version") == b"factory\r\n"
        assert await command(console, b"uname -r; hostname; whoami") == b"6.1.0-virtual\r\nvirtual\r\nroot\r\n"
        assert b"Run /sbin/init" in await command(console, b"dmesg | tail -1")
        assert await command(console, b"env | grep -c SECRET_OF_THE_HOST") == b"0\r\n"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become nobody")
async def test_its_shell_is_nobody_when_we_are_root() -> None:
    async with board() as (machine, console):
        await part(machine, Power).on()
        await logged_in(console)
        assert await command(console, b"command id -u") == b"65534\r\n"
        assert b"denied" in await command(console, b"touch /root/x /etc/x")
        assert await command(console, b"touch mine; ls") == b"mine\r\n"


async def test_a_password_is_asked_for_without_echo() -> None:
    async with board(user="admin", password="s3cret") as (machine, console):
        await part(machine, Power).on()
        await until(console, b"login: ")
        for name, password in ((b"admin", b"wrong"), (b"root", b"s3cret")):
            await console.send(name + b"\r")
            await until(console, b"Password: ")
            await console.send(password + b"\r")
            said = await until(console, b"login: ")
            assert b"Login incorrect" in said
            assert password not in said
        await console.send(b"admxx\x7f\x7fin\r" + b"s3cret\r")
        await until(console, PROMPT)


@pytest.mark.parametrize(
    ("text", "then"),
    [
        (b"reboot", b"U-Boot"),
        (b"poweroff", b"reboot: Power down"),
        (b"exit", b"virtual login: "),
        (b"\x04", b"login: "),
    ],
)
async def test_its_shell_can_end_in_several_ways(text: bytes, then: bytes) -> None:
    async with board() as (machine, console):
        await part(machine, Power).on()
        await logged_in(console)
        await console.send(text if text == b"\x04" else b"sleep 100 & \r" + text + b"\r")
        await until(console, then)


async def test_off_ends_everything_and_on_begins_anew(tmp_path: Path) -> None:
    async with board() as (machine, console):
        power = part(machine, Power)
        await power.on()
        await logged_in(console)
        pid = int((await command(console, b"sleep 100 & echo $!")).split()[-1])
        assert alive(pid)
        await power.off()
        assert ended(pid)
        await console.send(b"nobody hears this\r")
        await power.cycle(off_for=0)
        assert (await until(console, b"login: ")).count(b"U-Boot") == 1
        folder = machine.folder
    assert not folder.exists()


async def test_draws_more_while_it_is_on() -> None:
    async with board() as (machine, console):
        power = part(machine, Power)

        async def amps() -> float:
            async for reading in power.read():
                return reading.current
            raise AssertionError

        assert await amps() == 0
        await power.on()
        await until(console, b"U-Boot")
        assert await amps() > 0


@pytest.mark.parametrize(
    ("kind", "last", "state"), [("panic", b"end Kernel panic", "panicked"), ("hang", b"mmc0: new", "hung")]
)
async def test_a_boot_can_go_wrong_and_the_next_one_well(kind: str, last: bytes, state: str) -> None:
    async with board(boots=[kind, "ok"]) as (machine, console):
        power = part(machine, Power)
        await power.on()
        assert b"login" not in await until(console, last)
        await anyio.sleep(0.05)
        assert machine.board.state == state
        await power.cycle(off_for=0)
        await logged_in(console)


async def test_the_kernel_can_talk_into_everything() -> None:
    async with board(noise=0.01) as (machine, console):
        await part(machine, Power).on()
        said = await until(console, b"still here, 3")
    assert b"[    2.510000] virtual: still here, 1\r\n" in said


async def test_its_version_is_that_of_the_flashed_image(tmp_path: Path) -> None:
    (tmp_path / "hello.img").write_text("hello 1.2.0\nand more\n")
    async with board() as (machine, console):
        flasher = part(machine, Flasher)
        async with open_image("hello.img", base=tmp_path) as image:
            await flasher.flash(image)
        assert b"".join([piece async for piece in flasher.dump(length=12)]) == b"hello 1.2.0\n"
        await part(machine, Power).on()
        await logged_in(console)
        assert await command(console, b"cat /etc/version") == b"hello 1.2.0\r\n"
        with pytest.raises(BenchError, match="the virtual board is on"):
            async with open_image("hello.img", base=tmp_path) as image:
                await flasher.flash(image)


async def test_faults_befall_its_parts(tmp_path: Path) -> None:
    faults = [{"call": "on", "fail": "the fuse has blown"}, {"call": "dump", "fail": "the card is gone"}]
    async with board(faults=faults) as (machine, _):
        with pytest.raises(BenchError, match="the fuse has blown"):
            await part(machine, Power).on()
        with pytest.raises(BenchError, match="the card is gone"):
            async for _piece in part(machine, Flasher).dump():
                pass


async def test_its_screen_shows_its_state() -> None:
    async with board() as (machine, console):
        video, seen = part(machine, Video), []

        async def look() -> None:
            seen.append(Picture.open(io.BytesIO(await video.snapshot())).convert("RGB"))

        await look()
        await part(machine, Power).on()
        await until(console, b"login: ")
        await look()
        await look()
    assert seen[0].getcolors() == [(640 * 360, (0, 0, 0))]
    assert seen[1].getpixel((510, 140)) == (0x2E, 0x8B, 0x57)
    assert seen[1].tobytes() == seen[2].tobytes()


async def test_its_files_are_those_of_its_shell() -> None:
    async with board() as (machine, console):
        files = part(machine, Files)
        await files.write_bytes("root/new/hello.sh", b"echo from a file\n")
        await part(machine, Power).on()
        await logged_in(console)
        assert await command(console, b"sh new/hello.sh; echo changed > new/hello.sh") == b"from a file\r\n"
        assert b"".join([piece async for piece in files.read("/root/new/hello.sh")]) == b"changed\n"
        for path in ("../../etc/passwd", "root/../../x"):
            with pytest.raises(BenchError, match="leads out of"):
                await files.stat(path)


async def test_its_buttons_are_methods() -> None:
    async with board() as (machine, console):
        shell = part(machine, Shell)
        assert await shell.get_methods() == ["echo", "reset", "state"]
        assert [out.stdout async for out in shell.call_method("state")] == [b"off\n", b""]
        await part(machine, Power).on()
        await logged_in(console)
        assert [out.status async for out in shell.call_method("reset")] == [0]
        await until(console, b"U-Boot")
        with pytest.raises(BenchError, match="there is no method 'explode'"):
            async for _ in shell.call_method("explode"):
                pass


async def test_a_megabyte_comes_through_its_console() -> None:
    async with board() as (machine, console):
        await part(machine, Power).on()
        await logged_in(console)
        said = await command(console, b"head -c 1000000 /dev/zero | tr '\\0' x; echo")
    assert said == b"x" * 1_000_000 + b"\r\n"
