"""Interfaces that Jumpstarter has no contract for: their calls by their own names, arguments by position."""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator, Callable
from functools import partial, wraps
from typing import Any

from pydantic import ValidationError

from flowrunner.interface import CallKind, Interface
from flowrunner.interfaces.storage import Image
from flowrunner.remote.jumpstarter.facade import Facade, HandleImage, Resources, why
from flowrunner.remote.link.plain import signature


class GenericFacade(Facade):
    """The `@call` and `@stream` methods of one interface. What a client uploads it gives as a handle.

    Streams are offered when they need no argument, as there is no way to give one.
    """

    client_class = "jumpstarter_driver_composite.client.CompositeClient"

    def __init__(self, part: Interface, resources: Resources, interface: type[Interface]) -> None:
        super().__init__(part, resources)
        for name, kind in interface.calls().items():
            self._offer(interface, name, kind)

    def _offer(self, interface: type[Interface], name: str, kind: CallKind) -> None:
        method = getattr(self.part, name)
        if kind == "stream":
            if not _required(method):
                self.streams[name] = method
            return
        offered = self.unary if kind == "unary" else self.iterators
        offered[name] = wraps(method)(partial(self._called, interface, name))

    def _called(self, interface: type[Interface], name: str, *args: Any) -> Any:
        known = signature(interface, name)
        method: Callable[..., Any] = getattr(self.part, name)
        try:
            given = dict(inspect.signature(method).bind(*args).arguments)
        except TypeError as error:
            raise ValueError(f"'{name}' takes other arguments: {error}") from error
        for key in known.uploads & given.keys():
            several, image = _is_mapping(interface, name, key), _is_image(interface, name, key)
            given[key] = (
                {str(part): self._content(handle, image=image) for part, handle in given[key].items()}
                if several and isinstance(given[key], dict)
                else self._content(given[key], image=image)
            )
        try:
            return method(**known.read(given))
        except ValidationError as error:
            raise ValueError(f"'{name}' cannot be called with these arguments: {why(error)}") from error

    def _content(self, handle: Any, *, image: bool) -> Image | AsyncIterator[bytes]:
        if not isinstance(handle, dict):
            raise ValueError("content is given as a handle")
        return HandleImage(self.resources, handle) if image else self.resources.read(handle)


def _is_image(interface: type[Interface], name: str, parameter: str) -> bool:
    return "Image" in _annotation(interface, name, parameter)


def _is_mapping(interface: type[Interface], name: str, parameter: str) -> bool:
    return _annotation(interface, name, parameter).startswith("Mapping[")


def _annotation(interface: type[Interface], name: str, parameter: str) -> str:
    return str(inspect.signature(getattr(interface, name)).parameters[parameter].annotation)


def _required(method: Callable[..., Any]) -> bool:
    parameters = list(inspect.signature(method).parameters.values())
    return any(each.default is each.empty and each.kind is each.POSITIONAL_OR_KEYWORD for each in parameters)
