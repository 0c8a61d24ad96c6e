"""A recording of a terminal as asciicast v2, which asciinema and players in web pages play.

Format: https://docs.asciinema.org/manual/asciicast/v2/
"""

from __future__ import annotations

import codecs
import json


class Cast:
    """Makes the lines of a recording; each is whole, so that any number of them can be played."""

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

    @staticmethod
    def header(columns: int, rows: int, started: float, title: str) -> bytes:
        """The first line. `started` is in seconds since 1970."""
        facts = {"version": 2, "width": columns, "height": rows, "timestamp": int(started), "title": title}
        return json.dumps(facts, ensure_ascii=False).encode() + b"\n"

    def printed(self, data: bytes, time: float, *, last: bool = False) -> bytes:
        """The line for `data`, which came `time` seconds after the start; empty while a character is not whole.

        Bytes that are not UTF-8 become U+FFFD: the format is text. `last` lets go of half a character.
        """
        text = self._decoder.decode(data, last)
        return json.dumps([round(time, 6), "o", text], ensure_ascii=False).encode() + b"\n" if text else b""
