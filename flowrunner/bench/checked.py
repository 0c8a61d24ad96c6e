"""From nodes to models: what pydantic finds wrong becomes errors with places."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from flowrunner.errors import PipelineError, PipelineErrors, Span, near
from flowrunner.pipeline.explain import explain
from flowrunner.source import Document, Mapping, Node, plain
from flowrunner.source import Sequence as SequenceNode

M = TypeVar("M", bound=BaseModel)

Place = tuple[str | int, ...]
"""Keys and positions that lead from a file's root to a node."""

ALTERNATIVES = ("[key]", "[text]", "[mapping]")
"""Parts of pydantic's places that stand in no file: which of several forms a value has."""


def read(model: type[M], document: Document, noun: str) -> M:
    """The root of `document` as a `model`; `noun` says what the file is.

    Raises:
        PipelineErrors: all that does not fit.
    """
    if isinstance(document.root, Mapping):
        return checked(model, document.root)
    where = document.root.where if document.root else Span(document.name, 1, 1, 1, 1)
    raise PipelineErrors([PipelineError(f"{noun} is a mapping", code="wrong-type", where=where)])


def checked(model: type[M], node: Node) -> M:
    """`node` as a `model`.

    Raises:
        PipelineErrors: all that does not fit, each at its key or value.
    """
    try:
        return model.model_validate(plain(node), context={"folder": Path(node.where.file).parent})
    except ValidationError as error:
        raise PipelineErrors(_explain(model, node, detail) for detail in error.errors()) from error


def find(node: Node, place: Sequence[str | int]) -> Node:
    """The node at `place`, or the nearest one above it."""
    for part in place:
        below = node.get(str(part)) if isinstance(node, Mapping) else None
        if isinstance(node, SequenceNode) and isinstance(part, int) and part < len(node.items):
            below = node.items[part]
        if below is None:
            return node
        node = below
    return node


def key_place(root: Node, place: Place) -> Span:
    """Where the last key of `place` is written."""
    holder = find(root, place[:-1])
    label = holder.key(str(place[-1])) if isinstance(holder, Mapping) else None
    return (label or holder).where


def _explain(model: type[BaseModel], root: Node, detail: ErrorDetails) -> PipelineError:
    place: Place = tuple(part for part in detail["loc"] if part not in ALTERNATIVES)
    key = str(place[-1]) if place else ""
    node = find(root, place)
    match detail["type"]:
        case "extra_forbidden":
            known = _keys(model, place[:-1])
            where = key_place(root, place)
            return PipelineError(f"unknown key '{key}'", code="unknown-key", where=where, help=near(key, known))
        case "missing":
            return PipelineError(f"'{key}' is missing", code="missing-key", where=node.where, help=_about(model, place))
        case _:
            code, what, advice = explain(key, detail)
            return PipelineError(what.strip(), code=code, where=node.where, help=advice)


def _keys(model: type[BaseModel], place: Place) -> set[str]:
    return {field.alias or name for found in _models(model, place) for name, field in found.model_fields.items()}


def _about(model: type[BaseModel], place: Place) -> str | None:
    key = place[-1]
    texts = (
        field.description
        for found in _models(model, place[:-1])
        for name, field in found.model_fields.items()
        if key in (field.alias, name)
    )
    return next((text for text in texts if text), None)


def _models(annotation: Any, place: Place) -> Iterator[type[BaseModel]]:
    """The models that may stand at `place`, through lists, mappings and unions."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        if not place:
            yield annotation
        for name, field in annotation.model_fields.items():
            if place and place[0] in (field.alias, name):
                yield from _models(field.annotation, place[1:])
    elif get_origin(annotation) in (dict, list, tuple):
        if place:
            yield from _models(get_args(annotation)[-1], place[1:])
    else:
        for argument in get_args(annotation):
            yield from _models(argument, place)
