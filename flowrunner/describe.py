"""The docstrings of fields: read from the source when somebody asks, because reading them costs more than the model."""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Iterator, Mapping
from functools import cache
from itertools import pairwise
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel

from flowrunner.model import Duration, Size


@cache
def described(model: type[BaseModel]) -> type[BaseModel]:
    """`model`, with the docstring below each field as the field's description; the models in it likewise."""
    for inner in _models(model):
        described(inner)
    docs = _docs(model)
    for name, field in model.model_fields.items():
        field.description = field.description or docs.get(name)
    model.model_rebuild(force=True)
    return model


WORDS: dict[Any, str] = {
    str: "text", int: "whole number", float: "number", bool: "true or false", Any: "anything", NoneType: "nothing",
    Duration: "duration", Size: "size", Path: "path",
}  # fmt: skip


def type_words(kind: Any) -> str:
    """What a field holds, in words: `duration`, `list of text`, `on | off | cycle`."""
    origin, parts = get_origin(kind), get_args(kind)
    if kind in WORDS:
        return WORDS[kind]
    if origin is Annotated:
        return type_words(parts[0])
    if origin is Literal:
        return " | ".join(str(part) for part in parts)
    if origin in (Union, UnionType):
        return " or ".join(dict.fromkeys(type_words(part) for part in parts if part is not NoneType))
    if inspect.isclass(origin) and issubclass(origin, Mapping):
        return f"mapping of {type_words(parts[-1])}" if parts else "mapping"
    if origin is not None and parts:
        return f"list of {type_words(parts[0])}"
    if inspect.isclass(kind) and issubclass(kind, BaseModel):
        return "mapping of " + ", ".join(kind.model_fields)
    return str(getattr(kind, "__name__", kind))


def _models(model: type[BaseModel]) -> Iterator[type[BaseModel]]:
    """The models that the fields of `model` hold."""
    left: list[Any] = [field.annotation for field in model.model_fields.values()]
    while left:
        kind = left.pop()
        left += get_args(kind)
        if inspect.isclass(kind) and issubclass(kind, BaseModel) and kind is not model:
            yield kind


def _docs(model: type[BaseModel]) -> dict[str, str]:
    """The docstrings of the fields of `model` and what it inherits from, by name."""
    found: dict[str, str] = {}
    for base in reversed(model.__mro__):
        if issubclass(base, BaseModel) and not base.__module__.startswith("pydantic"):
            found |= _docs_of_class(base)
    return found


def _docs_of_class(model: type) -> dict[str, str]:
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(model)))
    except (OSError, TypeError):
        return {}
    (made,) = tree.body
    body = made.body if isinstance(made, ast.ClassDef) else []
    found: dict[str, str] = {}
    for field, doc in pairwise(body):
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name) and isinstance(doc, ast.Expr):
            text = doc.value.value if isinstance(doc.value, ast.Constant) else None
            if isinstance(text, str):
                found[field.target.id] = inspect.cleandoc(text)
    return found
