"""Text from devices made fit for people: no control sequences, no characters that a format cannot hold."""

from __future__ import annotations

import re

_ESCAPE = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]"  # CSI: colours, cursor, modes (ECMA-48, section 5.4)
    r"|\x1b[\]PX^_].*?(?:\x07|\x1b\\|\x9c|$)"  # OSC, DCS, SOS, PM, APC with their terminator
    r"|\x1b[ -/]*[0-~]?"  # all other escapes, and one that was cut off
    r"|\x9b[0-?]*[ -/]*[@-~]",  # CSI as one 8-bit character
    re.DOTALL,
)
_LINE_END = re.compile(r"\r+\n?")
_BACKSPACES = re.compile(r"\x08+")
_CONTROL = {code: 0x2400 + code for code in range(0x20) if code not in (0x09, 0x0A)}
_CONTROL |= {0x7F: 0x2421} | dict.fromkeys(range(0x80, 0xA0), 0xFFFD) | dict.fromkeys(range(0xD800, 0xE000), 0xFFFD)
_BIDI = dict.fromkeys([0x061C, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A)], 0xFFFD)
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def plain(data: bytes | str) -> str:
    """What a device printed, as lines of harmless text: escapes are gone, other control characters are pictures."""
    text = data.decode("utf-8", "replace") if isinstance(data, bytes) else data
    text = _BACKSPACES.sub("⌫", _LINE_END.sub("\n", _ESCAPE.sub("", text)))
    return text.translate(_CONTROL).translate(_BIDI)


def one_line(data: bytes | str, limit: int = 300) -> str:
    """`data` as harmless text in one line of at most `limit` characters."""
    text = " ".join(plain(data).split())
    return text if len(text) <= limit else text[: limit - 1] + "…"


def xml(text: str) -> str:
    """`text` without the characters that XML 1.0 (section 2.2) does not allow: each becomes U+FFFD."""
    return _NOT_XML.sub("\ufffd", text)


def unicode(text: str) -> str:
    """`text` without lone surrogates, which UTF-8 cannot hold."""
    return text.encode("utf-8", "replace").decode() if not text.isascii() else text


def seconds(value: float | None) -> str:
    """A time span for people: `4ms`, `0.04s`, `12.3s`, `4m 05s`, `2h 03m`."""
    if value is None:
        return "no end"
    if value < 0.0095:
        return f"{max(value, 0.0) * 1000:.0f}ms"
    if value < 0.095:
        return f"{value:.2f}s"
    if value < 99.95:
        return f"{value:.1f}s"
    minutes, rest = divmod(round(value), 60)
    return f"{minutes}m {rest:02d}s" if minutes < 60 else f"{minutes // 60}h {minutes % 60:02d}m"


def size(value: float) -> str:
    """A number of bytes for people: `512 B`, `1.5 MiB`."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if value < 1024 or unit == "GiB":
            break
        value /= 1024
    return f"{value:.0f} {unit}" if unit == "B" or value >= 100 else f"{value:.1f} {unit}"


def plural(count: int, noun: str) -> str:
    """`1 step`, `2 steps`."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
