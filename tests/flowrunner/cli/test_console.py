"""`console` and `pipe` as a person uses them: in terminals and pipes, with logs and recordings."""

import json
import os
import re
import select
import signal
import subprocess
import termios
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from typing import IO

import pexpect
import pytest

from flowrunner.commands.terminal import raw_terminal
from tests.support.hands import FLOW, Desk, line, slow
from tests.support.machines import echo_disk

BENCH = """
metadata: {{name: lamp}}
export:
  console:
    type: console.process
    config: {{command: [sh, -c, "stty raw -echo; echo ready; exec cat"]}}
  short: {{type: console.process, config: {{command: "echo bye; read x; exit 0"}}}}
  loop: {{type: console.serial, config: {{url: 'loop://'}}}}
"""


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """A bench that is served for all tests of this file."""
    desk = Desk(tmp_path_factory.mktemp("c"), BENCH)
    with desk.exporter():
        yield desk


@contextmanager
def console(desk: Desk, *options: str, part: str = "console") -> Iterator["pexpect.spawn[str]"]:
    with desk.terminal("device", "-e", desk.socket, part, "console", *options) as terminal:
        yield terminal


def status(terminal: "pexpect.spawn[str]") -> int | None:
    terminal.expect(pexpect.EOF)
    terminal.close()
    return terminal.exitstatus


def piped(desk: Desk, *options: str, part: str = "console") -> "subprocess.Popen[bytes]":
    return subprocess.Popen(
        [*FLOW, "device", "-e", desk.socket, part, "pipe", *options], cwd=desk.folder, env=desk.environment(),
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, bufsize=0,
    )  # fmt: skip


def test_the_keys_that_leave_are_shown_can_be_set_and_do_not_reach_the_device(desk: Desk) -> None:
    with console(desk, "--escape", "ctrl-a x", "--log", "keys.log") as terminal:
        terminal.expect_exact("connected to console; Ctrl-A, then x leaves")
        terminal.expect_exact("ready")
        terminal.send("\x02\x02\x02marco\r")
        terminal.expect_exact("marco")
        terminal.send("\x01")
        terminal.expect_exact("\x01")
        terminal.send("x")
        terminal.expect_exact("left console")
        assert status(terminal) == 0
    assert (desk.folder / "keys.log").read_bytes() == b"ready\n\x02\x02\x02marco\r\x01"


@slow
def test_what_a_console_says_is_logged_with_times_and_recorded(desk: Desk) -> None:
    with console(desk, "--log", "times.log", "--timestamps", "--record", "it.cast") as terminal:
        terminal.expect_exact("ready")
        terminal.send("grün\n\x02\x02")
        terminal.expect_exact("\x02\x02")
        terminal.send("\x02")
        terminal.expect_exact("left console")
        assert status(terminal) == 0
    lines = (desk.folder / "times.log").read_text().splitlines()
    assert [re.sub(r"^\[ +\d+\.\d{6}\] ", "", each) for each in lines] == ["ready", "grün", r"\x02\x02"]
    header, *events = map(json.loads, (desk.folder / "it.cast").read_text().splitlines())
    assert (header["version"], header["width"], header["height"], header["title"]) == (2, 200, 30, "console")
    assert "".join(text for _, _, text in events) == "ready\ngrün\n\x02\x02"
    assert [kind for _, kind, _ in events] == ["o"] * len(events)
    assert [at for at, _, _ in events] == sorted(at for at, _, _ in events)


@slow
def test_a_console_whose_device_goes_away_says_so_and_fails(desk: Desk) -> None:
    with console(desk, part="short") as terminal:
        terminal.expect_exact("bye")
        terminal.send("\r")
        terminal.expect_exact("short closed the connection")
        assert status(terminal) == 3


@slow
def test_a_log_that_cannot_be_written_ends_the_console_with_a_sentence(desk: Desk) -> None:
    with console(desk, "--log", "/dev/full") as terminal:
        terminal.expect_exact("'/dev/full' did not take what the device said: No space left on device")
        assert status(terminal) == 3
    with console(desk, "--log", "none/x.log") as terminal:
        terminal.expect_exact("'none/x.log' could not be written: No such file or directory")
        assert status(terminal) == 2


