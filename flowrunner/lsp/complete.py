"""What could be typed next."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from lsprotocol.types import CompletionItem, CompletionItemKind, MarkupContent, MarkupKind, Position, Range, TextEdit

from flowrunner.lsp import words
from flowrunner.lsp.cursor import Cursor, cursors, expression_at
from flowrunner.lsp.expressions import about, members
from flowrunner.lsp.files import File, Files, Kind
from flowrunner.lsp.names import Declared, Names
from flowrunner.lsp.places import column, units
from flowrunner.lsp.words import Word
from flowrunner.pipeline.actions import BLOCKS
from flowrunner.plugins import types

ACTIONS = {*types("flowrunner.steps"), *BLOCKS}
"""Keys of which a step has exactly one."""


def complete(file: File, files: Files, at: Position) -> list[CompletionItem]:
    """What fits at `at`, also in a file that is broken there."""
    if file.kind is None or at.line >= len(file.lines):
        return []
    line = file.lines[at.line]
    before = line[: column(line, at.character)]
    expression = expression_at(before) if file.kind is Kind.PIPELINE else None
    if expression is not None:
        names = Names(file, files, _path_of(file, at.line, len(before)))
        typed = re.search(r"[\w.]*$", expression)
        word = typed[0] if typed else ""
        return [_item(one, at.line, before, word.rpartition(".")[2]) for one in members(names, expression, at.line + 1)]
    for cursor in cursors(file.lines, at.line, len(before)):
        found = list(_offers(file, files, cursor))
        if found:
            return [_item(one, at.line, before, cursor.word, key=cursor.key) for one in found]
    return []


def _path_of(file: File, line: int, place: int) -> tuple[str | int, ...]:
    return next((cursor.path for cursor in cursors(file.lines, line, place)), ())


def _offers(file: File, files: Files, cursor: Cursor) -> Iterator[Word]:
    assert file.kind is not None
    names = Names(file, files, cursor.path) if file.kind is Kind.PIPELINE else None
    own = list(_named(names, cursor)) if names else []
    if own:
        yield from own
        return
    found = words.at(file.kind, cursor.path, cursor.around)
    if not cursor.key:
        yield from words.values(found)
        return
    taken = cursor.taken
    if cursor.path and isinstance(cursor.path[-1], int) and taken & ACTIONS:
        taken |= ACTIONS  # a step has one
    yield from (one for one in words.keys(found) if one.text not in taken)


def _named(names: Names, cursor: Cursor) -> Iterator[Word]:
    """What the file itself declares, where it may be named."""
    path = tuple(part for part in cursor.path if not isinstance(part, int))
    last = path[-1] if path else ""
    call = str(cursor.around[-2].get("call", "")) if len(cursor.around) > 1 else ""
    if not cursor.key and last == "call":
        yield from _words(names.templates, "a template")
    elif not cursor.key and last == "needs" and path[:1] == ("jobs",):
        yield from (word for word in _words(names.declared("jobs"), "a job") if word.text != path[1])
    elif not cursor.key and last == "device":
        yield from _words(names.devices, "a device")
    elif not cursor.key and (last == "together" or (last == "on" and path[-2:-1] != ("retry",))):
        yield from _words(names.roles, "a device")
    elif not cursor.key and path[-2:-1] == ("devices",) and len(path) > 2:
        yield from _words(names.devices, "a device") if _calls(cursor) else ()
    elif cursor.key and last in ("with", "devices") and call:
        found = names.template(call)
        if found:
            inside = Names(found.file, names.files, ("templates", call.rpartition(".")[2]))
            given = inside.declared("inputs") if last == "with" else inside.roles
            yield from (word for word in _words(given, f"of {call}") if word.text not in cursor.taken)


def _calls(cursor: Cursor) -> bool:
    return any("call" in one for one in cursor.around[-2:])


def _words(found: Mapping[str, Declared], noun: str) -> Iterator[Word]:
    for name, declared in found.items():
        yield Word(name, about(declared) or noun)


def _item(word: Word, line: int, before: str, typed: str, *, key: bool = False) -> CompletionItem:
    text = word.text + (": " if key and word.opens != "list" else ":" if key else "")
    start, end = Position(line, units(before[: len(before) - len(typed)])), Position(line, units(before))
    return CompletionItem(
        label=word.text, kind=CompletionItemKind.Property if key else CompletionItemKind.Value,
        documentation=MarkupContent(MarkupKind.Markdown, word.help) if word.help else None, filter_text=word.text,
        text_edit=TextEdit(Range(start, end), text),
    )  # fmt: skip
