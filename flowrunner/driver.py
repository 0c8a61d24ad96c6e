"""What a driver is: a config model, the methods of its interfaces, and a context in which it is open."""

from __future__ import annotations

import inspect
import logging
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, ClassVar, Generic, TypeVar, cast, get_args

from flowrunner.interface import Interface
from flowrunner.model import Model

NOTICE = 25
"""The level of what people want to see while it happens: how far a driver is with something that takes minutes."""

logging.addLevelName(NOTICE, "NOTICE")


class Config(Model):
    """Base of every driver's config; each field's docstring is its help."""


C = TypeVar("C", bound=Config)


class Driver(Generic[C]):
    """One device.

    Making one touches nothing: it only checks its config and makes its `parts`. `opened` is where the device is
    opened and closed. A driver never prints; it raises `BenchError`, which the bench completes with the driver's path.
    """

    aliases: ClassVar[tuple[str, ...]] = ()
    """Class paths of Jumpstarter that this driver stands in for."""

    def __init__(self, config: C, children: Mapping[str, Driver[Any]] | None = None) -> None:
        """Make a driver; `children` are those that its entry in the exporter's file lists."""
        self.config = config
        self.children: dict[str, Driver[Any]] = dict(children or {})
        self.front: Interface | None = None
        """What jobs reach in its place, where another driver uses it too and shares it with them."""

    @classmethod
    def config_model(cls) -> type[Config]:
        """The model that `Driver[...]` names."""
        for base in (b for c in cls.__mro__ for b in getattr(c, "__orig_bases__", ())):
            for arg in get_args(base):
                if inspect.isclass(arg) and issubclass(arg, Config):
                    return arg
        raise TypeError(f"{cls.__qualname__} must name its config: Driver[YourConfig]")

    @classmethod
    def make(cls, config: Mapping[str, Any], children: Mapping[str, Driver[Any]] | None = None) -> Driver[Any]:
        """A driver from plain data.

        Raises:
            pydantic.ValidationError: the config does not fit.
        """
        return cls(cast("C", cls.config_model().model_validate(dict(config))), children)

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[None]:
        """Open the device; leaving closes it and leaves nothing behind. Children are open already."""
        yield
