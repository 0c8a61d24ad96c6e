"""Escape sequences, line endings and bytes that are not UTF-8."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowrunner.console.text import for_matching, last_lines, raw_length, without_escapes
from flowrunner.console.times import Stamper


@pytest.mark.parametrize(
    ("raw", "clean"),
    [
        (b"\x1b[32m  OK  \x1b[0m done", b"  OK   done"),
        (b"\x1b]0;a title\x07# ", b"# "),
        (b"\x1b]0;a title\x1b\\# ", b"# "),
        (b"# \x1b[6n", b"# "),
        (b"\x1b[?2004h$ \x1b(B\x1b7", b"$ "),
        (b"half \x1b[3", b"half \x1b[3"),
        (b"\x1b]0;never ended\nnext", b"\x1b]0;never ended\nnext"),
    ],
)
def test_removes_complete_escape_sequences_only(raw: bytes, clean: bytes) -> None:
    assert without_escapes(raw) == clean


@given(st.lists(st.sampled_from([b"ab", b"\x1b[1m", "é€".encode(), b"\xff", b"\xe2\x82", b"\r", b"\x1b]0;t\x07"])))
def test_a_place_in_the_clean_text_leads_back_to_the_raw_bytes(parts: list[bytes]) -> None:
    raw = b"".join(parts)
    text = for_matching(raw)
    for place in range(len(text)):
        start = raw_length(raw, text[:place])
        assert for_matching(raw[start:]) == text[place:]
        assert not raw.startswith((b"\x1b[1m", b"\x1b]0;t\x07"), start)


def test_the_last_lines_are_those_that_a_person_saw() -> None:
    assert last_lines(b"one\r\n\r\n10%\r50%\r\n\x1b[1mtwo\x1b[0m\x00\r\n  \r\n", 2) == "50%\ntwo\\x00"
    assert last_lines(b"\r\n \n") is None


def test_the_stamped_log_shows_every_byte_and_when_its_line_began() -> None:
    stamper = Stamper()
    text = (
        stamper.feed(b"first\r\nsec", 1.5)
        + stamper.feed(b"ond \xff\x1b[m\x07 \xc3", 2.0)
        + stamper.feed(b"\xa9\r", 3.0)
    )
    text += stamper.feed(b"\nx\ry", 4.0) + stamper.feed(b"\r", 5.0, last=True)
    assert text.decode().split("\n") == [
        "[     1.500000] first",
        "[     1.500000] second \\xff\\x1b[m\\x07 é",
        "[     4.000000] x\\x0dy\\x0d",
    ]


@given(st.binary(max_size=60), st.data())
def test_the_stamped_log_does_not_depend_on_how_bytes_arrive(data: bytes, draw: st.DataObject) -> None:
    whole, parts = Stamper(), Stamper()
    cuts = sorted(draw.draw(st.lists(st.integers(0, len(data)))))
    pieces = [data[a:b] for a, b in zip([0, *cuts], [*cuts, len(data)], strict=True)]
    expected = whole.feed(data, 1.0) + whole.feed(b"", 1.0, last=True)
    assert b"".join(parts.feed(piece, 1.0) for piece in pieces) + parts.feed(b"", 1.0, last=True) == expected
