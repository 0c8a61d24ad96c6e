"""`flow exporter` in processes of its own, with real signals."""

import json
import os
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

import psutil
import pytest

from tests.support.hands import Desk, children, line, slow
from tests.support.processes import ended


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def wait_until(said: str, process: subprocess.Popen[str]) -> str:
    """Read standard error up to a line with `said`."""
    seen = ""
    while said not in seen:
        seen += line(process, error=True)
    return seen


def test_it_says_where_it_listens_and_serves_there(desk: Desk) -> None:
    process = desk.start(
        "exporter", "run", "bench.yaml", "--listen", desk.socket, "--listen", "127.0.0.1:0", "--insecure"
    )
    try:
        assert line(process) == f"listening on {desk.socket}\n"
        port = line(process).removeprefix("listening on 127.0.0.1:").strip()
        assert desk.device("power", "on").returncode == 0
        assert desk.lamp.exists()
        over = desk.flow("device", "--insecure", "--exporter", f"127.0.0.1:{port}", "power", "off")
        assert over.returncode == 0, over.stderr
        assert not desk.lamp.exists()
    finally:
        process.terminate()
        process.communicate(timeout=10)
    assert process.returncode == 0


@slow
def test_programs_read_where_it_listens_as_json(desk: Desk) -> None:
    process = desk.start("exporter", "run", "bench.yaml", "-l", desk.socket, "--format", "json")
    facts = json.loads(line(process))
    process.terminate()
    process.communicate(timeout=10)
    assert facts["event"] == "listening"
    assert facts["address"] == desk.socket


def test_a_bench_that_another_serves_is_refused_with_its_owner(desk: Desk) -> None:
    with desk.exporter() as process:
        again = desk.flow("exporter", "run", "bench.yaml", "--listen", f"{desk.socket}2")
        assert again.returncode == 3
        assert "the bench 'lamp' is in use by" in again.stderr
        assert f"flow exporter run (pid {process.pid})" in again.stderr
        assert "flow exporter run" in desk.flow("leases").stdout
    assert not desk.leases()


def test_the_bench_stays_locked_while_a_child_is_started_again(desk: Desk) -> None:
    with desk.exporter() as process:
        (child,) = children(process.pid)
        os.kill(child, signal.SIGKILL)
        assert "flow exporter run" in desk.leases()[0]
        assert line(process) == f"listening on {desk.socket}\n"
        assert desk.device("power", "on").returncode == 0


@pytest.mark.parametrize("supervise", ["--supervise", "--no-supervise"])
def test_what_a_killed_process_left_powered_is_turned_off_by_the_next(desk: Desk, supervise: str) -> None:
    holding = ["shell", "--exporter", desk.socket, "--", "sh", "-c", "flow device power on; echo on; sleep 60"]
    with desk.exporter("--listen", desk.socket, supervise) as process:
        shell = desk.start(*holding)
        assert line(shell) == "on\n"
        if supervise == "--supervise":
            (child,) = children(process.pid)
            os.kill(child, signal.SIGKILL)
            assert line(process) == f"listening on {desk.socket}\n"
            assert not desk.lamp.exists()
        else:
            process.kill()
            process.communicate()
            assert desk.lamp.exists()
            with desk.exporter():
                assert not desk.lamp.exists()
                shell.communicate(timeout=60)  # it learns here that its lease is gone; with nobody there it would wait
        shell.communicate(timeout=60)
    assert not list((desk.folder / "locks").glob("*.owed"))


@slow
def test_a_port_that_was_free_to_choose_stays_the_same(desk: Desk) -> None:
    with desk.exporter("--listen", "localhost:0", "--insecure", "--format", "json") as process:
        (child,) = children(process.pid)
        os.kill(child, signal.SIGKILL)
        second = json.loads(line(process))["address"]
        assert second != "localhost:0"
        (child,) = children(process.pid)
        os.kill(child, signal.SIGKILL)
        assert json.loads(line(process))["address"] == second


@pytest.mark.parametrize(("number", "supervise"), [(signal.SIGTERM, "--supervise"), (signal.SIGINT, "--no-supervise")])
def test_a_signal_makes_the_device_safe_and_ends_it(desk: Desk, number: signal.Signals, supervise: str) -> None:
    with desk.exporter("--listen", desk.socket, supervise) as process:
        shell = desk.start(
            "shell", "--exporter", desk.socket, "--", "sh", "-c", "flow device power on; echo on; sleep 60"
        )
        assert line(shell) == "on\n"
        assert desk.lamp.exists()
        process.send_signal(number)
        process.communicate(timeout=20)
        assert process.returncode == 0
        assert not desk.lamp.exists()
        _, err = shell.communicate(timeout=20)
        assert shell.returncode == 3
        assert "the exporter was stopped" in err
    assert not Path(desk.socket.removeprefix("unix:")).exists()


