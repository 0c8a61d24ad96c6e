"""Two readers of one console."""

import json
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path

import pytest

from tests.support.hands import FLOW, Desk, line, slow
from tests.support.machines import echo_disk
from tests.support.terminals import BENCH, console, piped, status


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """A bench that is served for all tests of this file."""
    desk = Desk(tmp_path_factory.mktemp("c"), BENCH)
    with desk.exporter():
        yield desk


@slow
def test_a_second_reader_sees_what_the_first_one_sees_and_disturbs_nobody(desk: Desk) -> None:
    with console(desk) as first:
        first.expect_exact("ready")
        with console(desk, "--watch", "--log", "seen.log") as second:
            second.expect_exact("watching console, nothing is sent; Ctrl-C or Ctrl-B three times leaves")
            second.expect_exact("ready")
            first.send("marco")
            first.expect_exact("marco")
            second.expect_exact("marco")
            second.send("from the second")
            first.send("polo")
            second.expect_exact("polo")
            second.send("\x03")
            second.expect_exact("left console")
            assert status(second) == 0
        assert (desk.folder / "seen.log").read_bytes() == b"ready\nmarcopolo"
        watcher = piped(desk, "--watch")
        assert watcher.stdout and watcher.stdin and watcher.stderr
        assert watcher.stdout.readline() == b"ready\n"
        first.send("\x02\x02")
        first.expect_exact("\x02\x02")
        first.send("\x02")
        first.expect_exact("left console")
        assert status(first) == 0
    out, err = watcher.communicate(timeout=20)
    assert (watcher.returncode, out, err) == (0, b"marcopolo\x02\x02", b"nobody uses console any more\n")


@slow
def test_who_watches_before_anybody_is_there_waits_and_can_give_up(desk: Desk) -> None:
    watcher = desk.start("device", "-e", desk.socket, "console", "pipe", "--watch")
    assert line(watcher, error=True) == "waiting until somebody uses it\n"
    with console(desk) as first:
        first.expect_exact("ready")
        assert line(watcher) == "ready\n"
    assert watcher.wait(20) == 0, "it ends with the one who was watched, also when that one is killed"
    watcher.communicate()
    watcher = desk.start("device", "-e", desk.socket, "console", "pipe", "--watch")
    line(watcher, error=True)
    watcher.send_signal(signal.SIGINT)
    watcher.communicate(timeout=20)
    assert watcher.returncode == 128 + signal.SIGINT


PIPELINE = """
flow: 1
name: held
devices: {dut: board=any}
steps:
  - run: touch FOLDER/up; until test -e FOLDER/go; do sleep 0.02; done
  - send: marco
    device: dut.console
  - expect: {pattern: marco}
    device: dut.console
"""


@slow
@pytest.mark.parametrize("served", [True, False])
def test_the_console_of_a_pipeline_can_be_watched(tmp_path: Path, served: bool) -> None:
    """At an exporter it is the console itself, on this machine the log that the run keeps."""
    desk = Desk(tmp_path, BENCH)
    (tmp_path / "p.yaml").write_text(PIPELINE.replace("FOLDER", str(tmp_path)))
    with desk.exporter() if served else nullcontext():
        where = desk.socket if served else "bench.yaml"
        run = desk.start("run", "p.yaml", "-e", where)
        deadline = time.monotonic() + 30
        while not (tmp_path / "up").exists():
            assert run.poll() is None, run.communicate()
            assert time.monotonic() < deadline
            time.sleep(0.02)
        watcher = desk.start("device", "-e", where, "console", "pipe", "--watch")
        try:
            assert line(watcher) == "ready\n"
            (tmp_path / "go").touch()
            out, err = run.communicate(timeout=60)
            assert run.returncode == 0, (out, err)
            out, err = watcher.communicate(timeout=20)
            assert (watcher.returncode, out, err) == (0, "marco\n", "nobody uses console any more\n")
        finally:
            watcher.kill()
            watcher.communicate()


