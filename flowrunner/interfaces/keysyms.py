"""Keys of a keyboard by name, as X11 numbers them (keysymdef.h; RFC 6143, section 7.5.4 uses them, too)."""

from __future__ import annotations

from flowrunner.errors import near

MODIFIERS = {"shift": 0xFFE1, "ctrl": 0xFFE3, "alt": 0xFFE9, "altgr": 0xFE03, "super": 0xFFEB, "meta": 0xFFE7}
NAMED = {
    "enter": 0xFF0D, "tab": 0xFF09, "escape": 0xFF1B, "backspace": 0xFF08, "delete": 0xFFFF, "insert": 0xFF63,
    "home": 0xFF50, "left": 0xFF51, "up": 0xFF52, "right": 0xFF53, "down": 0xFF54, "pageup": 0xFF55,
    "pagedown": 0xFF56, "end": 0xFF57, "pause": 0xFF13, "print": 0xFF61, "menu": 0xFF67, "capslock": 0xFFE5,
    "space": 0x20, "minus": 0x2D, "plus": 0x2B,
    **{f"f{number}": 0xFFBD + number for number in range(1, 25)},
}  # fmt: skip
SHIFTED = frozenset('~!@#$%^&*()_+{}|:"<>?')
"""Characters beside capital letters for which Shift is held, on a US keyboard."""

CONTROLS = {"\n": NAMED["enter"], "\t": NAMED["tab"], "\x1b": NAMED["escape"], "\b": NAMED["backspace"]}


def chord(text: str) -> tuple[int, ...]:
    """The keys that are held together: `enter`, `a`, `ctrl-alt-delete`.

    Raises:
        KeyError: there is no such key; its text is a hint.
    """
    *held, last = text.split("-") if len(text) > 1 else [text]
    for name in held:
        if name.lower() not in MODIFIERS:
            raise KeyError(near(name.lower(), MODIFIERS))
    keys = [MODIFIERS[name.lower()] for name in held]
    if len(last) == 1:
        shift = MODIFIERS["shift"] in keys
        found = stroke(last.upper() if shift else last)
        return (*keys, *found) if not held else (*keys, found[-1])
    known = NAMED | MODIFIERS
    if last.lower() not in known:
        raise KeyError(near(last.lower(), known))
    return (*keys, known[last.lower()])


def stroke(character: str) -> tuple[int, ...]:
    """The keys that write a character, with Shift where a US keyboard needs it."""
    if character in CONTROLS:
        return (CONTROLS[character],)
    code = ord(character)
    symbol = code if code < 0x100 else 0x0100_0000 + code
    return (MODIFIERS["shift"], symbol) if character in SHIFTED or "A" <= character <= "Z" else (symbol,)
