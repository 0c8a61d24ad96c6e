"""Logging in: at a real busybox login in a folder of its own, with and without a kernel that talks in between."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import pytest

from flowrunner.console.patterns import Prompt
from flowrunner.console.reader import ConsoleReader
from flowrunner.errors import ExpectationError
from flowrunner.replay.clock import run_virtual
from flowrunner_steps.login import Login
from tests.support.consoles import FedConsole, ProgramConsole, reading
from tests.support.context import RecordingContext

pytestmark = pytest.mark.anyio

PASSWORD = "sesame-open"
HASH = "$1$abcdefgh$rYSqWpKEfcylcrgHcFgJg0"
NOISE = b"[   12.345678] usb 1-1: new high-speed USB device number 2 using xhci_hcd\r\n"


def _static_busybox() -> str | None:
    path = shutil.which("busybox")
    if path is None or os.geteuid() != 0:
        return None
    said = subprocess.run(["ldd", path], capture_output=True, text=True)
    return path if "not a dynamic" in said.stdout + said.stderr else None


real_login = pytest.mark.skipif(_static_busybox() is None, reason="needs root and Debian's busybox-static")


@pytest.fixture
def device(tmp_path: Path) -> Path:
    """The root of a small system with the users root, with a password, and guest, without."""
    root = tmp_path / "device"
    for folder in ("bin", "etc", "root"):
        (root / folder).mkdir(parents=True)
    shutil.copy(str(_static_busybox()), root / "bin/busybox")
    (root / "bin/sh").symlink_to("busybox")
    (root / "etc/hostname").write_text("board\n")
    (root / "etc/passwd").write_text(f"root:{HASH}:0:0::/root:/bin/sh\nguest::0:0::/root:/bin/sh\n")
    return root


@asynccontextmanager
async def booted(
    device: Path, folder: Path, noise_after: bytes = b"", noise: bytes = NOISE
) -> AsyncIterator[tuple[ConsoleReader, RecordingContext]]:
    """A board at its login prompt; the kernel prints `noise` once right behind `noise_after`."""
    console = ProgramConsole(["chroot", str(device), "/bin/busybox", "login"])
    left = [noise] if noise_after else []

    def talk(data: bytes) -> None:
        if left and data.endswith(noise_after):
            console.inject(left.pop())

    async with reading(console, folder, on_data=talk) as reader:
        with anyio.fail_after(10):
            while b"login: " not in reader.log.read(0):
                await reader.log.changed(reader.log.end)
        yield reader, RecordingContext(folder, consoles={"dut.console": reader.session})
        assert not left, "the kernel had no occasion to talk"


@real_login
async def test_logs_in_with_a_password_and_learns_the_prompt(device: Path, tmp_path: Path) -> None:
    async with booted(device, tmp_path) as (reader, context):
        outputs = await Login(username="root", password=PASSWORD).run(context)
        assert outputs.prompt == "~ # "
        assert 0 < outputs.at <= context.now()
    assert PASSWORD.encode() not in reader.log.path.read_bytes()


@real_login
async def test_logs_in_without_a_password_and_after_the_prompt_was_matched(device: Path, tmp_path: Path) -> None:
    async with booted(device, tmp_path) as (reader, context):
        await reader.session.expect([Prompt("login: ")], within=5)
        assert (await Login(username="guest").run(context)).prompt == "~ # "


@real_login
async def test_finds_that_the_user_is_logged_in_already(device: Path, tmp_path: Path) -> None:
    async with booted(device, tmp_path) as (reader, context):
        await Login(username="guest").run(context)
        sent = reader.log.end
        assert (await Login(username="guest").run(context)).prompt == "~ # "
        assert reader.log.end == sent


@real_login
@pytest.mark.parametrize("prompt", [b"login: ", b"Password: ", b"~ # \x1b[6n"])
@pytest.mark.parametrize("noise", [NOISE, b"\r\n" + NOISE])
async def test_survives_a_kernel_message_behind_each_prompt(
    device: Path, tmp_path: Path, prompt: bytes, noise: bytes
) -> None:
    async with booted(device, tmp_path, noise_after=prompt, noise=noise) as (_, context):
        outputs = await Login.model_validate({"username": "root", "password": PASSWORD, "poke": "500ms"}).run(context)
        assert outputs.prompt == "~ # "


@real_login
async def test_a_wrong_password_names_the_user(device: Path, tmp_path: Path) -> None:
    async with booted(device, tmp_path) as (_, context):
        with pytest.raises(ExpectationError, match="'root' was not let in") as caught:
            await Login(username="root", password="wrong-word").run(context)
    assert "Login incorrect" in (caught.value.said or "")
    assert "wrong-word" not in (caught.value.said or "")


@real_login
async def test_being_asked_for_a_password_without_one_is_said(device: Path, tmp_path: Path) -> None:
    async with booted(device, tmp_path) as (_, context):
        with pytest.raises(ExpectationError, match="a password was asked for 'root', and none is given") as caught:
            await Login(username="root").run(context)
    assert caught.value.help == "add password: ${{ secrets.NAME }}"


def virtual_login(
    tmp_path: Path, console: Callable[[], FedConsole], **fields: object
) -> tuple[ExpectationError | str, bytes]:
    """What a login at a console that the test feeds ends with, and what was typed."""

    async def body() -> tuple[ExpectationError | str, bytes]:
        fed = console()
        async with reading(fed, tmp_path) as reader:
            context = RecordingContext(tmp_path, consoles={"dut.console": reader.session})
            try:
                outputs = await Login.model_validate({"username": "root", **fields}).run(context)
            except ExpectationError as error:
                return error, fed.sent
            return outputs.prompt, fed.sent

    return run_virtual(body)


def test_says_how_far_it_came_when_time_runs_out(tmp_path: Path) -> None:
    error, sent = virtual_login(tmp_path, FedConsole, within="30s")
    assert isinstance(error, ExpectationError)
    assert (error.what, error.cause) == ("'root' was not logged in within 30s: no login prompt", "timeout")
    assert set(sent) == {ord("\n")}


def test_types_nothing_while_the_board_still_prints(tmp_path: Path) -> None:
    def booting() -> FedConsole:
        console = FedConsole(answer=lambda typed: {b"root\n": b"root\r\n# "}.get(typed))

        async def boot() -> None:
            for i in range(40):
                console.feed(b"starting service %d\r\n" % i)
                await anyio.sleep(2)
            assert console.sent == b""
            console.feed(b"board login: ")

        console.booting = asyncio.create_task(boot())  # type: ignore[attr-defined]
        return console

    assert virtual_login(tmp_path, booting, within="3m") == ("# ", b"root\n")


def test_a_prompt_of_a_boot_loader_is_no_shell(tmp_path: Path) -> None:
    def stopped() -> FedConsole:
        console = FedConsole()
        console.feed(b"U-Boot 2024.01\r\n=> ")
        return console

    error, _ = virtual_login(tmp_path, stopped, within="8s")
    assert isinstance(error, ExpectationError)
    assert "no login prompt" in error.what
