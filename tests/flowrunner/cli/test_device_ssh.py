"""`flow device ssh` at a real exporter, which logs in at a real server: as a person types it."""

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import anyio
import pexpect
import pytest

from tests.support.hands import Desk, line, slow
from tests.support.processes import alive, ended
from tests.support.sshd import prepared

BENCH = "export:\n  ssh: {{type: ssh.client, config: {{host: 127.0.0.1, port: PORT, key: {{file: sshd/client}}}}}}\n"
LEFT = "\x02\x02\x02"

pytestmark = slow


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """A bench with a login, served for all tests of this file."""
    folder = tmp_path_factory.mktemp("d")
    server = prepared(folder)
    server.start()
    try:
        anyio.run(server.listening)
        desk = Desk(folder, BENCH.replace("PORT", str(server.port)))
        with desk.exporter():
            yield desk
    finally:
        server.kill()


def test_any_word_is_a_command_of_the_device_with_its_status_and_both_outputs(desk: Desk) -> None:
    done = desk.device("ssh", "sh", "-c", "'echo out; echo err >&2; exit 7'")
    assert (done.stdout, done.stderr, done.returncode) == ("out\n", "err\n", 7)
    assert desk.device("ssh", "df", "-h", "/").stdout.startswith("Filesystem")
    assert desk.device("ssh", "run", "-e", "A=b  c", "--", "echo", '"$A"').stdout == "b  c\n"


def test_standard_input_is_sent_unless_it_is_not_to_be(desk: Desk) -> None:
    assert desk.device("ssh", "cat", input="some\n").stdout == "some\n"
    assert desk.device("ssh", "run", "-n", "cat", input="some\n").stdout == ""


def test_what_is_wrong_with_the_words_is_said_without_the_device(desk: Desk) -> None:
    assert "COMMAND is missing" in (done := desk.device("ssh", "run")).stderr
    assert done.returncode == 2
    assert "use run instead of shell" in desk.device("ssh", "shell").stderr


def test_files_and_folders_go_both_ways(desk: Desk) -> None:
    (desk.folder / "here").mkdir()
    (desk.folder / "here/a").write_bytes(os.urandom(500_000))
    (desk.folder / "here/a").chmod(0o751)
    done = desk.device("ssh", "put", "here", f"{desk.folder}/there")
    assert (done.stdout, done.returncode) == ("files=1 bytes=500000\n", 0)
    assert desk.device("ssh", "get", f"{desk.folder}/there", "back").returncode == 0
    assert (desk.folder / "back/a").read_bytes() == (desk.folder / "here/a").read_bytes()
    assert (desk.folder / "back/a").stat().st_mode & 0o777 == 0o751
    done = desk.device("ssh", "get", "/nothing", "x")
    assert (done.returncode, "there is no file '/nothing'" in done.stderr) == (3, True)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_ctrl_c_and_kill_end_the_command_on_the_device(desk: Desk, number: signal.Signals) -> None:
    process = desk.start("device", "-e", desk.socket, "ssh", "echo $$; sleep 600")
    pid = int(line(process))
    assert alive(pid)
    process.send_signal(number)
    process.communicate(timeout=20)
    assert process.returncode == (130 if number == signal.SIGINT else -9)
    assert ended(pid, within=20)


def test_the_terminal_is_the_devices_with_its_size_until_the_shell_ends(desk: Desk) -> None:
    with desk.terminal(
        "device", "-e", desk.socket, "ssh", "shell", "PS1=; export PS1; exec sh", TERM="vt220"
    ) as terminal:
        terminal.expect("connected to ssh")
        terminal.send("stty -echo; echo $TERM ready $((1+1))\r")
        terminal.expect("vt220 ready 2")
        terminal.send("stty size\r")
        terminal.expect("30 200")
        terminal.setwinsize(44, 155)
        deadline = time.monotonic() + 20
        while True:
            terminal.send("stty size\r")
            if terminal.expect(["44 155", "30 200"]) == 0:
                break
            assert time.monotonic() < deadline
        terminal.send("sleep 600\r")
        terminal.send("\x03")
        terminal.send("echo Ctrl-C went there; exit 5\r")
        terminal.expect("Ctrl-C went there")
        terminal.expect(pexpect.EOF)
        terminal.close()
        assert terminal.exitstatus == 5


def test_ctrl_b_three_times_leaves_and_hangs_up(desk: Desk) -> None:
    with desk.terminal("device", "-e", desk.socket, "ssh", "shell", "echo pid $$.; cat") as terminal:
        terminal.expect(r"pid (\d+)\.")
        pid = int(terminal.match.group(1))  # type: ignore[union-attr]
        terminal.send(LEFT)
        terminal.expect("left ssh")
        terminal.expect(pexpect.EOF)
        terminal.close()
    assert terminal.exitstatus == 0
    assert ended(pid, within=20)


def test_a_bench_here_needs_no_exporter_and_says_who_was_not_let_in(tmp_path: Path) -> None:
    server = prepared(tmp_path)
    server.start()
    try:
        anyio.run(server.listening)
        here = Desk(tmp_path, BENCH.replace("PORT", str(server.port)).replace("sshd/client", "sshd/host"))
        done = here.flow("device", "-e", "bench.yaml", "ssh", "true")
    finally:
        server.kill()
    assert done.returncode == 3
    assert f"the SSH server at '127.0.0.1:{server.port}' refused the login of 'root' by key" in done.stderr


def test_an_error_in_the_benchs_file_shows_the_line_without_its_password(tmp_path: Path) -> None:
    desk = Desk(
        tmp_path, "export:\n  ssh: {{type: ssh.client, config: {{host: x, password: hun22-secret, hots_key: any}}}}\n"
    )
    done = desk.flow("device", "-e", "bench.yaml", "ssh", "true")
    assert done.returncode == 2
    assert "unknown key 'hots_key'" in done.stderr
    assert f"password: {'*' * 12}, hots_key" in done.stderr
    assert "hun22" not in done.stderr
