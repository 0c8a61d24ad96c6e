"""The log: complete on disk, bounded in memory, masked."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import tempfile
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowrunner.console.log import ConsoleLog, LogError
from flowrunner.console.marks import LIMIT, Marks
from flowrunner.engine.mask import Masker
from flowrunner.model import Duration


class Clock:
    """A clock that the test sets."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> Duration:
        return Duration(self.now)


def test_what_was_received_is_on_disk_before_the_log_is_closed(tmp_path: Path) -> None:
    log = ConsoleLog(tmp_path / "c.log", clock=Clock())
    log.append(b"abc\xff")
    log.flush()
    log.append(b"\r\ndef")
    log.flush()
    assert log.path.read_bytes() == b"abc\xff\r\ndef"
    assert log.times.name == "c.times.log"
    assert log.times.read_text() == "[     0.000000] abc\\xff\n[     0.000000] def"


def test_reads_what_has_left_memory_from_the_disk(tmp_path: Path) -> None:
    log = ConsoleLog(tmp_path / "c.log", clock=Clock(), window=1000)
    data = random.Random(1).randbytes(20_000)
    for at in range(0, len(data), 77):
        log.append(data[at : at + 77])
        log.flush()
    assert log.read(0) == data
    for start, end in ((0, 10), (17_000, 18_500), (19_990, 30_000), (5, 5), (7, 3)):
        assert log.read(start, end) == data[start:end]


def test_an_endless_console_takes_bounded_memory(tmp_path: Path) -> None:
    log = ConsoleLog(tmp_path / "c.log", clock=(clock := Clock()), window=64 * 1024)
    chunk = b"x" * 4095 + b"\n"
    tracemalloc.start()
    for i in range(8192):
        clock.now = i / 7
        log.append(chunk)
        log.flush()
    used = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert log.end == 32 * 1024 * 1024
    assert used < 2 * 1024 * 1024


def test_times_are_exact_for_the_recent_past_and_coarser_before() -> None:
    marks = Marks(0.0)
    last = 10 * LIMIT
    for i in range(1, last):
        marks.add(i, i / 100)
    assert marks.time_of(last - 1) == (last - 1) / 100
    assert marks.time_of(last - LIMIT // 4) == (last - LIMIT // 4) / 100
    for offset in range(1, last, 997):
        assert 0 <= offset / 100 - marks.time_of(offset) <= 2 * (last / 100) / (LIMIT // 2)


@given(st.lists(st.sampled_from([b"hunter2-hunter2", b"hunter2", b"hun", b"\n", b"$ ", b"2"])), st.integers(1, 9))
def test_no_secret_reaches_the_disk_and_offsets_stay_true(parts: list[bytes], size: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        log = ConsoleLog(Path(folder) / "c.log", clock=Clock(), mask=Masker(["hunter2-hunter2"]).stream(), window=8)
        data = b"".join(parts)
        for at in range(0, len(data), size):
            log.append(data[at : at + size])
            log.flush()
            assert b"hunter2-hunter2" not in log.path.read_bytes() + log.times.read_bytes()
        log.close()
        assert log.path.read_bytes() == data.replace(b"hunter2-hunter2", b"*" * 15)
        assert b"hunter2-hunter2" not in log.times.read_bytes()


def test_the_window_keeps_what_the_mask_still_holds_back(tmp_path: Path) -> None:
    secret = "s" * 500 + "!"
    log = ConsoleLog(tmp_path / "c.log", clock=Clock(), mask=Masker([secret]).stream(), window=16)
    for _ in range(400):
        log.append(b"s")
        log.flush()
    assert log.path.read_bytes() == b""
    assert log.read(0) == b"s" * 400


def test_a_full_disk_is_said_plainly() -> None:
    log = ConsoleLog.__new__(ConsoleLog)
    log.__init__(Path("/tmp") / f"flow-full-{os.getpid()}.log", clock=Clock())  # type: ignore[misc]
    log.path.unlink()
    log.times.unlink()
    full = os.open("/dev/full", os.O_WRONLY)
    os.dup2(full, log._raw)
    os.close(full)
    with pytest.raises(LogError, match="could not be written: No space left on device") as caught:
        log.append(b"x")
        log.flush()
    assert caught.value.blame == "infra"


def test_a_folder_that_cannot_be_written_is_said_plainly(tmp_path: Path) -> None:
    with pytest.raises(LogError, match="could not be made: No such file or directory"):
        ConsoleLog(tmp_path / "missing" / "c.log", clock=Clock())


def test_what_was_received_survives_kill_9(tmp_path: Path) -> None:
    program = (
        "import sys\nfrom pathlib import Path\nfrom flowrunner.console.log import ConsoleLog\n"
        "from flowrunner.model import Duration\n"
        f"log = ConsoleLog(Path({str(tmp_path / 'c.log')!r}), clock=lambda: Duration(0))\n"
        "log.append(b'all of it')\nlog.flush()\nprint('ready', flush=True)\nsys.stdin.read()\n"
    )
    child = subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert child.stdin and child.stdout
    child.stdout.readline()
    child.send_signal(signal.SIGKILL)
    child.wait()
    child.stdin.close()
    child.stdout.close()
    assert (tmp_path / "c.log").read_bytes() == b"all of it"
