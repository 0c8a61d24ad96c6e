"""Marks on the fields of models, and how to find those that lie on the way to a value."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel, GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import CoreSchema

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

ROLE = Mark("role")
"""A role of the scope, or a path below one."""


def marks(model: type[BaseModel], path: Path) -> Iterator[Any]:
    """Every mark that a branch of the annotations carries on the way to `path`, outermost first."""
    yield from _below(model, path)


def _below(annotation: Any, path: Path) -> Iterator[Any]:
    origin = get_origin(annotation)
    if origin is Annotated:
        inner, *extra = get_args(annotation)
        yield from extra
        yield from _below(inner, path)
    elif origin in (Union, UnionType):
        for branch in get_args(annotation):
            yield from _below(branch, path)
    elif path and isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield from _field(annotation, path)
    elif path and isinstance(origin, type) and issubclass(origin, Mapping | Sequence):
        arguments = get_args(annotation)
        position = 1 if issubclass(origin, Mapping) else 0
        if len(arguments) > position:
            yield from _below(arguments[position], path[1:])


def _field(model: type[BaseModel], path: Path) -> Iterator[Any]:
    for name, field in model.model_fields.items():
        if path[0] in (field.alias, name if field.alias is None else None):
            yield from field.metadata
            yield from _below(field.annotation, path[1:])
