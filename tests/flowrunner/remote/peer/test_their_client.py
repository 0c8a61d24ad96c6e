"""Jumpstarter's own command line and client library on our exporter."""

from __future__ import annotations

import hashlib
import os
import re
import signal
import socket
import subprocess
import threading
from pathlib import Path

import pytest

from tests.flowrunner.remote.peer.conftest import Ours, port
from tests.support.peers import BIN, free_port, j, python, surroundings

pytestmark = pytest.mark.peer

CONTENT = os.urandom(300_000)


def test_j_lists_the_parts_and_switches_power(ours: Ours) -> None:
    listed = j(ours.exporter.unix, "--help").stdout.decode()
    assert set(re.findall(r"^  (\w+)  ", listed, re.MULTILINE)) >= {
        "power",
        "console",
        "disk",
        "card",
        "host",
        "net",
        "again",
        "board",
    }
    assert j(ours.exporter.tcp, "power", "on").returncode == 0
    assert ours.lamp
    assert j(ours.exporter.unix, "again", "off").returncode == 0
    assert not ours.lamp


def test_j_cycles_power_and_reads_it(ours: Ours) -> None:
    cycled = j(ours.exporter.unix, "power", "cycle", "--wait", "0")
    assert (cycled.returncode, ours.lamp) == (0, True), cycled.stderr
    read = j(ours.exporter.unix, "power", "read", "-n", "2", "-i", "0.01").stdout.decode().splitlines()
    assert read == ["voltage=5.0 V  current=0.25 A  apparent_power=1.25 VA"] * 2


def test_j_pipes_a_console(ours: Ours, tmp_path: Path) -> None:
    command: list[str | Path] = [BIN / "j", "console", "pipe", "-i"]
    with subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=surroundings(ours.exporter.unix),
    ) as piping:
        assert piping.stdin
        assert piping.stdout
        piping.stdin.write(b"is anybody there?\n")
        piping.stdin.close()  # it waits for a kilobyte or the end
        assert piping.stdout.readline().rstrip() == b"is anybody there?"
        piping.kill()
    again = j(
        ours.exporter.unix, "console", "pipe", "--no-output", send=b"and again\n"
    )  # the first one has let go of it
    assert again.returncode == 0, again.stderr


def test_j_flashes_a_file_and_dumps_it(ours: Ours, tmp_path: Path) -> None:
    image, back = tmp_path / "image", tmp_path / "back"
    image.write_bytes(CONTENT)
    flashed = j(ours.exporter.unix, "disk", "flash", image)
    assert flashed.returncode == 0, flashed.stderr
    assert (ours.folder / "disk.img").read_bytes()[: len(CONTENT)] == CONTENT
    assert j(ours.exporter.unix, "disk", "dump", back).returncode == 0
    assert back.read_bytes()[: len(CONTENT)] == CONTENT
    assert back.stat().st_size == 4 << 20


def test_their_library_flashes_packed_files(ours: Ours, tmp_path: Path) -> None:
    tools = {"gzip": "gzip", "xz": "xz", "bz2": "bzip2", "zstd": "zstd"}
    contents = {packing: os.urandom(100_000) for packing in tools}
    for packing, tool in tools.items():
        packed = subprocess.run([tool, "-c"], input=contents[packing], capture_output=True, check=True).stdout
        (tmp_path / packing).write_bytes(packed)
    python(
        ours.exporter.unix,
        """
        for packing in sys.argv[2:]:
            client.disk.flash(f"{sys.argv[1]}/{packing}", compression=packing)
            client.disk.dump(f"{sys.argv[1]}/{packing}.back")
        """,
        tmp_path,
        *tools,
    )
    for packing, content in contents.items():
        assert (tmp_path / f"{packing}.back").read_bytes()[: len(content)] == content


def test_j_flashes_a_card_behind_a_mux_and_leaves_it_at_the_target(ours: Ours, tmp_path: Path) -> None:
    (tmp_path / "image").write_bytes(CONTENT)
    flashed = j(ours.exporter.unix, "card", "flash", tmp_path / "image")
    assert flashed.returncode == 0, flashed.stderr
    assert j(ours.exporter.unix, "card", "dump", tmp_path / "back").returncode == 0
    assert (tmp_path / "back").read_bytes()[: len(CONTENT)] == CONTENT


def test_j_is_told_why_an_image_was_refused(ours: Ours, tmp_path: Path) -> None:
    with (tmp_path / "image").open("wb") as file:
        file.truncate(5 << 20)
    refused = j(ours.exporter.unix, "disk", "flash", tmp_path / "image")
    assert refused.returncode != 0
    assert b"4MiB" in refused.stderr + refused.stdout
    assert b"Traceback" not in refused.stderr


def test_j_runs_a_method_of_a_shell(ours: Ours) -> None:
    done = j(ours.exporter.unix, "host", "greet", "--env", "WHO=me", "world")
    assert (done.stdout, done.stderr) == (b"hello world me\n", b"careful\n")


