"""The outline of a file: devices, inputs, jobs, templates and steps; the parts of a bench."""

from __future__ import annotations

from collections.abc import Iterator

from lsprotocol.types import DocumentSymbol, SymbolKind

from flowrunner.errors import Span
from flowrunner.lsp.files import File, Kind
from flowrunner.lsp.names import LISTS, action_of
from flowrunner.lsp.places import range_of
from flowrunner.source import Mapping, Node, Scalar, Sequence

HOLDERS = {
    "inputs": SymbolKind.Variable, "secrets": SymbolKind.Variable, "devices": SymbolKind.Interface,
    "include": SymbolKind.Package, "templates": SymbolKind.Function, "jobs": SymbolKind.Class,
}  # fmt: skip
PARTS = ("exporters", "export", "children")


def symbols(file: File) -> list[DocumentSymbol]:
    """The symbols at the top of a file, each with those in it."""
    if file.kind is Kind.PIPELINE:
        return list(_scope(file, file.root))
    return list(_parts(file, file.root)) if file.kind else []


def _scope(file: File, holder: Mapping) -> Iterator[DocumentSymbol]:
    for key, value in holder.entries:
        word = str(key.value)
        if word in HOLDERS and isinstance(value, Mapping) and not holder.key("call"):
            for name, inside in value.entries:
                below = (
                    list(_scope(file, inside)) if word in ("jobs", "templates") and isinstance(inside, Mapping) else []
                )
                yield _symbol(file, name, inside, str(name.value), HOLDERS[word], word, below)
        elif word in LISTS and isinstance(value, Sequence):
            for step in value.items:
                if isinstance(step, Mapping) and step.entries:
                    yield _step(file, step, word if word in ("rescue", "finally") else "")
        elif word in ("parallel", "lease") and isinstance(value, Mapping):
            yield from _scope(file, value)
        elif word == "branches" and isinstance(value, Mapping):
            for name, steps in value.entries:
                inside = Mapping(((Scalar("steps", name.where, "steps", plain=True), steps),), steps.where)
                yield _symbol(
                    file, name, steps, str(name.value), SymbolKind.Namespace, "branch", list(_scope(file, inside))
                )


def _step(file: File, step: Mapping, part: str) -> DocumentSymbol:
    action = action_of(step) or next(
        (str(k.value) for k, _ in step.entries if k.value in ("group", "call", "parallel", "lease")), "step"
    )
    label = next((str(one.value) for one in (step.get("id"), step.get("name")) if isinstance(one, Scalar)), action)
    detail = " ".join(filter(None, (part, action if label != action else "")))
    key = step.key("id") or step.entries[0][0]
    return _symbol(file, key, step, label, SymbolKind.Event, detail, list(_scope(file, step)))


def _parts(file: File, holder: Mapping) -> Iterator[DocumentSymbol]:
    for word in PARTS:
        inside = holder.get(word)
        for key, value in inside.entries if isinstance(inside, Mapping) else ():
            kind = value.get("type") if isinstance(value, Mapping) else None
            below = list(_parts(file, value)) if isinstance(value, Mapping) else []
            detail = str(kind.value) if isinstance(kind, Scalar) else ""
            yield _symbol(file, key, value, str(key.value), SymbolKind.Object, detail, below)


def _symbol(
    file: File, key: Scalar, value: Node, name: str, kind: SymbolKind, detail: str, below: list[DocumentSymbol]
) -> DocumentSymbol:
    first, last = min((key.where, value.where), key=_begin), max((key.where, value.where), key=_end)
    whole = Span(key.where.file, first.line, first.column, last.end_line, last.end_column)
    return DocumentSymbol(
        name=name or "?", kind=kind, range=range_of(whole, file.lines), detail=detail or None,
        selection_range=range_of(key.where, file.lines), children=below or None,
    )  # fmt: skip


def _begin(where: Span) -> tuple[int, int]:
    return where.line, where.column


def _end(where: Span) -> tuple[int, int]:
    return where.end_line, where.end_column
