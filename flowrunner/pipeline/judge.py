"""Asking a model whether data fits: strict about types as YAML knows them, lax about the containers of Python."""

from __future__ import annotations

from collections.abc import Mapping as Map
from dataclasses import dataclass, replace
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from flowrunner.pipeline.explain import is_mismatch, is_no_word
from flowrunner.pipeline.marks import Path

NATIVE = frozenset({"set_type", "frozen_set_type", "is_instance_of", "is_subclass_of", "path_type"})
"""Errors of the strict mode about what YAML cannot write: a list is as good as a set, text as good as a path."""


@dataclass(frozen=True, slots=True)
class Complaint:
    """One error with its place in the data. `fork` is where several shapes were possible, `branch` the one tried."""

    path: Path
    error: ErrorDetails
    fork: Path | None = None
    branch: str | None = None
    rest: tuple[str | int, ...] = ()


def judge(kind: type[BaseModel], data: Map[str, Any]) -> tuple[BaseModel | None, list[Complaint]]:
    """The model, or what is wrong with `data`: where several shapes were possible, only for the nearest of them."""
    try:
        return kind.model_validate(data, strict=True), []
    except ValidationError as error:
        strict = [_located(data, each) for each in error.errors(include_url=False)]
    lists = [c.path for c in strict if c.error["type"] == "tuple_type" and isinstance(c.error["input"], list)]
    if lists:
        return judge(kind, _with_tuples(data, lists))
    model, lax = None, list[Complaint]()
    try:
        model = kind.model_validate(data)
    except ValidationError as error:
        lax = [_located(data, each) for each in error.errors(include_url=False)]
    spurious = {_top(c) for c in strict if c.error["type"] in NATIVE}
    kept = [c for c in strict if _top(c) not in spurious]
    places = {_top(c) for c in kept}
    found = kept + [c for c in lax if _top(c) not in places]
    return (None, _thin(found, data)) if found else (model, [])


def _with_tuples(data: Any, paths: list[Path], path: Path = ()) -> Any:
    """`data` with tuples for the lists at `paths`."""
    if isinstance(data, Map):
        return {key: _with_tuples(value, paths, (*path, key)) for key, value in data.items()}
    if isinstance(data, list | tuple):
        items = [_with_tuples(value, paths, (*path, position)) for position, value in enumerate(data)]
        return tuple(items) if path in paths or isinstance(data, tuple) else items
    return data


def _top(complaint: Complaint) -> Path:
    return complaint.path if complaint.fork is None else complaint.fork


def _located(data: Any, error: ErrorDetails) -> Complaint:
    return _walk(data, Complaint((), error, rest=error["loc"]))


def _walk(whole: Any, complaint: Complaint) -> Complaint:
    """Follow the validator's location through the data; what is no key of it names a branch or a missing key."""
    path, rest = complaint.path, complaint.rest
    data = whole
    for step in path:
        data = _child(data, step)
    while rest:
        part = rest[0]
        child = _child(data, part)
        if child is not _NOTHING:
            data = child
        elif complaint.error["type"] == "missing" and len(rest) == 1:
            break
        else:
            return replace(complaint, path=path, fork=path, branch=str(part), rest=rest[1:])
        path, rest = (*path, part), rest[1:]
    return replace(complaint, path=path, rest=rest)


_NOTHING = object()


def _child(data: Any, part: str | int) -> Any:
    if isinstance(data, Map):
        return data.get(part, _NOTHING)
    if isinstance(data, list | tuple) and isinstance(part, int) and part < len(data):
        return data[part]
    return _NOTHING


def _thin(complaints: list[Complaint], data: Any) -> list[Complaint]:
    """Where several shapes were tried, keep only what is wrong with the one that is nearest."""
    kept = [c for c in complaints if c.fork is None]
    for fork in dict.fromkeys(c.fork for c in complaints if c.fork is not None):
        tried: dict[str, list[Complaint]] = {}
        for complaint in (c for c in complaints if c.fork == fork):
            tried.setdefault(complaint.branch or "", []).append(_walk(data, replace(complaint, fork=None, branch=None)))
        near = [found for found in tried.values() if not any(_refuses(c, fork) for c in found)]
        if near and (near == list(tried.values()) or not all(_is_no_word(found, fork) for found in near)):
            kept.extend(_thin(min(near, key=len), data))
        else:
            kept.extend(c for found in tried.values() for c in found if _refuses(c, fork) or found in near)
    return kept


def _is_no_word(found: list[Complaint], fork: Path) -> bool:
    """Whether a branch is some words, and nothing like one of them stands there: it is as far as the others."""
    return len(found) == 1 and found[0].path == fork and is_no_word(found[0].error)


def _refuses(complaint: Complaint, fork: Path) -> bool:
    return complaint.path == fork and is_mismatch(complaint.error)