def test_j_forwards_a_port(ours: Ours) -> None:
    threading.Thread(target=_answer, args=(ours.listener,), daemon=True).start()
    local = free_port()
    with subprocess.Popen(
        [BIN / "j", "net", "forward-tcp", "--address", "127.0.0.1", str(local)],
        stdout=subprocess.PIPE,
        env=surroundings(ours.exporter.unix),
    ) as forwarding:
        assert forwarding.stdout
        assert forwarding.stdout.readline().strip() == f"127.0.0.1:{local}".encode()
        with socket.create_connection(("127.0.0.1", local), timeout=10) as near:
            near.sendall(bytes(200_000))
            near.shutdown(socket.SHUT_WR)
            assert near.recv(100) == b"200000 bytes"
        forwarding.send_signal(signal.SIGKILL)  # SIGTERM does not end it


def _answer(listener: socket.socket) -> None:
    """Say how much came before the end."""
    connection, _ = listener.accept()
    with connection:
        size = 0
        while data := connection.recv(65536):
            size += len(data)
        connection.sendall(f"{size} bytes".encode())


def test_j_tells_why_there_is_no_address(ours: Ours) -> None:
    refused = j(ours.exporter.unix, "echo", "address")
    assert refused.returncode == 1
    assert b"an echo has no address" in refused.stderr


def test_jmp_shell_runs_a_command_on_our_port_and_gives_its_status(ours: Ours) -> None:
    j(ours.exporter.unix, "power", "off")
    command: list[str | Path] = [
        BIN / "jmp",
        "shell",
        "--tls-grpc",
        ours.exporter.tcp,
        "--tls-grpc-insecure",
        "--",
        "sh",
        "-c",
        f"{BIN}/j power on && exit 7",
    ]
    done = subprocess.run(command, capture_output=True, env=surroundings(""), timeout=60)
    assert (done.returncode, ours.lamp) == (7, True), done.stderr


def test_their_library_uses_files(ours: Ours, tmp_path: Path) -> None:
    (tmp_path / "source").write_bytes(CONTENT)
    said = python(
        ours.exporter.unix,
        """
        files = client.board.files
        files.write_from_path("/a/b.bin", sys.argv[1])
        print(files.hash("/a/b.bin"), files.stat("/a/b.bin").content_length, files.stat("/a").mode.is_dir())
        opened = files.open("/a/b.bin", "rb")
        print(opened.seek(-5, 2), opened.read_bytes() == open(sys.argv[1], "rb").read()[-5:], opened.tell())
        print(opened.readable(), opened.writable(), opened.seekable(), opened.closed)
        opened.close()
        print(opened.closed)
        empty = files.open("/a/empty", "wb")
        empty.close()
        files.copy("/a/empty", "/a/copy")
        files.rename("/a/copy", "/a/moved")
        print(sorted(files.list("/a/")), files.exists("/a/copy"))
        files.remove_all("/a/")
        print(files.exists("/a/"), files.capability().presign_read)
        files.read_into_path("/etc/hostname", sys.argv[2])
        """,
        tmp_path / "source", tmp_path / "target",
    )  # fmt: skip
    assert [line for line in said.splitlines() if "transfer" not in line] == [
        f"{hashlib.sha256(CONTENT).hexdigest()} 300000 True",
        "299995 True 300000",
        "True False True False",
        "True",
        "['a/', 'a/b.bin', 'a/empty', 'a/moved'] False",
        "False False",
    ]
    assert (tmp_path / "target").read_bytes()


def test_their_library_is_told_what_was_wrong(ours: Ours) -> None:
    said = python(
        ours.exporter.unix,
        """
        def attempt(*words):
            part, method, *arguments = words
            try:
                print(part.call(method, *arguments))
            except Exception as error:
                print(type(error).__name__, str(error).splitlines()[0])
        attempt(client.disk, "flash", 3)
        attempt(client.disk, "flash", {"kind": "client_stream", "uuid": "2f7d6b0e-0000-0000-0000-000000000000"})
        attempt(client.disk, "flush")
        attempt(client.disk, "flash")
        attempt(client.console, "connect")
        attempt(client.power, "read")
        attempt(client.board.files, "file_tell", "2f7d6b0e-0000-0000-0000-000000000000")
        attempt(client.board, "state")
        print(client.net.address())
        """,
    ).splitlines()
    assert said.pop() == f"tcp://127.0.0.1:{port(ours.listener)}"
    kinds = [line.partition(" ")[0] for line in said]
    assert kinds == [
        "DriverInvalidArgument", "DriverError", "DriverMethodNotImplemented", "DriverInvalidArgument",
        "DriverMethodNotImplemented", "DriverMethodNotImplemented", "DriverError", "DriverMethodNotImplemented",
    ]  # fmt: skip
    assert "flush not found on driver" in said[2]
    assert "no file is open" in said[6]


def test_their_library_has_a_hundred_streams_and_calls_at_once(ours: Ours) -> None:
    said = python(
        ours.exporter.unix,
        """
        from concurrent.futures import ThreadPoolExecutor
        def echoed(n):
            with client.echo.stream() as stream:
                stream.send(b"%d" % n)
                client.again.on()
                return int(stream.receive()) == n
        with ThreadPoolExecutor(20) as pool:
            print(all(pool.map(echoed, range(100))))
        """,
    )
    assert said.splitlines()[-1] == "True"


def test_bytes_of_a_shell_that_are_no_text_do_not_break_it(ours: Ours) -> None:
    assert j(ours.exporter.unix, "host", "raw").stdout == "\N{REPLACEMENT CHARACTER}ok".encode()