@slow
def test_a_second_signal_ends_it_at_once(desk: Desk) -> None:
    slow = desk.bench.replace("rm -f {folder}/lamp", "touch {folder}/off; sleep 8; rm -f {folder}/lamp")
    desk.write(slow)
    with desk.exporter() as process:
        shell = desk.start(
            "shell", "--exporter", desk.socket, "--", "sh", "-c", "flow device power on; echo on; sleep 60"
        )
        assert line(shell) == "on\n"
        (child,) = children(process.pid)
        process.terminate()
        deadline = time.monotonic() + 10
        while not (desk.folder / "off").exists():
            assert time.monotonic() < deadline
            time.sleep(0.01)
        asked = time.monotonic()
        process.terminate()
        process.communicate(timeout=10)
        assert time.monotonic() - asked < 1
        assert process.returncode == 128 + signal.SIGTERM
        assert ended(child)
        shell.kill()
        shell.communicate()


@slow
def test_a_child_whose_parent_is_killed_makes_the_device_safe_and_ends(desk: Desk) -> None:
    with desk.exporter() as process:
        shell = desk.start(
            "shell", "--exporter", desk.socket, "--", "sh", "-c", "flow device power on; echo on; sleep 60"
        )
        assert line(shell) == "on\n"
        (child,) = children(process.pid)
        process.kill()
        assert ended(child, within=10)
        assert not desk.lamp.exists()
        shell.communicate(timeout=20)
        assert shell.returncode == 3


def test_what_is_wrong_with_the_file_is_said_and_not_tried_again(desk: Desk) -> None:
    desk.file.write_text("export:\n  power: {type: power.nothing}\n")
    done = desk.flow("exporter", "run", "bench.yaml", "--listen", desk.socket)
    assert done.returncode == 2
    assert "bench.yaml:2:" in done.stderr
    assert "starting again" not in done.stderr


@slow
def test_a_bench_that_fails_again_and_again_is_given_up(desk: Desk) -> None:
    desk.file.write_text(
        "failureDetection: {maxRapidFailures: 2, rapidFailureWindow: 30}\n"
        "export:\n  disk: {type: console.serial, config: {url: /dev/ttyNOTHERE}}\n"
    )
    done = desk.flow("exporter", "run", "bench.yaml", "--listen", desk.socket)
    assert done.returncode == 1
    assert done.stderr.count("error:") == 2
    assert "failed 2 times within 30s, the last time because" in done.stderr
    assert "/dev/ttyNOTHERE" in done.stderr.splitlines()[-1]


def test_sighup_reads_the_file_again_behind_the_lease(desk: Desk) -> None:
    with desk.exporter() as process:
        shell = desk.start(
            "shell",
            "--exporter",
            desk.socket,
            "--",
            "sh",
            "-c",
            "echo held; read line",
        )
        assert line(shell) == "held\n"
        shell.communicate(timeout=20)
        desk.write(desk.bench.replace("echo 5 0.1", "echo 12 0.5"))
        assert "voltage=5.0" in desk.device("power", "read", "-n", "1").stdout
        process.send_signal(signal.SIGHUP)
        wait_until("the file was read again", process)
        assert "voltage=12.0" in desk.device("power", "read", "-n", "1").stdout


@slow
def test_sighup_waits_for_who_has_the_bench(desk: Desk) -> None:
    with desk.exporter() as process:
        script = "flow device power read -n 1; touch held; while [ -e held ]; do sleep 0.05; done; flow device power read -n 1"
        shell = desk.start("shell", "--exporter", desk.socket, "--", "sh", "-c", script)
        deadline = time.monotonic() + 10
        while not (desk.folder / "held").exists():
            assert time.monotonic() < deadline
            time.sleep(0.01)
        desk.write(desk.bench.replace("echo 5 0.1", "echo 12 0.5"))
        process.send_signal(signal.SIGHUP)
        wait_until("the file is read again when", process)
        (desk.folder / "held").unlink()
        out, _ = shell.communicate(timeout=20)
        assert out.count("voltage=5.0") == 2
        wait_until("the file was read again", process)
        assert "voltage=12.0" in desk.device("power", "read", "-n", "1").stdout


@slow
def test_a_file_that_became_wrong_leaves_the_old_one_in_force(desk: Desk) -> None:
    with desk.exporter() as process:
        desk.file.write_text("export: {power: {type: power.nothing}}\n")
        process.send_signal(signal.SIGHUP)
        assert "power.nothing" in wait_until("the old one stays", process)
        assert desk.device("power", "on").returncode == 0


