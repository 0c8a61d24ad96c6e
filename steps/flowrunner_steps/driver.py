"""Call what a driver offers, by its path."""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from typing import Any, cast, get_type_hints

from pydantic import ConfigDict, Field, ValidationError, create_model
from pydantic_core import to_jsonable_python

from flowrunner.errors import PipelineError, near
from flowrunner.interface import Interface
from flowrunner.step import Context, Outputs, Step

MOST_ANSWERS = 10_000
"""How many answers are taken from a method that answers again and again, when `count` is left out."""


class DriverOutputs(Outputs):
    """What `driver` leaves for later steps."""

    result: Any
    """What the method returned as plain data; a list for one that answers many times; a file's name for binary data."""


class Driver(Step):
    """Call any method of any driver: nothing that a driver offers is out of reach.

    ```yaml
    steps:
      - driver: dut.power.on
      - id: state
        driver: {call: dut.machine.qmp, with: {command: query-status}}
      - driver: {call: dut.power.read, count: 3}
    ```
    """

    model_config = ConfigDict(validate_by_name=True, validate_by_alias=True)
    shorthand = "call"
    kind = "setup"

    call: str = Field(pattern=r"^[^.\s]+(\.[^.\s]+)+$")
    """The path of the driver and the method, such as `dut.power.on`."""

    arguments: dict[str, Any] = Field(default={}, alias="with")
    """The method's arguments by name."""

    count: int | None = Field(default=None, ge=1)
    """How many answers to take from a method that answers again and again; all when left out."""

    async def run(self, context: Context) -> DriverOutputs:
        path, _, name = self.call.rpartition(".")
        client = context.find(path)
        method = _method(client, path, name)
        arguments = _arguments(method, self.call, self.arguments)
        answer = method(**arguments)
        if inspect.isawaitable(answer):
            return DriverOutputs(result=_plain(await answer, context, name))
        return DriverOutputs(result=await self._collect(answer, context, name))

    async def _collect(self, answers: AsyncIterator[Any], context: Context, name: str) -> list[Any]:
        found: list[Any] = []
        async with aclosing(cast("Any", answers)):
            async for answer in answers:
                found.append(_plain(answer, context, name))
                if len(found) == (self.count or MOST_ANSWERS):
                    break
        return found


def _method(client: Any, path: str, name: str) -> Callable[..., Any]:
    known = [each for each in dir(client) if _callable(client, each)] if client else []
    if name not in known:
        raise PipelineError(f"'{path}' has no method '{name}'", code="unknown-method", help=near(name, known))
    kinds = cast("Interface", client).calls()
    if kinds.get(name) == "stream":
        advice = "use expect, send or shell" if name == "connect" else "use the action that is made for it"
        raise PipelineError(f"'{path}.{name}' opens a stream, which has no result", code="unknown-method", help=advice)
    return cast("Callable[..., Any]", getattr(client, name))


def _callable(client: Any, name: str) -> bool:
    member = getattr(type(client), name, None)
    answers = inspect.iscoroutinefunction(inspect.unwrap(member)) if inspect.isfunction(member) else False
    return not name.startswith("_") and (answers or hasattr(member, "__flowrunner_call__"))


def _arguments(method: Callable[..., Any], call: str, given: dict[str, Any]) -> dict[str, Any]:
    """`given` as the method's types.

    Raises:
        PipelineError: an argument is missing, not known, or of a wrong type.
    """
    hints = get_type_hints(inspect.unwrap(method), include_extras=True)
    parameters = inspect.signature(method).parameters
    fields: dict[str, Any] = {
        name: (hints.get(name, Any), ... if parameter.default is parameter.empty else parameter.default)
        for name, parameter in parameters.items()
    }
    model = create_model("Arguments", __config__=ConfigDict(extra="forbid", arbitrary_types_allowed=True), **fields)
    try:
        checked = model.model_validate(given)
    except ValidationError as error:
        problem = error.errors()[0]
        name = ".".join(str(part) for part in problem["loc"])
        advice: str | None = None
        match problem["type"]:
            case "extra_forbidden":
                what, advice = f"'{call}' has no argument '{name}'", near(name, parameters)
            case "missing":
                what, advice = f"'{call}' needs the argument '{name}'", f"with: {{{name}: ...}}"
            case _:
                what = f"'{call}' cannot take '{name}': {problem['msg']}"
        raise PipelineError(what, code="bad-argument", help=advice) from error
    return {name: getattr(checked, name) for name in given}


def _plain(answer: Any, context: Context, name: str) -> Any:
    """`answer` as plain data; binary data becomes a file."""
    if isinstance(answer, bytes):
        try:
            return answer.decode()
        except UnicodeDecodeError:
            target = context.artifact(f"{name}.bin", title=f"what {name} returned")
            target.write_bytes(answer)
            return str(target)
    return to_jsonable_python(answer, bytes_mode="base64")
