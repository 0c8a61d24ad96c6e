"""Driver types by name, and Jumpstarter's class paths as other names for them."""

from __future__ import annotations

import re
from functools import cache
from types import MappingProxyType
from typing import Any, Final

from flowrunner.bench.composite import Composite
from flowrunner.driver import Driver
from flowrunner.errors import FlowrunnerError, near
from flowrunner.plugins import BrokenPlugin, load, types

GROUP: Final = "flowrunner.drivers"
CLASS_PATH = re.compile(r"\w+(\.\w+)*\.[A-Z]\w*")
PROXIES = ("proxy", "jumpstarter_driver_composite.driver.Proxy")
COMPOSITES = ("composite", *Composite.aliases)


class UnknownClass(FlowrunnerError):
    """A class path of Jumpstarter that no driver here stands in for."""

    def __init__(self, path: str) -> None:
        broken = _table()[1]
        super().__init__(
            f"no driver stands in for the class '{path}'",
            help=near(path, [*_table()[0], *types(GROUP)]) + "".join(f"; not looked at: {why}" for why in broken),
        )


def driver_type(name: str) -> tuple[str, type[Driver[Any]]]:
    """The type that `name` means, with its class.

    Raises:
        UnknownType: no such type.
        UnknownClass: `name` is a class path, and no driver stands in for it.
        BrokenPlugin: the driver cannot be imported.
    """
    if name in COMPOSITES:
        return "composite", Composite
    if name not in types(GROUP) and CLASS_PATH.fullmatch(name):
        table, _ = _table()
        if name not in table:
            raise UnknownClass(name)
        name = table[name]
    return name, load(GROUP, Driver, name)


@cache
def _table() -> tuple[MappingProxyType[str, str], tuple[str, ...]]:
    """Each class path with its type, ours first, and why some drivers could not be asked. Imports every driver."""
    found: dict[str, str] = {}
    broken: list[str] = []
    for name in types(GROUP):
        try:
            mine = dict.fromkeys(load(GROUP, Driver, name).aliases, name)
            found = {**found, **mine} if "/" not in name else {**mine, **found}
        except BrokenPlugin as error:
            broken.append(error.what)
    return MappingProxyType(found), tuple(broken)
