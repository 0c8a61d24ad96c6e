"""Names of keys, and the bytes that a terminal sends for them."""

from __future__ import annotations

from string import ascii_lowercase

from flowrunner.errors import near

_PLAIN = {
    "enter": b"\r", "tab": b"\t", "escape": b"\x1b", "space": b" ", "backspace": b"\x7f",
    "up": b"\x1b[A", "down": b"\x1b[B", "right": b"\x1b[C", "left": b"\x1b[D", "home": b"\x1b[H", "end": b"\x1b[F",
    "insert": b"\x1b[2~", "delete": b"\x1b[3~", "pageup": b"\x1b[5~", "pagedown": b"\x1b[6~",
    "f1": b"\x1bOP", "f2": b"\x1bOQ", "f3": b"\x1bOR", "f4": b"\x1bOS", "f5": b"\x1b[15~", "f6": b"\x1b[17~",
    "f7": b"\x1b[18~", "f8": b"\x1b[19~", "f9": b"\x1b[20~", "f10": b"\x1b[21~", "f11": b"\x1b[23~", "f12": b"\x1b[24~",
}  # fmt: skip
_CONTROL = {f"ctrl-{letter}": bytes([ord(letter) & 0x1F]) for letter in f"{ascii_lowercase}@[\\]^_"}

KEYS = {**_PLAIN, **_CONTROL}
"""All of them: those of a VT220 with xterm's function keys, and control characters."""


def keystroke(name: str) -> bytes:
    """The bytes of the key `name`, in any case.

    Raises:
        KeyError: there is none; its argument is a hint.
    """
    try:
        return KEYS[name.lower()]
    except KeyError:
        raise KeyError(near(name.lower(), KEYS)) from None