@slow
def test_a_bench_here_that_keeps_no_log_cannot_be_watched(tmp_path: Path) -> None:
    desk = Desk(tmp_path, BENCH)
    with desk.terminal("device", "-e", "bench.yaml", "console", "console") as first:
        first.expect_exact("ready")
        refused = desk.flow("device", "-e", "bench.yaml", "console", "pipe", "--watch")
        assert refused.returncode == 3
        assert "in use by" in refused.stderr and "keeps no log" in refused.stderr
        assert "flow exporter run" in refused.stderr


@slow
def test_in_a_shell_one_window_has_the_console_and_another_watches_it(desk: Desk) -> None:
    words = f"{FLOW[0]} -m flowrunner device console"
    with desk.terminal("shell", "-e", desk.socket, "--", "sh") as shell:
        often = "while :; do echo ti''ck; sleep 0.1; done"
        shell.sendline(f"({often}) | {words} pipe >/dev/null 2>&1 & {words} pipe --watch | head -c 50; echo '<e''nd>'")
        shell.expect_exact("tick")
        shell.expect_exact("<end>")
        shell.sendline("kill %1; wait; exit 5")
        assert status(shell) == 5


@slow
def test_a_serial_port_is_watched_without_taking_a_byte_from_who_reads_it(tmp_path: Path) -> None:
    """The port is a pty of socat; a second program that opened it would take a part of what comes."""
    port = tmp_path / "tty"
    board = subprocess.Popen(["socat", f"PTY,link={port},raw,echo=0,wait-slave", "EXEC:'seq 1 20000'"])
    desk = Desk(
        tmp_path,
        f"export:\n  console: {{{{type: console.serial, config: {{{{url: {port}, check_present: false}}}}}}}}\n",
    )
    try:
        with desk.exporter():
            watcher = desk.start("device", "-e", desk.socket, "pipe", "--watch", "-o", "seen")
            assert line(watcher, error=True) == "waiting until somebody uses it\n"
            first = desk.device("pipe", "-o", "had", "--no-input", "--timeout", "10s")
            assert first.returncode in (0, 3), first.stderr
            out, err = watcher.communicate(timeout=30)
            assert (watcher.returncode, out, err) == (0, "", "nobody uses console any more\n")
    finally:
        board.kill()
        board.wait()
    numbers = "".join(f"{n}\n" for n in range(1, 20001))
    assert (tmp_path / "had").read_text().replace("\r", "") == numbers
    assert (tmp_path / "seen").read_text().replace("\r", "") == numbers


MACHINE = """
export:
  board: {{type: machine.qemu, config: {{accel: tcg, mem: 32MiB, smp: 1, network: false}}}}
"""
BOOT = """
flow: 1
name: boot
devices: {dut: board=any}
steps:
  - flash: FOLDER/disk.img
  - power: on
  - expect: {prompt: "ready> ", within: 60s}
  - run: touch FOLDER/up; until test -e FOLDER/go; do sleep 0.02; done
  - send: marco
  - expect: {pattern: marco, within: 60s}
"""


@slow
def test_a_virtual_machine_is_watched_while_it_is_tested(tmp_path: Path) -> None:
    desk = Desk(tmp_path, MACHINE)
    (tmp_path / "disk.img").write_bytes(echo_disk())
    (tmp_path / "p.yaml").write_text(BOOT.replace("FOLDER", str(tmp_path)))
    with desk.exporter():
        run = desk.start("run", "p.yaml", "-e", desk.socket)
        try:
            with desk.terminal(
                "device", "-e", desk.socket, "console", "console", "--watch", "--record", "it.cast"
            ) as seen:
                seen.expect_exact("watching console")
                seen.expect_exact("ready> ", timeout=90)
                (tmp_path / "go").touch()
                seen.expect_exact("marco")
                seen.expect_exact("nobody uses console any more")
                assert status(seen) == 0
            out, err = run.communicate(timeout=60)
            assert run.returncode == 0, (out, err)
        finally:
            run.kill()
            run.communicate()
    events = [json.loads(each) for each in (tmp_path / "it.cast").read_text().splitlines()[1:]]
    assert "ready> marco" in "".join(text for _, _, text in events)
