"""The keys that leave a console."""

from __future__ import annotations

from collections.abc import AsyncIterator
from itertools import groupby

from flowrunner.commands.copying import typed
from flowrunner.commands.reading import usage
from flowrunner.console.keys import keystroke

ESCAPE = "ctrl-b ctrl-b ctrl-b"
"""As with Jumpstarter."""

_TIMES = {1: "", 2: " twice", 3: " three times"}


class Escape:
    """Looks for keys that are typed in a row. The device gets all of them but the last, whose bytes leave."""

    def __init__(self, words: str = ESCAPE) -> None:
        """`words` are names of keys, or characters: `ctrl-b ctrl-b ctrl-b`, `ctrl-]`, `enter ~ .`.

        Raises:
            PipelineError: there is no such key, or none is named.
        """
        keys = words.split()
        if not keys:
            raise usage("--escape names no key", "write keys with spaces between: --escape 'ctrl-a x'")
        self._keys = [_bytes(key) for key in keys]
        self._wanted = b"".join(self._keys)
        self._seen = b""
        runs = [(key, len(list(same))) for key, same in groupby(keys)]
        self.words = ", then ".join(_said(key) + _TIMES.get(n, f" {n} times") for key, n in runs)

    def typed(self, data: bytes) -> tuple[bytes, bool]:
        """What of `data` is for the device, and whether the last of the keys is in it."""
        for at, byte in enumerate(data, start=1):
            self._seen += bytes((byte,))
            while not self._wanted.startswith(self._seen):
                self._seen = self._seen[1:]
            if self._seen == self._wanted:
                return data[: max(0, at - len(self._keys[-1]))], True
        return data, False


async def keys(handle: int, escape: Escape) -> AsyncIterator[bytes]:
    """What is typed at a terminal, until the keys that leave, or until it is gone."""
    async for data in typed(handle):
        rest, leaves = escape.typed(data)
        yield rest
        if leaves:
            return


def _bytes(key: str) -> bytes:
    if len(key) == 1:
        return key.encode()
    try:
        return keystroke(key)
    except KeyError as error:
        names = "keys are ctrl-a, enter, escape, f12 and such, or a character"
        raise usage(f"there is no key '{key}'", error.args[0] or names) from error


def _said(key: str) -> str:
    if len(key) == 1:
        return key
    return f"Ctrl-{key[5:].upper()}" if key.lower().startswith("ctrl-") else key.capitalize()
