"""What an engineer is told of a port that cannot be had."""

import grp
import os
import stat
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from serial.tools.list_ports_common import ListPortInfo

from flowrunner.errors import BenchError
from flowrunner_drivers.console import _looking
from flowrunner_drivers.console._looking import look
from flowrunner_drivers.console.serial import SerialConsole
from tests.support.loops import needs_root
from tests.support.ports import Far, echo

pytestmark = pytest.mark.anyio

NOBODY = 65534


@pytest.fixture
def far() -> Iterator[Far]:
    end = Far()
    yield end
    end.unplug()


def refused(port: Path) -> BenchError:
    with pytest.raises(BenchError) as error:
        look(port)
    return error.value


def test_names_the_adapters_that_are_like_the_missing_one(tmp_path: Path) -> None:
    (tmp_path / "usb-FTDI_FT232R_USB_UART_A50285BI-if00-port0").touch()
    (tmp_path / "usb-Prolific_PL2303-if00-port0").touch()
    error = refused(tmp_path / "usb-FTDI_FT232R_USB_UART_A50285B1-if00-port0")
    assert error.what == f"there is no serial port '{tmp_path}/usb-FTDI_FT232R_USB_UART_A50285B1-if00-port0'"
    assert error.help == "did you mean 'usb-FTDI_FT232R_USB_UART_A50285BI-if00-port0'?"
    assert error.blame == "device"


def test_says_when_there_is_no_port_at_all_or_which_there_are(
    tmp_path: Path, far: Far, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "usb-FTDI").symlink_to(far.path)
    monkeypatch.setattr(_looking, "BY_ID", tmp_path)
    monkeypatch.setattr("serial.tools.list_ports.comports", list)
    assert refused(Path("/dev/ttyUSB77")).help == "this host has no serial port: is the adapter plugged in?"
    port = ListPortInfo(str(far.path))
    monkeypatch.setattr("serial.tools.list_ports.comports", lambda: [port])
    assert refused(Path("/dev/ttyUSB77")).help == f"ports of this host: {far.path} ({tmp_path}/usb-FTDI)"
    assert "ports of this host" in (refused(Path("/dev/serial/no-such-folder/x")).help or "")


def test_a_file_is_no_port(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    error = refused(tmp_path / "file")
    assert (error.what, error.blame) == (f"'{tmp_path}/file' is no serial port", "config")


@needs_root
def test_names_who_has_the_port(tmp_path: Path) -> None:
    port, link = tmp_path / "ttyUSB0", tmp_path / "usb-FTDI"
    os.mknod(port, 0o600 | stat.S_IFCHR, os.stat("/dev/null").st_rdev)
    link.symlink_to(port)
    look(link)
    with port.open("rb") as opened, subprocess.Popen(["sleep", "60"], stdin=opened) as other:
        error = refused(link)
        other.kill()
    assert error.what == f"'{link}' is in use by 'sleep' (process {other.pid})"
    assert error.help == f"end 'sleep' (process {other.pid}), or take the port out of the bench's file"
    assert error.blame == "infra"
    look(link)


async def test_a_lock_of_another_program_is_told(far: Far) -> None:
    driver = SerialConsole.make({"url": str(far.path)})
    assert isinstance(driver, SerialConsole)
    with subprocess.Popen(["flock", far.path, "cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as lock:
        assert lock.stdin
        assert lock.stdout
        lock.stdin.write(b"x")
        lock.stdin.flush()
        assert lock.stdout.read(1) == b"x"  # it has the lock
        with pytest.raises(BenchError, match=f"'{far.path}' is in use by another process") as error:
            async with driver.connect():
                pass
        lock.stdin.close()
    assert error.value.help == f"find it with: sudo fuser -v {far.path}"
    async with driver.connect():
        pass  # nothing of the attempt is left


async def test_the_program_behind_a_port_is_nobody_who_uses_it(tmp_path: Path) -> None:
    with echo(tmp_path / "port"):
        look(tmp_path / "port")


@contextmanager
def rights(port: Path, mode: int, group: int) -> Iterator[None]:
    """Look at `port` as a user who does not own it."""
    os.chown(port, 0, group)
    port.chmod(mode)
    groups = os.getgroups()
    os.setgroups([])
    os.setegid(NOBODY)
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(0)
        os.setgroups(groups)


@needs_root
def test_says_which_group_may_open_it(far: Far) -> None:
    with rights(far.path, 0o660, grp.getgrnam("dialout").gr_gid):
        error = refused(far.path)
    assert (error.what, error.blame) == (f"'{far.path}' may not be opened by user 'nobody'", "config")
    assert error.help == "join its group and log in again: sudo usermod -aG dialout nobody"


@needs_root
def test_says_that_the_rights_are_wrong_when_no_group_would_do(far: Far) -> None:
    for mode, group in ((0o600, grp.getgrnam("dialout").gr_gid), (0o660, 0)):
        with rights(far.path, mode, group):
            error = refused(far.path)
        assert error.help == (
            f"its rights are {stat.filemode(stat.S_IFCHR | mode)}: let a udev rule give it to a group, such as dialout"
        )


@needs_root
async def test_opening_says_the_same_as_looking(far: Far, tmp_path: Path) -> None:
    driver = SerialConsole.make({"url": str(far.path), "check_present": False})
    absent = SerialConsole.make({"url": str(tmp_path / "ttyUSB0"), "check_present": False})
    assert isinstance(driver, SerialConsole)
    assert isinstance(absent, SerialConsole)
    with rights(far.path, 0o660, grp.getgrnam("dialout").gr_gid), pytest.raises(BenchError, match="may not be opened"):
        async with driver.connect():
            pass
    with pytest.raises(BenchError, match="there is no serial port"):
        async with absent.connect():
            pass
