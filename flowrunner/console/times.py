"""The time-stamped log: what people read."""

from __future__ import annotations

import codecs
import re

from flowrunner.console.text import printable

_PLAIN = bytes([*b"\t\n", *range(0x20, 0x7F)])
_ENDING = re.compile(rb"\r+\n")


class Stamper:
    r"""Puts the time before each line: seconds since the run started.

    Control characters and bytes that are not UTF-8 become visible as \xNN; the carriage returns of line endings go.
    """

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")("backslashreplace")
        self._held = b""
        self._fresh = True

    def feed(self, data: bytes, time: float, *, last: bool = False) -> bytes:
        """What to write for `data`, which arrived at `time`; `last` lets go of all that is held back."""
        whole = self._held + data
        body = whole if last else whole.rstrip(b"\r")
        self._held = whole[len(body) :]
        body = body.replace(b"\r\n", b"\n")
        if self._decoder.getstate()[0] or body.translate(None, _PLAIN):
            body = printable(self._decoder.decode(_ENDING.sub(b"\n", body), last)).encode()
        return self._stamped(body, b"[%13.6f] " % time) if body else b""

    def _stamped(self, body: bytes, stamp: bytes) -> bytes:
        first = stamp if self._fresh else b""
        self._fresh = body.endswith(b"\n")
        ending = b"\n" if self._fresh else b""
        return first + body.removesuffix(ending).replace(b"\n", b"\n" + stamp) + ending
