from __future__ import annotations

import base64
import gzip
import random
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowrunner.report.consolefile import ConsoleFile
from flowrunner.report.model import ConsoleFacts
from flowrunner.report.page import payload
from flowrunner.report.page.payload import PARTS, choose, merged, pack
from tests.support.fake_run import FakeRun

FACTS = ConsoleFacts(name="c", log="c.log", times="c.times.log", opened=0.0, closed=None, bytes=None)


def console(folder: Path, *pieces: tuple[float, bytes]) -> ConsoleFile:
    run = FakeRun(folder / "run")
    run._ends["c"] = 0
    run.prints(pieces, "c")
    run.close()
    return ConsoleFile(run.folder, FACTS)


def test_a_log_that_packs_well_goes_in_whole(tmp_path: Path) -> None:
    text = b"all work and no play\r\n" * 200_000
    packed = pack(console(tmp_path, (1.0, text)), [])
    assert packed.whole
    assert gzip.decompress(base64.b64decode(packed.log)) == text


def test_of_a_log_that_does_not_the_ends_and_the_marks_go_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"PACKED": 4096, "HEAD": 1000, "WINDOW": 300, "TAIL": 2000, "PARTS": 6000}.items():
        monkeypatch.setattr(payload, name, value)
    chance = random.Random(1)
    lines = [chance.randbytes(30).hex().encode() + b"\n" for _ in range(2000)]
    text = b"".join(lines)
    packed = pack(console(tmp_path, (1.0, text)), [61 * 700])
    body = gzip.decompress(base64.b64decode(packed.log))
    assert not packed.whole
    assert len(body) == sum(segment.length for segment in packed.segments) < 7000
    at = 0
    for segment in packed.segments:
        piece = body[at : at + segment.length]
        assert text[segment.offset : segment.offset + segment.length] == piece
        assert text[: segment.offset].count(b"\n") + 1 == segment.line
        assert segment.offset == 0 or text[segment.offset - 1 : segment.offset] == b"\n"
        at += segment.length
    assert lines[700] in body
    assert body.endswith(lines[-1])


@given(size=st.integers(0, 10**9), marks=st.lists(st.integers(0, 10**9), max_size=300))
def test_what_is_chosen_is_bounded_ordered_and_inside(size: int, marks: list[int]) -> None:
    chosen = choose(size, [mark for mark in marks if mark <= size])
    assert sum(end - start for start, end in chosen) <= PARTS
    assert all(0 <= start < end <= size for start, end in chosen)
    assert all(before[1] < after[0] for before, after in pairwise(chosen))


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 50))))
def test_merging_keeps_exactly_what_was_covered(ranges: list[tuple[int, int]]) -> None:
    covered = {at for start, end in ranges for at in range(start, end)}
    assert {at for start, end in merged(ranges) for at in range(start, end)} == covered


def test_lines_have_the_time_of_their_first_byte(tmp_path: Path) -> None:
    log = console(tmp_path, (1.0, b"one\ntw"), (1.0, b"o\nthree\n"), (1.0, b"four"))
    assert [log.time_at(offset) for offset in (0, 4, 8, 14)] == [1.0, 1.0, 2.0, 3.0]
    assert log.time_at(5) == 1.0
    assert log.end_at(0.5) == 0
    assert log.end_at(2.5) == 14
    assert log.end_at(9.0) == 18
    assert log.line_at(14) == 4


def test_a_log_without_times_is_shown_without_them(tmp_path: Path) -> None:
    (tmp_path / "c.log").write_bytes(b"hello\n")
    log = ConsoleFile(tmp_path, FACTS)
    assert log.time_at(0) is None
    assert log.before(6, 5) == b"hello\n"


def test_a_log_that_is_missing_is_empty(tmp_path: Path) -> None:
    assert len(ConsoleFile(tmp_path, FACTS)) == 0
    assert pack(ConsoleFile(tmp_path, FACTS), [0]).segments == ()
