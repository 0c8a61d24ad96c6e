"""Recordings of a terminal."""

import json

from flowrunner.console.cast import Cast


def test_a_recording_begins_with_the_size_of_the_terminal_and_when_it_was() -> None:
    header = json.loads(Cast.header(132, 43, 1700000000.9, "console"))
    assert header == {"version": 2, "width": 132, "height": 43, "timestamp": 1700000000, "title": "console"}


def test_each_piece_is_a_line_with_its_time_and_characters_stay_whole() -> None:
    cast, whole = Cast(), "grün\x1b[0m\r\n".encode()
    lines = [cast.printed(whole[:3], 0.5), cast.printed(whole[3:], 1.25), cast.printed(b"", 2, last=True)]
    assert [json.loads(line) for line in lines if line] == [[0.5, "o", "gr"], [1.25, "o", "ün\x1b[0m\r\n"]]


def test_bytes_that_are_no_text_are_replaced_and_half_a_character_comes_at_the_end() -> None:
    cast = Cast()
    assert json.loads(cast.printed(b"\xff\xc3", 1)) == [1, "o", "\ufffd"]
    assert json.loads(cast.printed(b"", 2, last=True)) == [2, "o", "\ufffd"]
