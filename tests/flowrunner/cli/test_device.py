"""`flow device` at a real exporter: words, exit statuses, streams and terminals."""

import json
import os
import signal
import socket
import subprocess
import termios
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pexpect
import pytest

from tests.support.hands import FLOW, Desk, children, line, slow

LEFT = "\x02\x02\x02"


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """A bench that is served for all tests of this file."""
    desk = Desk(tmp_path_factory.mktemp("d"))
    with desk.exporter():
        yield desk


@pytest.fixture
def own(tmp_path: Path) -> Desk:
    """A bench of which a test may kill the exporter."""
    return Desk(tmp_path)


def raw(terminal: "pexpect.spawn[str]") -> bool:
    """Whether the terminal is in raw mode: the line discipline gathers no lines."""
    return not termios.tcgetattr(terminal.child_fd)[3] & termios.ICANON


def wait_raw(terminal: "pexpect.spawn[str]", wanted: bool) -> None:
    deadline = time.monotonic() + 10
    while raw(terminal) is not wanted:
        assert time.monotonic() < deadline, f"the terminal did not become {'raw' if wanted else 'as before'}"
        time.sleep(0.01)


def ending(terminal: "pexpect.spawn[str]") -> int | None:
    """Its exit status; negative for a signal."""
    terminal.expect(pexpect.EOF)
    terminal.close()
    return terminal.exitstatus if terminal.signalstatus is None else -terminal.signalstatus


def test_the_tree_is_shown_without_taking_the_bench(desk: Desk) -> None:
    shell = desk.start("shell", "-e", desk.socket, "--", "sh", "-c", "echo held; exec sleep 60")
    try:
        assert line(shell) == "held\n"
        shown = desk.device()
        assert shown.returncode == 0
        assert "├─ power    power.command    on off read cycle" in shown.stdout
    finally:
        shell.terminate()
        shell.communicate()


def test_power_is_switched_and_read(desk: Desk) -> None:
    assert desk.device("power", "on").returncode == 0
    assert desk.lamp.exists(), "power stays on behind a command"
    read = desk.device("power", "read", "--count", "2", "--json")
    assert [json.loads(each) for each in read.stdout.splitlines()] == [{"voltage": 5.0, "current": 0.1}] * 2
    start = time.monotonic()
    assert len(desk.device("power", "read", "-n", "3", "-i", "500ms").stdout.splitlines()) == 3
    assert time.monotonic() - start >= 1
    assert desk.device("power", "cycle", "--off-for", "1ms").returncode == 0
    assert desk.device("power", "off").returncode == 0
    assert not desk.lamp.exists()


@slow
def test_an_endless_answer_ends_after_a_time_with_ctrl_c_or_when_nobody_reads(desk: Desk) -> None:
    timed = desk.device("power", "read", "--timeout", "200ms")
    assert timed.returncode == 0 and "voltage=5.0 current=0.1" in timed.stdout
    process = desk.start("device", "-e", desk.socket, "power", "read")
    assert line(process) == "voltage=5.0 current=0.1\n"
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=10)
    assert process.returncode == 128 + signal.SIGINT
    process = desk.start("device", "-e", desk.socket, "power", "read")
    assert process.stdout
    line(process)
    process.stdout.close()
    assert process.wait(10) == 128 + signal.SIGPIPE
    assert process.stderr
    assert process.stderr.read() == ""
    process.stderr.close()


def test_a_command_of_the_shell_gives_its_output_and_its_status(desk: Desk) -> None:
    done = desk.device("tools", "hello", "-e", "X=there", "--", "you", "7")
    assert (done.returncode, done.stdout, done.stderr) == (7, "hello you there\n", "careful\n")
    assert desk.device("hello", "you", "0").returncode == 2, "the bench itself has no such command"
    missing = desk.device("tools", "helo")
    assert missing.returncode == 2
    assert "did you mean 'hello'?" in missing.stderr


@slow
def test_an_image_is_flashed_and_dumped(desk: Desk) -> None:
    image = desk.folder / "in.img"
    image.write_bytes(os.urandom(300_000))
    flashed = desk.device("disk", "flash", str(image))
    assert (flashed.returncode, flashed.stdout) == (0, "292.97KiB flashed to disk, 292.97KiB of it written\n")
    dumped = desk.device("disk", "dump", "out.img", "--length", "300000", "--json")
    assert json.loads(dumped.stdout) == {"file": "out.img", "bytes": 300_000}
    assert (desk.folder / "out.img").read_bytes() == image.read_bytes()
    refused = desk.device("disk", "flash", "none.img")
    assert refused.returncode == 3
    assert "there is no image" in refused.stderr
    assert desk.device("disk", "dump", "/dev/full").returncode == 2


