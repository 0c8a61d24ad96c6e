"""A step's id under another name, wherever its scope says it."""

from __future__ import annotations

from collections.abc import Iterator

from lsprotocol.types import Position, Range, TextEdit, WorkspaceEdit

from flowrunner.lsp.expressions import reference_at, references
from flowrunner.lsp.files import File, Files, Kind
from flowrunner.lsp.names import Names
from flowrunner.lsp.node import hit_at
from flowrunner.lsp.places import column, range_of, units
from flowrunner.pipeline.ids import NAMING, RESERVED, is_name


class CannotRename(Exception):
    """Why a name cannot be changed, or not to this."""


def rename(file: File, files: Files, at: Position, new: str) -> WorkspaceEdit | None:
    """All edits that call the step at `at` `new`; None when no step is there.

    Raises:
        CannotRename: the name is no good, or is taken.
    """
    found = step_at(file, files, at)
    if found is None:
        return None
    names, old = found
    if not is_name(new) or new in RESERVED:
        raise CannotRename(f"'{new}' cannot be an id: {NAMING}")
    if new in names.steps and new != old:
        raise CannotRename(f"another step has the id '{new}', at {names.steps[new].key.where.short}")
    edits = [TextEdit(range_of(names.steps[old].key.where, file.lines), new), *_references(names, old, new)]
    return WorkspaceEdit(changes={file.path.absolute().as_uri(): edits})


def step_at(file: File, files: Files, at: Position) -> tuple[Names, str] | None:
    """The id at a place, as it is declared or as an expression names it, with the names around it."""
    if file.kind is not Kind.PIPELINE or at.line >= len(file.lines):
        return None
    line = file.lines[at.line]
    place = column(line, at.character)
    hit = hit_at(file.root, at.line + 1, place + 1)
    names = Names(file, files, hit.path if hit else ())
    reference = reference_at(line, place)
    if reference and len(reference.parts) == 2 and reference.parts[0] == "steps":
        id = reference.parts[1]
    elif hit and not hit.key and hit.path[-1:] == ("id",):
        id = str(hit.scalar.value)
    else:
        return None
    return (names, id) if id in names.steps else None


def _references(names: Names, old: str, new: str) -> Iterator[TextEdit]:
    where, lines = names.own.where, names.file.lines
    for number in range(where.line - 1, min(where.end_line, len(lines))):
        for one in references(lines[number]):
            if one.parts == ("steps", old):
                start, end = (Position(number, units(lines[number][:place])) for place in (one.start, one.end))
                yield TextEdit(Range(start, end), new)
