"""The service manager: a real socket, and systemd's own judgement of the unit."""

import asyncio
import os
import shutil
import socket
import subprocess
from pathlib import Path

import anyio
import pytest

from flowrunner.remote.exporter.systemd import Notifier, unit

pytestmark = pytest.mark.anyio


@pytest.fixture
def manager(tmp_path: Path) -> socket.socket:
    """The socket of a service manager."""
    found = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    found.bind(str(tmp_path / "notify"))
    found.setblocking(False)
    return found


async def test_the_manager_is_told_what_goes_on(manager: socket.socket, tmp_path: Path) -> None:
    notifier = Notifier({"NOTIFY_SOCKET": str(tmp_path / "notify")})
    notifier.ready("serving")
    notifier.status("busy")
    notifier.reloading()
    notifier.stopping("making devices safe")
    assert manager.recv(500) == b"READY=1\nSTATUS=serving"
    assert manager.recv(500) == b"STATUS=busy"
    assert manager.recv(500).startswith(b"RELOADING=1\nMONOTONIC_USEC=")
    assert manager.recv(500) == b"STOPPING=1\nSTATUS=making devices safe"
    manager.close()


async def test_an_abstract_socket_is_understood() -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as found:
        found.bind(f"\0flow-test-{os.getpid()}")
        found.setblocking(False)
        Notifier({"NOTIFY_SOCKET": f"@flow-test-{os.getpid()}"}).ready("x")
        assert found.recv(500) == b"READY=1\nSTATUS=x"


async def test_the_watchdog_hears_of_the_loop_twice_as_often_as_it_wants(
    manager: socket.socket, tmp_path: Path
) -> None:
    environment = {
        "NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "100000", "WATCHDOG_PID": str(os.getpid()),
    }  # fmt: skip
    task = asyncio.create_task(Notifier(environment).beat())
    await anyio.sleep(0.28)
    task.cancel()
    beats = 0
    while True:
        try:
            assert manager.recv(500) == b"WATCHDOG=1"
        except BlockingIOError:
            break
        beats += 1
    assert 4 <= beats <= 7
    manager.close()


async def test_a_loop_that_hangs_is_not_shown_as_alive(manager: socket.socket, tmp_path: Path) -> None:
    environment = {"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "20000"}
    task = asyncio.create_task(Notifier(environment).beat())
    await anyio.sleep(0)
    assert manager.recv(500) == b"WATCHDOG=1"
    subprocess.run(["sleep", "0.1"], check=True)  # the loop stands still
    with pytest.raises(BlockingIOError):
        manager.recv(500)
    task.cancel()
    manager.close()


async def test_a_watchdog_that_is_meant_for_another_process_is_left_alone() -> None:
    pid = str(os.getpid() + 1)
    with anyio.fail_after(1):
        await Notifier({"NOTIFY_SOCKET": "/nowhere", "WATCHDOG_USEC": "1000", "WATCHDOG_PID": pid}).beat()


async def test_without_a_manager_nothing_is_said() -> None:
    notifier = Notifier({})
    notifier.ready("serving")
    with anyio.fail_after(1):
        await notifier.beat()


ODD = ["/usr/bin/env", "a b", 'c"d', "e\\f", "100%", "$HOME", "unix:/run/x.sock"]


async def test_words_of_the_command_survive_the_manager(tmp_path: Path) -> None:
    text = unit(ODD, name="rack 100%", most=3, window=30)
    assert "Description=flowrunner exporter rack 100%%\n" in text
    assert 'ExecStart=/usr/bin/env "a b" "c\\"d" "e\\\\f" 100%% $$HOME unix:/run/x.sock\n' in text
    assert "StartLimitBurst=3\nStartLimitIntervalSec=30\n" in text


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not there (Debian: systemd)")
async def test_systemd_finds_nothing_wrong_with_the_unit(tmp_path: Path) -> None:
    path = tmp_path / "flow-bench.service"
    credentials = {"key": "/etc/hostname", "passphrase": "/etc/hostname"}
    command = [*ODD, "--tls-key", "${CREDENTIALS_DIRECTORY}/key"]
    path.write_text(unit(command, name="bench", most=5, window=60, user="root", credentials=credentials))
    done = subprocess.run(["systemd-analyze", "verify", "--man=no", path], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
