"""The types of what steps leave for later ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from types import MappingProxyType
from typing import Annotated, Any, Literal, get_args, get_origin

from pydantic import BaseModel

from flowrunner.expressions import Expression
from flowrunner.model import Duration, Secret, Size, Type, Version
from flowrunner.step import Step

SCALARS: Mapping[type, Type] = {
    bool: "bool", Duration: "duration", Size: "size", Version: "version", Secret: "secret",
    int: "int", float: "float", str: "string",
}  # fmt: skip


@cache
def outputs_of(step: type[Step]) -> Mapping[str, Type]:
    """Each declared output of an action with its type."""
    model = step.outputs_model()
    fields = model.model_fields if model else {}
    return MappingProxyType({name: type_of(field.annotation) for name, field in fields.items()})


def type_of(annotation: Any) -> Type:
    """The type of the language that an annotation stands for; `any` when it is several."""
    origin = get_origin(annotation)
    if origin is Annotated:
        return type_of(get_args(annotation)[0])
    if origin is Literal:
        kinds: set[Type] = {type_of(type(value)) for value in get_args(annotation)}
        return kinds.pop() if len(kinds) == 1 else "any"
    kind = origin or annotation
    if not isinstance(kind, type):
        return "any"
    for scalar, name in SCALARS.items():
        if issubclass(kind, scalar):
            return name
    if issubclass(kind, BaseModel | Mapping):
        return "map"
    return "list" if issubclass(kind, Sequence) and not issubclass(kind, bytes) else "any"


def type_of_value(value: Any) -> Type:
    """The type of a value of the plan: an expression's, else that of the plain data."""
    if isinstance(value, Expression):
        return value.type
    return "any" if value is None else type_of(type(value))
