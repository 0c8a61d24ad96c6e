"""Running one command in a POSIX shell on a console: markers around its output, its exit status in the last one.

No marker can be read out of the echo of what was sent, since there its word is cut in two: `printf 'F%s-..' LOW`. So
it does not matter whether the terminal echoes, wraps long lines, or asks for the cursor's position. A command that is
short and plain is sent as it is; any other goes in pieces into the variable `_f`, written as `printf` reads it. What
may hold secrets is read with the echo off. `command eval` goes on after a syntax error, which plain `eval` does not.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import anyio

from flowrunner.console.patterns import ConsoleSession, Line, Match
from flowrunner.console.text import last_lines, without_escapes
from flowrunner.errors import BenchError, ExpectationError

PIECE = 240
"""Characters of a piece; busybox takes 1024 in a line at most, a terminal in its plain mode 4095."""

PLAIN = 160
"""Characters up to which a command is sent as it is."""

INTERRUPT = 1.5
"""Seconds for which a shell that does not ask for a command is told to end the last one."""

ANSWER = 10.0
"""Seconds in which a shell must take a line."""

_AS_IT_IS = re.compile(r"[ -~]+")
_ENDING = re.compile(rb"\r+\n")


@dataclass(frozen=True, slots=True)
class Ran:
    """What a command printed, with plain line endings, and its exit status."""

    output: bytes
    status: int

    @property
    def text(self) -> str:
        """The output without escape sequences and without its last line ending."""
        text = without_escapes(self.output).decode("utf-8", "backslashreplace")
        return text.removesuffix("\n")


class PosixShell:
    """The shell that is logged in on `session`."""

    def __init__(self, session: ConsoleSession) -> None:
        self._session = session
        self._word = session.word()
        self._began = session.end

    async def run(self, command: str, *, env: Mapping[str, str], limit: int) -> Ran:
        """Run `command`; with `env` in a subshell that has these variables, else in the shell itself.

        Raises:
            ExpectationError: it printed more than `limit` bytes.
            BenchError: the shell does not answer.
        """
        if env:
            await self._put(_exports(env) + command, secret=True)
            body = '( command eval "$(printf "$_f")" )'
        elif len(command) <= PLAIN and _AS_IT_IS.fullmatch(command):
            body = f"command eval {_quoted(command)}"
        else:
            await self._put(command, secret=False)
            body = 'command eval "$(printf "$_f")"'
        status = f"\\nF%s-{self._word}=%d.\\nF%s-{self._word}=%d.\\n"
        await self._type(f"{self._print('S')};{body};printf '{status}' LOW $? LOW $?")
        start = await self._await("S")
        self._began = start.end
        end = await self._session.expect([self._marker(r"(?P<status>\d+)")])
        await self._twin(end)
        if end.start - start.end > limit:
            raise ExpectationError(
                f"the command printed {end.start - start.end} bytes, more than {limit}",
                help="write it to a file on the device, and fetch that",
            )
        return Ran(self._between(start, end), int(end.groups["status"]))

    def _between(self, start: Match, end: Match) -> bytes:
        """The bytes between two markers, each of which stands alone in its line and is printed twice."""
        raw = _ENDING.sub(b"\n", self._session.read(start.end, end.start))
        return raw.removeprefix(f"FLOW-{self._word}=S.\n".encode()).removesuffix(b"\n")

    async def _twin(self, end: Match) -> None:
        """Leave the second copy of the last marker behind: it was for the case that a kernel wrote into the first."""
        try:
            await self._session.expect([self._marker(re.escape(end.groups["status"]))], within=0.5)
        except ExpectationError:
            return

    async def _put(self, text: str, *, secret: bool) -> None:
        """Put `text` into the variable `_f`, as a format of `printf`."""
        for number, piece in enumerate(_pieces(_as_format(text))):
            before = "$_f" if number else ""
            if secret:
                await self._put_unseen(piece, before, number)
            else:
                await self._type(f"_f={before}{_quoted(piece)};{self._print(f'A{number}')}")
            await self._await(f"A{number}")

    async def _put_unseen(self, piece: str, before: str, number: int) -> None:
        ready, done = f"R{number}", self._print(f"A{number}")
        await self._type(f"stty -echo&&{self._print(ready)}&&IFS= read -r _g;stty echo;_f={before}$_g;{done}")
        match = await self._expect(self._marker(ready), self._marker(f"A{number}"))
        if match.index == 1:
            raise BenchError("the shell has no stty, so the echo cannot be turned off for env", blame="device")
        await self._session.send(piece.encode() + b"\n", secret=True)

    async def _type(self, line: str) -> None:
        await self._session.send(line.encode() + b"\n")

    def _print(self, value: str) -> str:
        return f"printf 'F%s-{self._word}={value}.\\nF%s-{self._word}={value}.\\n' LOW LOW"

    def _marker(self, value: str) -> Line:
        return Line(rf"FLOW-{self._word}={value}\.")

    async def _await(self, value: str) -> Match:
        return await self._expect(self._marker(value))

    async def _expect(self, *markers: Line) -> Match:
        try:
            return await self._session.expect(markers, within=ANSWER)
        except ExpectationError as error:
            raise BenchError(
                f"no shell took the command within {ANSWER:g}s",
                driver=self._session.name, said=error.said,
                help="log in first (login:), and wait for the prompt; the shell must know printf",
            ) from error  # fmt: skip

    def said(self) -> str | None:
        """The last lines that the command printed so far."""
        raw = self._session.read(max(self._began, self._session.end - 4096))
        return last_lines(b"\n".join(line for line in raw.split(b"\n") if self._word.encode() not in line))

    async def interrupt(self) -> None:
        """Press Ctrl-C, so that the next command finds a shell; again when none asks for one.

        A shell that is about to start a program may miss it, and waits for that program then.
        """
        with anyio.CancelScope(shield=True), anyio.move_on_after(INTERRUPT):
            while True:
                before = self._session.end
                await self._session.send(b"\x03")
                await anyio.sleep(0.1)
                await self._session.quiet(0.05)
                asked = self._session.read(before).rpartition(b"\n")[2].rstrip()
                if asked and not asked.endswith(b"^C"):
                    return


def _exports(env: Mapping[str, str]) -> str:
    return "".join(f"export {name}={_quoted(value)}\n" for name, value in env.items())


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"


def _as_format(text: str) -> str:
    """`text` for `printf`, in characters that are neither special in single quotes nor to a line editor."""
    return "".join(_escaped(byte) for byte in text.encode())


def _escaped(byte: int) -> str:
    if byte == ord("%"):
        return "%%"
    return chr(byte) if 0x20 <= byte < 0x7F and chr(byte) not in "'\\!-" else f"\\{byte:03o}"


def _pieces(text: str) -> Iterator[str]:
    return (text[at : at + PIECE] for at in range(0, len(text), PIECE))