@slow
def test_an_error_of_the_device_says_which_part_and_what_it_said(own: Desk) -> None:
    own.write(own.bench.replace("echo 5 0.1", "echo out of order >&2; exit 4"))
    done = own.flow("device", "-e", "bench.yaml", "power", "read", "-n", "1")
    assert done.returncode == 3
    assert "out of order" in done.stderr


@contextmanager
def piped(desk: Desk, *options: str) -> Iterator["subprocess.Popen[str]"]:
    """`console pipe` with pipes at both ends."""
    process = subprocess.Popen(
        [*FLOW, "device", "-e", desk.socket, "console", "pipe", *options], cwd=desk.folder, text=True,
        env=desk.environment(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    try:
        yield process
    finally:
        process.terminate()
        process.communicate(timeout=10)


def test_a_pipe_copies_both_ways(desk: Desk) -> None:
    with piped(desk) as process:
        assert process.stdin
        assert line(process) == "ready\n"
        process.stdin.write("marco\n")
        process.stdin.flush()
        assert line(process) == "marco\n"
    assert process.returncode == 128 + signal.SIGTERM


@slow
def test_a_pipe_can_write_a_file_and_can_end_with_its_input(desk: Desk) -> None:
    log = desk.folder / "log"
    log.write_text("before\n")
    with piped(desk, "-o", "log", "--append", "--no-input"):
        deadline = time.monotonic() + 20
        while log.read_text() != "before\nready\n":
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.01)
    quick = desk.device("console", "pipe", "--no-output", input="fire and forget\n")
    assert (quick.returncode, quick.stdout, quick.stderr) == (0, "", "")


@slow
@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--append"], "--append needs --output FILE"),
        (["--no-output", "-o", "x"], "--no-output and --output exclude each other"),
        (["--no-output", "--no-input"], "--no-output needs standard input"),
    ],
)
def test_options_of_a_pipe_that_exclude_each_other_are_refused(desk: Desk, options: list[str], said: str) -> None:
    done = desk.device("console", "pipe", *options)
    assert done.returncode == 2
    assert said in done.stderr


def test_a_console_is_a_terminal_to_the_device_and_gives_it_back(desk: Desk) -> None:
    with desk.terminal("device", "-e", desk.socket, "console", "console") as terminal:
        terminal.expect_exact("connected to console; Ctrl-B three times leaves")
        terminal.expect_exact("ready")
        wait_raw(terminal, True)
        for keys in ("a", "\x03", "b\x02\x02c"):
            terminal.send(keys)
            terminal.expect_exact(keys, timeout=5)
        terminal.send(LEFT)
        terminal.expect_exact("left console")
        wait_raw(terminal, False)
        assert ending(terminal) == 0


@slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_console_that_is_ended_by_a_signal_restores_the_terminal(desk: Desk, number: signal.Signals) -> None:
    with desk.terminal("device", "-e", desk.socket, "console", "console") as terminal:
        terminal.expect_exact("ready")
        wait_raw(terminal, True)
        terminal.kill(number)
        wait_raw(terminal, False)
        assert ending(terminal) == 128 + number


@slow
def test_a_console_whose_exporter_is_killed_says_so_and_restores_the_terminal(own: Desk) -> None:
    with (
        own.exporter() as process,
        own.terminal("device", "-e", own.socket, "console", "console") as terminal,
    ):
        terminal.expect_exact("ready")
        wait_raw(terminal, True)
        (child,) = children(process.pid)
        os.kill(child, signal.SIGKILL)
        wait_raw(terminal, False)
        terminal.expect("error: ")
        assert ending(terminal) == 3


@slow
def test_a_console_without_a_terminal_is_refused(desk: Desk) -> None:
    done = desk.device("console", "console")
    assert done.returncode == 2
    assert "a console needs a terminal" in done.stderr and "use pipe" in done.stderr


