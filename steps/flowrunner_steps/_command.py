"""What the actions that run commands share: what is kept of the output, how it is read, and which end is good."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, BinaryIO, Literal

import anyio.to_thread

from flowrunner.console.text import last_lines
from flowrunner.errors import ExpectationError
from flowrunner.model import Duration, Size
from flowrunner.step import Context

ExpectExit = int | list[int] | Literal["any"]
Parse = Literal["json", "lines"]
Stream = Literal["stdout", "stderr"]

ADVICE = {126: "126 means: it cannot be executed", 127: "127 means: there is no such command"}


class Printed:
    """What a command prints: all of it is shown and logged, `limit` bytes of each output are kept.

    `file` gets standard output whole.
    """

    def __init__(self, context: Context, limit: Size, file: BinaryIO | None = None) -> None:
        self._context = context
        self._limit = limit
        self._file = file
        self._kept = {"stdout": bytearray(), "stderr": bytearray()}
        self.seen = 0
        self.cut = False

    async def take(self, name: Stream, data: bytes) -> None:
        """Show a piece of an output, and keep it."""
        if not data:
            return
        kept = self._kept[name]
        room = self._limit - len(kept)
        kept += data[:room]
        self.seen += len(data)
        self.cut |= name == "stdout" and len(data) > room
        self._context.output(data, stream=name)
        if self._file and name == "stdout":
            await anyio.to_thread.run_sync(self._file.write, data)

    @property
    def stdout(self) -> str:
        """What was kept of standard output."""
        return as_text(self._kept["stdout"])

    @property
    def stderr(self) -> str:
        """What was kept of standard error."""
        return as_text(self._kept["stderr"])

    @property
    def said(self) -> str | None:
        """The last lines, of standard error if there are any."""
        return last_lines(bytes(self._kept["stderr"])) or last_lines(bytes(self._kept["stdout"]))

    def parsed(self, how: Parse | None) -> Any:
        """Standard output as JSON or as lines; raises as `parsed` does, and when it was cut."""
        if how and self.cut:
            what = f"the command printed more than {self._limit}, so it cannot be parsed"
            raise ExpectationError(what, help="raise limit")
        return parsed(how, self.stdout)


@contextmanager
def printing(context: Context, limit: Size, capture: str | None, title: str) -> Iterator[Printed]:
    """What takes the output of a command; with `capture`, standard output is an artifact of that name."""
    with ExitStack() as stack:
        file = stack.enter_context(context.artifact(capture, title=title).open("wb")) if capture else None
        yield Printed(context, limit, file)


def judge(status: int, expected: ExpectExit, said: str | None, what: str = "the command") -> None:
    """Raise an `ExpectationError` when `status` is not the expected one; `what` is the command for people."""
    wanted = [expected] if isinstance(expected, int) else expected
    if wanted == "any" or status in wanted:
        return
    how = f"was ended by {signal.Signals(status - 128).name}" if _is_signal(status) else f"exited {status}"
    rather = "" if wanted == [0] else f", expected {' or '.join(map(str, wanted))}"
    raise ExpectationError(f"{what} {how}{rather}", said=said, help=ADVICE.get(status))


def parsed(how: Parse | None, text: str) -> Any:
    """An output as JSON, or as its lines that are not empty.

    Raises:
        ExpectationError: it is not JSON.
    """
    if how != "json":
        return [line for line in text.splitlines() if line] if how else None
    try:
        return json.loads(text)
    except ValueError as error:
        raise ExpectationError(f"the command's output is not JSON: {error}", said=text[:200]) from error


def too_slow(within: Duration, said: str | None) -> ExpectationError:
    """What is told of a command that was not done in time."""
    help = "give it more time with within, or run it in the background on the device"
    return ExpectationError(f"the command was not done within {within}", cause="timeout", said=said, help=help)


def as_text(data: bytes | bytearray) -> str:
    """Output as text, without the last line ending; bytes that are no UTF-8 as their numbers."""
    return data.decode(errors="backslashreplace").removesuffix("\n").removesuffix("\r")


def _is_signal(status: int) -> bool:
    return status > 128 and status - 128 in set(signal.Signals)