@slow
def test_it_ends_with_the_lease_when_its_file_says_so(desk: Desk) -> None:
    desk.write("exitOnLeaseEnd: true\n" + desk.bench)
    with desk.exporter() as process:
        assert desk.flow("shell", "--exporter", desk.socket, "--", "flow", "device", "power", "on").returncode == 0
        process.communicate(timeout=20)
        assert process.returncode == 0


@slow
def test_a_service_manager_is_told_and_no_supervisor_is_put_between(desk: Desk, tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "n"))
        manager.settimeout(20)
        environment = {"NOTIFY_SOCKET": str(tmp_path / "n"), "WATCHDOG_USEC": "200000"}
        with desk.exporter(**environment) as process:
            said = [manager.recv(500) for _ in range(3)]
            assert b"READY=1\nSTATUS=serving" in said
            assert b"WATCHDOG=1" in said
            assert children(process.pid) == []
            process.terminate()
            while not (last := manager.recv(500)).startswith(b"STOPPING=1"):
                assert last == b"WATCHDOG=1"


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not there (Debian: systemd)")
def test_the_unit_is_one_that_systemd_takes(desk: Desk) -> None:
    (desk.folder / "p").write_text("secret\n")
    done = desk.flow("exporter", "unit", "bench.yaml", "--listen", "unix:s", "--passphrase-file", "p")
    assert done.returncode == 0, done.stderr
    assert "Type=notify" in done.stdout and "WatchdogSec=" in done.stdout
    assert f"--listen unix:{desk.folder}/s" in done.stdout
    unit = desk.folder / "flow-lamp.service"
    unit.write_text(done.stdout)
    checked = subprocess.run(["systemd-analyze", "verify", "--man=no", unit], capture_output=True, text=True)
    assert (checked.returncode, checked.stderr) == (0, "")


@slow
@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--listen", "127.0.0.1:0"], "127.0.0.1:0 has no certificate"),
        (["--listen", "nowhere"], "'nowhere' is no address"),
        (["--listen", "unix:s", "--tls-cert", "c"], "--tls-cert needs --tls-key"),
        (["--listen", "unix:s", "--passphrase-file", "none"], "none cannot be read"),
    ],
)
def test_what_cannot_be_served_is_said_before_the_bench_is_touched(desk: Desk, options: list[str], said: str) -> None:
    done = desk.flow("exporter", "run", "bench.yaml", *options)
    assert done.returncode == 2
    assert said in done.stderr


@slow
def test_a_small_bench_costs_little_to_start(desk: Desk) -> None:
    """Half a second on a machine with nothing else to do; its work is what can be measured on a busy one."""
    work = []
    for _ in range(3):
        with desk.exporter() as process:
            family = [process.pid, *children(process.pid)]
            work.append(sum(sum(psutil.Process(pid).cpu_times()[:2]) for pid in family))
    assert min(work) < 0.7, work


@slow
def test_the_passphrase_is_not_handed_to_what_drivers_start(desk: Desk) -> None:
    desk.write(desk.bench.replace("echo 5 0.1", "touch {folder}/seen-$FLOW_PASSPHRASE; echo 5 0.1"))
    with desk.exporter(FLOW_PASSPHRASE="sesame"):
        done = desk.flow("device", "-e", desk.socket, "power", "read", "-n", "1", FLOW_PASSPHRASE="sesame")
        assert done.returncode == 0, done.stderr
    assert (desk.folder / "seen-").exists()


@slow
@pytest.mark.parametrize("supervise", ["--supervise", "--no-supervise"])
def test_a_terminal_that_is_closed_ends_it(desk: Desk, supervise: str) -> None:
    with desk.terminal("exporter", "run", "bench.yaml", "-l", desk.socket, supervise) as terminal:
        terminal.expect_exact("listening on")
        with Path(os.devnull).open() as nothing:
            os.dup2(nothing.fileno(), terminal.child_fd)  # which closes our end of it
        deadline = time.monotonic() + 20
        while desk.leases():
            assert time.monotonic() < deadline, "it goes on without its terminal"
            time.sleep(0.02)
        assert terminal.pid and ended(terminal.pid)


@slow
def test_ctrl_c_at_a_terminal_is_one_signal(desk: Desk) -> None:
    with desk.terminal("exporter", "run", "bench.yaml", "-l", desk.socket) as terminal:
        terminal.expect_exact("listening on")
        terminal.sendintr()
        terminal.wait()
        assert terminal.exitstatus == 0
