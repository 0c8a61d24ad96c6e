"""`pipe` between a device and other programs."""

import fcntl
import re
import signal
import struct
import termios
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import IO

import pytest

from tests.support.hands import Desk, slow
from tests.support.terminals import BENCH, piped


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """A bench that is served for all tests of this file."""
    desk = Desk(tmp_path_factory.mktemp("c"), BENCH)
    with desk.exporter():
        yield desk


@slow
def test_a_pipe_ends_by_a_signal_while_nobody_reads_it(desk: Desk) -> None:
    process = piped(desk, part="loop")
    assert process.stdin and process.stdout and process.stderr
    feeding = threading.Thread(target=_feed, args=(process.stdin,))
    feeding.start()
    full, deadline = 0, time.monotonic() + 60
    while full < 25:  # for half a second: then nothing moves any more
        assert time.monotonic() < deadline
        full = full + 1 if waiting(process.stdout) > 60_000 else 0
        time.sleep(0.02)
    process.send_signal(signal.SIGTERM)
    assert process.wait(30) == 128 + signal.SIGTERM
    feeding.join(10)
    for stream in (process.stdin, process.stdout, process.stderr):
        stream.close()


def waiting(pipe: IO[bytes]) -> int:
    """Bytes in a pipe that nobody has read."""
    return int(struct.unpack("i", fcntl.ioctl(pipe, termios.FIONREAD, b"\0" * 4))[0])


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
