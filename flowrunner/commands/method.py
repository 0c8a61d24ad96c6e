"""What can be called on a part: the methods of its interfaces, with their parameters and their help."""

from __future__ import annotations

import inspect
import typing
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from flowrunner.device import Device
from flowrunner.interface import Interface

Kind = Literal["unary", "iterator", "stream"]

REQUIRED = inspect.Parameter.empty


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter: its Python name, its type, its default (`REQUIRED` for none), and what it is for, if said."""

    name: str
    annotation: Any
    default: Any = REQUIRED
    help: str = ""

    @property
    def option(self) -> str:
        """As it is written on a command line: `off_for` is `--off-for`."""
        return "--" + self.name.replace("_", "-")

    @property
    def flag(self) -> bool:
        """Whether it is on or off, and takes no value when written as an option."""
        return self.annotation is bool and self.default is not REQUIRED


@dataclass(frozen=True, slots=True)
class Method:
    """One method of an interface, as a command."""

    name: str
    kind: Kind
    help: str
    parameters: tuple[Parameter, ...]

    @property
    def word(self) -> str:
        """As it is written on a command line: `set_dtr` is `set-dtr`."""
        return self.name.replace("_", "-")

    @property
    def summary(self) -> str:
        """The first line of its help."""
        return self.help.partition("\n")[0]


def methods(node: Device) -> dict[str, Method]:
    """The methods that can be called on this part, by name, in the order of their interfaces."""
    found: dict[str, Method] = {}
    for interface in node.interfaces:
        for name, function, kind in _functions(interface):
            if name not in found:
                found[name] = Method(name, kind, inspect.getdoc(function) or "", tuple(_parameters(function)))
    return found


def _functions(interface: type[Interface]) -> Iterator[tuple[str, Any, Kind]]:
    """The public methods of `interface` and of those that it is made of; its own come first."""
    for base in interface.__mro__:
        if not issubclass(base, Interface) or base is Interface:
            continue
        for name, function in vars(base).items():
            kind = _kind(function)
            if kind and not name.startswith("_"):
                yield name, function, kind


def _kind(function: object) -> Kind | None:
    """How it answers; None for what is no command, such as a property."""
    marked: Kind | None = getattr(function, "__flowrunner_call__", None)
    if marked:
        return marked
    if inspect.iscoroutinefunction(function):
        return "unary"
    return "iterator" if inspect.isasyncgenfunction(function) else None


def _parameters(function: Any) -> Iterator[Parameter]:
    hints = typing.get_type_hints(function, include_extras=True)
    for name, parameter in list(inspect.signature(function).parameters.items())[1:]:
        yield Parameter(name, hints.get(name, Any), parameter.default)