@slow
@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["console", "--timestamps"], "--timestamps needs --log FILE"),
        (["console", "--escape", "ctrl-bb"], "there is no key 'ctrl-bb'"),
        (["console", "--log", "x", "--record", "x"], "--record and --log name the same file"),
        (["pipe", "--linger", "1s", "--no-input"], "--linger needs standard input"),
        (["pipe", "--watch", "--input"], "--watch and --input exclude each other"),
    ],
)
def test_options_that_mean_nothing_are_refused(desk: Desk, options: list[str], said: str) -> None:
    refused = desk.device("console", *options)
    assert refused.returncode == 2
    assert said in refused.stderr


def test_what_was_typed_for_the_device_is_not_left_for_a_shell(monkeypatch: pytest.MonkeyPatch) -> None:
    far, near = os.openpty()
    before = termios.tcgetattr(near)
    with os.fdopen(far, "wb", buffering=0) as typing, os.fdopen(near) as terminal:
        monkeypatch.setattr("sys.stdin", terminal)
        with raw_terminal():
            typing.write(b"reboot\n")
            assert select.select([terminal], [], [], 10)[0]
        assert not select.select([terminal], [], [], 0)[0], "a shell would run it"
        assert termios.tcgetattr(near) == before


def test_a_terminal_that_is_gone_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    far, near = os.openpty()
    with os.fdopen(near) as terminal:
        monkeypatch.setattr("sys.stdin", terminal)
        with raw_terminal():
            os.close(far)


@slow
def test_a_pipe_ends_by_a_signal_while_nobody_reads_it(desk: Desk) -> None:
    process = piped(desk, part="loop")
    assert process.stdin and process.stdout and process.stderr
    feeding = threading.Thread(target=_feed, args=(process.stdin,))
    feeding.start()
    assert process.stdout.read(1) == b"x"
    process.send_signal(signal.SIGTERM)
    assert process.wait(30) == 128 + signal.SIGTERM
    feeding.join(10)
    for stream in (process.stdin, process.stdout, process.stderr):
        stream.close()


def _feed(stream: IO[bytes]) -> None:
    with suppress(BrokenPipeError):
        stream.write(b"x" * 8_000_000)


@slow
def test_bytes_of_all_kinds_pass_through_a_pipe_unchanged(desk: Desk) -> None:
    data = bytes(range(256)) * 400
    process = piped(desk, "-o", "all.bin", "--linger", "1s", part="loop")
    out, err = process.communicate(data, timeout=60)
    assert (process.returncode, out, err) == (0, b"", b"")
    assert (desk.folder / "all.bin").read_bytes() == data


@slow
def test_a_pipe_waits_for_the_answer_as_long_as_it_is_told(desk: Desk) -> None:
    begun = time.monotonic()
    process = piped(desk, "--linger", "500ms")
    assert process.stdout
    assert process.stdout.readline() == b"ready\n", "the program's terminal has no echo by now"
    out, err = process.communicate(b"marco\n", timeout=60)
    assert (process.returncode, out, err) == (0, b"marco\n", b"")
    assert time.monotonic() - begun >= 0.5


@slow
def test_a_pipe_ends_by_ctrl_c_with_all_that_came_in_its_file(desk: Desk) -> None:
    process = piped(desk, "-o", "cut.log", "--timestamps", "--record", "cut.cast", "--no-input")
    log, deadline = desk.folder / "cut.log", time.monotonic() + 20
    while not (log.exists() and b"ready" in log.read_bytes()):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=20)
    assert (process.returncode, err) == (128 + signal.SIGINT, b"")
    assert re.fullmatch(rb"\[ +\d+\.\d{6}\] ready\n", log.read_bytes())
    assert len((desk.folder / "cut.cast").read_text().splitlines()) == 2


@slow
def test_a_pipe_that_nobody_reads_ends_as_by_sigpipe(desk: Desk) -> None:
    process = piped(desk)
    assert process.stdout and process.stdin and process.stderr
    assert process.stdout.readline() == b"ready\n"
    process.stdout.close()
    process.stdin.write(b"marco\n")
    process.stdin.flush()
    assert process.wait(20) == 128 + signal.SIGPIPE
    assert process.stderr.read() == b""
    process.stdin.close()
    process.stderr.close()


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
        shell.sendline(f"{words} pipe </dev/zero >/dev/null 2>&1 & {words} pipe --watch | head -c 5; echo '<end>'")
        shell.expect_exact("ready")
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