@slow
def test_a_command_that_waits_says_for_whom_and_can_be_given_up(desk: Desk) -> None:
    shell = desk.start("shell", "-e", desk.socket, "--", "sh", "-c", "echo held; exec sleep 60")
    try:
        assert line(shell) == "held\n"
        process = desk.start("device", "-e", desk.socket, "power", "on")
        assert "waiting: in use by" in (said := line(process, error=True)) and "flow shell" in said
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=10)
        assert process.returncode == 128 + signal.SIGINT
    finally:
        shell.terminate()
        shell.communicate()


@slow
def test_a_command_that_is_killed_leaves_nothing_running(own: Desk) -> None:
    with own.exporter():
        process = own.start("device", "-e", own.socket, "tools", "slow")
        assert line(process) == "begun\n"
        process.kill()
        process.communicate()
        begun = time.monotonic()
        assert own.device("power", "on").returncode == 0
        assert time.monotonic() - begun < 8, "the lease of the dead one stood in the way"


@slow
def test_a_bench_here_needs_no_exporter(own: Desk) -> None:
    done = own.flow("device", "-e", "bench.yaml", "power", "on")
    assert (done.returncode, done.stderr) == (0, "")
    assert own.lamp.exists()
    assert not own.leases()


@slow
@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "no exporter is named"),
        (["-e", "nothing.yaml"], "there is no exporter 'nothing.yaml'"),
        (["-e", "bench.yaml", "power", "onn"], "'power' has no part and no command 'onn'"),
    ],
)
def test_what_cannot_be_is_a_usage_error(own: Desk, arguments: list[str], said: str) -> None:
    done = own.flow("device", *arguments)
    assert done.returncode == 2
    assert said in done.stderr


@slow
def test_an_exporter_that_is_not_there_is_an_error_of_the_lab(own: Desk) -> None:
    done = own.device("power", "on")
    assert done.returncode == 3
    assert done.stderr.startswith("error: ")


@slow
def test_a_network_part_is_a_pipe_and_a_door(own: Desk) -> None:
    own.file.write_text("export:\n  echo: {type: network.echo}\n")
    piped = own.flow("device", "-e", "bench.yaml", "echo", "pipe", input="marco\n")
    assert (piped.returncode, piped.stdout, piped.stderr) == (0, "marco\n", "")
    process = own.start("device", "-e", "bench.yaml", "echo", "forward-tcp")
    place = line(process).removesuffix(" leads to echo\n")
    with socket.create_connection((place.rpartition(":")[0], int(place.rpartition(":")[2]))) as connection:
        connection.sendall(b"polo")
        assert connection.recv(4) == b"polo"
    process.terminate()
    process.communicate(timeout=10)
    assert process.returncode == 128 + signal.SIGTERM


@slow
def test_datagrams_pass_through_a_door_of_their_own(own: Desk) -> None:
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as far,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as near,
    ):
        far.bind(("127.0.0.1", 0))
        config = f"{{host: 127.0.0.1, port: {far.getsockname()[1]}}}"
        own.file.write_text(f"export:\n  syslog: {{type: network.udp, config: {config}}}\n")
        process = own.start("device", "-e", "bench.yaml", "syslog", "forward-udp")
        place = line(process).removesuffix(" leads to syslog\n")
        near.sendto(b"marco", (place.rpartition(":")[0], int(place.rpartition(":")[2])))
        for end in (far, near):
            end.settimeout(10)
        said, sender = far.recvfrom(100)
        far.sendto(b"polo", sender)
        assert (said, near.recv(100)) == (b"marco", b"polo")
    process.terminate()
    process.communicate(timeout=10)
    assert process.returncode == 128 + signal.SIGTERM


@slow
def test_a_bench_is_found_by_its_name_in_a_lab(own: Desk) -> None:
    (own.folder / "rack.yaml").write_text(
        f"exporters:\n  here: {{file: bench.yaml}}\n  there: {{endpoint: '{own.socket}'}}\n"
    )
    assert own.flow("device", "--lab", "rack.yaml", "-e", "here", "power", "on").returncode == 0
    assert own.lamp.exists()
    with own.exporter():
        assert own.flow("device", "--lab", "rack.yaml", "-e", "there", "power", "off").returncode == 0
    assert not own.lamp.exists()
    missing = own.flow("device", "--lab", "rack.yaml", "-e", "nowhere")
    assert missing.returncode == 2
    assert "'nowhere' is no exporter of 'rack.yaml'" in missing.stderr
