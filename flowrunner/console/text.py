"""Raw console bytes as text: without escape sequences, for matching and for people."""

from __future__ import annotations

import re

ESCAPE = b"\x1b"

_SEQUENCE = re.compile(
    rb"\x1b(?:"
    rb"\[[0-?]*[ -/]*[@-~]"  # CSI: colours, cursor, queries
    rb"|\][^\x07\x1b\n]*(?:\x07|\x1b\\)"  # OSC: titles, links
    rb"|[PX^_][^\x1b\n]*\x1b\\"  # DCS, SOS, PM, APC
    rb"|[ -/]+[0-~]|[0-OQ-WYZ\\`-~]"  # character sets, single functions
    rb")"
)
"""Complete escape sequences of ECMA-48; none of them goes over a line ending."""

_KERNEL_MESSAGES = re.compile(rb"(?:\[ {0,4}\d+\.\d{6}\](?:\[ *[TC]\d+\])? [^\n]*\n)+\Z")
"""Complete lines with the time stamp of the kernel, the first behind whatever stands there."""

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")


def without_escapes(data: bytes) -> bytes:
    """`data` without its complete escape sequences."""
    return _SEQUENCE.sub(b"", data) if ESCAPE in data else data


def for_matching(line: bytes) -> str:
    """A line as patterns see it: no escapes, no carriage returns at its end; what is not UTF-8 is kept apart."""
    return without_escapes(line).rstrip(b"\r").decode("utf-8", "surrogateescape")


def shown(text: str) -> str:
    """A text from `for_matching` for people: bytes that are not UTF-8 became the replacement character."""
    return text if text.isascii() else text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def raw_length(line: bytes, text: str) -> int:
    """How many bytes of the raw `line` lie before what follows `text`, a beginning of its `for_matching`."""
    clean = len(text.encode("utf-8", "surrogateescape"))
    if ESCAPE not in line:
        return clean
    removed = 0
    for sequence in _SEQUENCE.finditer(line):
        if sequence.start() - removed > clean:
            break
        removed += len(sequence[0])
    return clean + removed


def printable(text: str) -> str:
    r"""`text` with control characters written as \xNN."""
    return _CONTROL.sub(lambda hit: f"\\x{ord(hit[0]):02x}", text)


def last_lines(data: bytes, count: int = 5) -> str | None:
    """The last lines of `data` that are not empty, as a person saw them; None when there is none."""
    text = without_escapes(data).decode("utf-8", "replace")
    lines = (printable(line.rstrip("\r").rpartition("\r")[2]).rstrip() for line in text.split("\n"))
    return "\n".join([line for line in lines if line][-count:]) or None


def without_kernel_messages(raw: bytes) -> int:
    """How long `raw` is without the messages that the kernel printed at its end, behind whatever stood there."""
    last = raw.rfind(b"\n", 0, -1) + 1
    noise = _KERNEL_MESSAGES.search(raw) if b"[" in raw[last:] else None
    return noise.start() if noise else len(raw)
