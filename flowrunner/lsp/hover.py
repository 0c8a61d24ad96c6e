"""What there is to know of the word under the cursor."""

from __future__ import annotations

from lsprotocol.types import Hover, MarkupContent, MarkupKind, Position, Range

from flowrunner.lsp import words
from flowrunner.lsp.expressions import about, described, reference_at
from flowrunner.lsp.files import File, Files, Kind
from flowrunner.lsp.names import Names
from flowrunner.lsp.node import Hit, hit_at
from flowrunner.lsp.places import column, range_of, units
from flowrunner.source import plain


def hover(file: File, files: Files, at: Position) -> Hover | None:
    """The help of what stands at `at`."""
    if file.kind is None or at.line >= len(file.lines):
        return None
    line = file.lines[at.line]
    place = column(line, at.character)
    hit = hit_at(file.root, at.line + 1, place + 1)
    if file.kind is Kind.PIPELINE and (reference := reference_at(line, place)):
        text = described(Names(file, files, hit.path if hit else ()), reference.parts)
        start, end = (Position(at.line, units(line[:one])) for one in (reference.start, reference.end))
        return _shown(f"`{'.'.join(reference.parts)}`\n\n{text}", Range(start, end)) if text else None
    if hit is None:
        return None
    return _shown(_text(file, files, hit), range_of(hit.scalar.where, file.lines))


def _text(file: File, files: Files, hit: Hit) -> str:
    assert file.kind is not None
    value = str(hit.scalar.value)
    if file.kind is Kind.PIPELINE and not hit.key:
        names = Names(file, files, hit.path)
        last = next((part for part in reversed(hit.path) if not isinstance(part, int)), "")
        if declared := names.named(str(last), value):
            return about(declared)
    data = [plain(one) for one in hit.around]
    schemas = words.at(file.kind, hit.path, data)
    if not hit.key:
        own = next((word.help for word in words.values(schemas) if word.text == value), "")
        return own or words.help_of(schemas)
    return words.help_of(schemas)


def _shown(text: str, where: Range) -> Hover | None:
    return Hover(MarkupContent(MarkupKind.Markdown, text), where) if text.strip() else None
