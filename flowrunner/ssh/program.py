"""How a command gets to a POSIX shell: over its standard input, so that the list of processes shows nothing of it."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from secrets import token_hex

from flowrunner.errors import BenchError

NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
LONGEST = 4096
"""Bytes of standard error behind which the mark comes no more: what runs there is no POSIX shell."""


class Program:
    """A command for a POSIX shell, and the mark by which the number of its process becomes known.

    `command` is what the server is asked to run: a shell that says its number and reads one line, the program, which
    sets the variables and becomes the user's own shell with the command. `head` is that line.
    """

    def __init__(self, command: str, env: Mapping[str, str]) -> None:
        """Write the program.

        Raises:
            BenchError: there is a name that no variable can have, or a zero byte.
        """
        self._mark = f"flow-{token_hex(6)}"
        self._held = b""
        self.pid: int | None = None
        for name in env:
            if not NAME.fullmatch(name):
                raise BenchError(f"'{name}' cannot name a variable", blame="config", help="use letters, digits and _")
        text = "".join(f"export {name}={shlex.quote(value)}\n" for name, value in env.items())
        # bash has read its files already when it comes here; one level down it does not read them once more
        text += f'export SHLVL=1\nexec "${{SHELL:-/bin/sh}}" -c {shlex.quote(command)}'
        if "\0" in text:
            raise BenchError("a command cannot hold a zero byte", blame="config")
        self.head = text.replace("\\", "\\\\").replace("\n", "\\n").encode() + b"\n"
        self.command = f"""exec sh -c 'echo {self._mark} $$ >&2; IFS= read -r p; eval "$(printf %b "$p")"'"""

    def seen(self, stderr: bytes) -> bytes:
        """`stderr` without the mark, as far as can be told yet."""
        if self.pid is not None:
            return stderr
        self._held += stderr
        found = re.search(self._mark.encode() + rb" (\d+)\r?\n", self._held)
        if found:
            self.pid = int(found[1])
            return self.rest(found.span())
        return self.rest() if len(self._held) > LONGEST else b""

    def rest(self, without: tuple[int, int] = (0, 0)) -> bytes:
        """What was held back."""
        start, end = without
        held, self._held = self._held[:start] + self._held[end:], b""
        return held
