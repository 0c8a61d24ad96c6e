"""Files that keep what a device says: a log, with times or as it came, and a recording of the terminal."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from flowrunner.commands.command import open_output
from flowrunner.commands.method import Parameter
from flowrunner.commands.output import write_all
from flowrunner.commands.reading import usage
from flowrunner.console.cast import Cast
from flowrunner.console.times import Stamper
from flowrunner.errors import BenchError

APPEND = Parameter("append", bool, False, "Add to that file instead of replacing it")
TIMESTAMPS = Parameter("timestamps", bool, False, "Begin each line of that file with the seconds since the start")
RECORD = Parameter("record", str | None, None, "Record it with its times in this file, as asciicast v2")

Keep = Callable[[bytes], None]
"""Takes what the device said, and writes it at once."""

Turn = Callable[[bytes, float, bool], bytes]
"""What is written for some bytes that came so many seconds after the start; with True nothing comes behind them."""


def check_keeping(values: Mapping[str, Any], log: str) -> None:
    """Raise a `PipelineError` for options that mean nothing without a file; `log` is the option that names it."""
    for name in ("append", "timestamps"):
        if values.get(name) and not values.get(log):
            raise usage(f"--{name} needs --{log} FILE")
    if values.get("record") and values.get("record") == values.get(log):
        raise usage(f"--record and --{log} name the same file")


@contextmanager
def keeping(values: Mapping[str, Any], log: str, title: str) -> Iterator[Keep]:
    """What keeps all that comes in the files of `values`; leaving writes what was held back, and closes them.

    Raises:
        PipelineError: a file cannot be opened.
        BenchError: one did not take what came.
    """
    began = time.monotonic()
    with ExitStack() as stack:
        files: list[_File] = []
        if values.get(log):
            turn = _stamped() if values.get("timestamps") else _plain
            files.append(_File(values[log], turn, stack, append=bool(values.get("append"))))
        if values.get("record"):
            recording = _File(values["record"], _recorded(), stack)
            recording.write(Cast.header(*_size(), time.time(), title))
            files.append(recording)

        def keep(data: bytes, *, last: bool = False) -> None:
            at = time.monotonic() - began
            for file in files:
                file.write(file.turn(data, at, last))

        try:
            yield keep
        finally:
            keep(b"", last=True)


class _File:
    """One file; `stack` closes it."""

    def __init__(self, path: str, turn: Turn, stack: ExitStack, *, append: bool = False) -> None:
        self.turn = turn
        self._path = path
        self._handle = open_output(Path(path), append=append)
        stack.callback(os.close, self._handle)

    def write(self, data: bytes) -> None:
        try:
            write_all(self._handle, data)
        except BrokenPipeError:
            raise
        except OSError as error:
            what = f"'{self._path}' did not take what the device said: {error.strerror}"
            raise BenchError(what, blame="infra", help="what came before is in it") from error


def _size() -> tuple[int, int]:
    """Columns and rows of this terminal, or of a usual one."""
    try:
        size = os.get_terminal_size(sys.stdin.fileno())
    except OSError:
        return 80, 24
    return size.columns, size.lines


def _plain(data: bytes, time: float, last: bool) -> bytes:
    return data


def _stamped() -> Turn:
    stamper = Stamper()
    return lambda data, time, last: stamper.feed(data, time, last=last)


def _recorded() -> Turn:
    cast = Cast()
    return lambda data, time, last: cast.printed(data, time, last=last)
