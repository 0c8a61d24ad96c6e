"""One command of a part, and the common way to call a method."""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, aclosing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import anyio
from pydantic import BaseModel

from flowrunner.commands.method import Method, Parameter
from flowrunner.commands.output import show, write_all
from flowrunner.commands.reading import usage
from flowrunner.device import Device
from flowrunner.errors import BenchError
from flowrunner.model import Duration, Seconds

Check = Callable[[Mapping[str, Any]], None]
"""Raises a `PipelineError` for values that cannot be together, before the device is asked for."""

Run = Callable[[Device, Mapping[str, Any]], Awaitable[int]]
"""Carries a command out on a part, with the values of its parameters; returns the exit status."""

JSON = Parameter("json", bool, False, "Print JSON, one line for each answer")
OUTPUT = Parameter("output", str | None, None, "Write the answer to this file")
COUNT = Parameter("count", int | None, None, "Stop after so many answers")
INTERVAL = Parameter("interval", Seconds | None, None, "The pause between two answers: 2, 500ms, 1m")
TIMEOUT = Parameter("timeout", Seconds | None, None, "How long it may take (2, 2s, 1m30s); without --count: stop then")
TIMEOUT_ONCE = Parameter("timeout", Seconds | None, None, "How long it may take: 2, 2s, 1m30s")


@dataclass(frozen=True, slots=True)
class Command:
    """A command: what it is called, what it takes, and how it is carried out.

    `parameters` may be written in order or as options, `options` only as such; `spellings` are other names of options.
    With `verbatim`, what stands behind the first word that is no option is given to the last parameter as it is.
    """

    word: str
    help: str
    parameters: tuple[Parameter, ...]
    run: Run
    options: tuple[Parameter, ...] = ()
    spellings: Mapping[str, str] = field(default_factory=dict)
    verbatim: bool = False
    check: Check | None = None
    looks_on: Callable[[Mapping[str, Any]], bool] = lambda values: False
    """Whether, with these values, it leases nothing and only watches what another does."""

    @property
    def summary(self) -> str:
        """The first line of its help."""
        return self.help.partition("\n")[0]


def of_method(method: Method) -> Command:
    """The command that calls `method` and prints what it answers."""
    options = [TIMEOUT_ONCE, OUTPUT, JSON] if method.kind == "unary" else [COUNT, INTERVAL, TIMEOUT, OUTPUT, JSON]
    own = {parameter.name for parameter in method.parameters}
    spellings = {"-n": "--count", "-i": "--interval", "-o": "--output"}
    if method.name == "cycle":
        spellings |= {"-w": "--off-for", "--wait": "--off-for"}  # as Jumpstarter writes it
    return Command(
        method.word, method.help, method.parameters, _Call(method).run,
        tuple(option for option in options if option.name not in own), spellings, check=_countable,
    )  # fmt: skip


def _countable(values: Mapping[str, Any]) -> None:
    if values.get("count") is not None and values["count"] < 1:
        raise usage(f"--count is {values['count']}", "count from 1")


class _Call:
    """Calls a method with what the command line says."""

    def __init__(self, method: Method) -> None:
        self._method = method

    async def run(self, node: Device, values: Mapping[str, Any]) -> int:
        own = {parameter.name for parameter in self._method.parameters}
        limit = None if "timeout" in own else values.get("timeout")
        with anyio.move_on_after(limit) as scope:
            async with AsyncExitStack() as stack:
                given = {name: value for name, value in values.items() if name in own}
                await self._answer(node, given, values, stack)
        if scope.cancelled_caught and (self._method.kind == "unary" or values.get("count") is not None):
            what = f"'{self._method.word}' took longer than {Duration(limit or 0)}"
            raise BenchError(what, driver=node.name, call=self._method.name)
        return 0

    async def _answer(
        self, node: Device, given: Mapping[str, Any], values: Mapping[str, Any], stack: AsyncExitStack
    ) -> None:
        call = getattr(node.client, self._method.name)
        print_ = _printer(values, stack)
        if self._method.kind == "unary":
            print_(await call(**given))
            return
        left = values.get("count")
        answers = await stack.enter_async_context(aclosing(cast("AsyncGenerator[Any]", call(**given))))
        async for answer in answers:
            print_(answer)
            left = None if left is None else left - 1
            if left == 0:
                return
            await anyio.sleep(values.get("interval") or 0)


def _printer(values: Mapping[str, Any], stack: AsyncExitStack) -> Callable[[Any], None]:
    """What prints a result: to standard output, or into the file of `--output`."""
    if values.get("output") in (None, "-"):
        return lambda value: show(value, as_json=bool(values.get("json")))
    handle = open_output(Path(values["output"]))
    stack.callback(os.close, handle)

    def write(value: Any) -> None:
        if isinstance(value, BaseModel):
            value = value.model_dump_json() + "\n"
        write_all(handle, value if isinstance(value, bytes) else str(value).encode())

    return write


def open_output(path: Path, *, append: bool = False) -> int:
    """Open a file to write to.

    Raises:
        PipelineError: it cannot be.
    """
    flags = os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | (os.O_APPEND if append else os.O_TRUNC)
    try:
        return os.open(path, flags, 0o666)
    except OSError as error:
        raise usage(f"'{path}' could not be written: {error.strerror}") from error
