"""Marks on the fields of models, and what the models say of a value at the end of a path."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel, GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.fields import FieldInfo
from pydantic_core import CoreSchema

from flowrunner.describe import described

Path = tuple[str | int, ...]
"""The way to a value: keys and positions."""


class Mark:
    """A mark on a field; it changes nothing about how the field is validated."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __repr__(self) -> str:
        return self.name

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return handler(source)

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return {**handler(schema), f"x-{self.name}": True}


DYNAMIC = Mark("dynamic")
"""An expression may stand here; what is not marked is fixed before the run."""

APART = Mark("apart")
"""Compiled by a part of the compiler of its own: not looked into with the rest of its mapping."""

STEPS = Mark("steps")
"""A list of steps."""


def key_of(name: str, field: FieldInfo) -> str:
    """What the file calls a field."""
    return field.alias or name


def marks(model: type[BaseModel], path: Path) -> Iterator[Any]:
    """Every mark that a branch of the annotations carries on the way to `path`, outermost first."""
    for annotation, metadata in _way(model, path):
        yield from metadata
        if get_origin(annotation) is Annotated:
            yield from get_args(annotation)[1:]


def models(model: type[BaseModel], path: Path) -> Iterator[type[BaseModel]]:
    """The models that may stand at `path`."""
    for annotation, metadata in _way(model, path):
        if metadata == (END,) and isinstance(annotation, type) and issubclass(annotation, BaseModel):
            yield annotation


def keys(model: type[BaseModel], path: Path) -> list[str]:
    """The keys that may stand in the mapping at `path`."""
    return [key_of(name, field) for found in models(model, path) for name, field in found.model_fields.items()]


def description(model: type[BaseModel], path: Path, key: str) -> str | None:
    """The first line of what a key is for."""
    for found in models(model, path):
        for name, field in described(found).model_fields.items():
            if key_of(name, field) == key and field.description:
                return field.description.splitlines()[0].rstrip(".")
    return None


@cache
def apart(model: type[BaseModel]) -> frozenset[Path]:
    """The ways to all fields of `model` that are compiled elsewhere, also those of models in it."""
    found: set[Path] = set()
    for name, field in model.model_fields.items():
        here = (key_of(name, field),)
        if APART in marks(model, here):
            found.add(here)
        for inner in models(model, here):
            found |= {here + path for path in apart(inner)}
    return frozenset(found)


END = object()
"""Marks an annotation at the very end of a path."""


def _way(annotation: Any, path: Path) -> Iterator[tuple[Any, tuple[Any, ...]]]:
    """Each annotation on the way to `path` through every branch, with the metadata of the field that it is of."""
    origin = get_origin(annotation)
    if origin is Annotated:
        yield annotation, ()
        yield from _way(get_args(annotation)[0], path)
    elif origin in (Union, UnionType):
        for branch in get_args(annotation):
            yield from _way(branch, path)
    elif not path:
        yield annotation, (END,)
    elif isinstance(annotation, type) and issubclass(annotation, BaseModel):
        for name, field in annotation.model_fields.items():
            if path[0] == key_of(name, field):
                yield field.annotation, tuple(field.metadata)
                yield from _way(field.annotation, path[1:])
    elif isinstance(origin, type) and issubclass(origin, Mapping | Sequence):
        arguments = get_args(annotation)
        position = 1 if issubclass(origin, Mapping) else 0
        yield from _way(arguments[position], path[1:]) if len(arguments) > position else ()
