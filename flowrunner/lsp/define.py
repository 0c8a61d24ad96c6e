"""Where a name is declared: through includes, templates, calls, devices, ids and expressions."""

from __future__ import annotations

import inspect
from pathlib import Path

from lsprotocol.types import Location, Position, Range

from flowrunner.driver import Driver
from flowrunner.errors import FlowrunnerError
from flowrunner.lsp.expressions import meant, reference_at
from flowrunner.lsp.files import File, Files, Kind
from flowrunner.lsp.names import Declared, Names
from flowrunner.lsp.node import Hit, hit_at
from flowrunner.lsp.places import column, location
from flowrunner.plugins import load, types
from flowrunner.source import Mapping
from flowrunner.step import Step


def define(file: File, files: Files, at: Position) -> Location | None:
    """Where what stands at `at` is declared; None when that is not known."""
    if file.kind is None or at.line >= len(file.lines):
        return None
    line = file.lines[at.line]
    place = column(line, at.character)
    hit = hit_at(file.root, at.line + 1, place + 1)
    if file.kind is not Kind.PIPELINE:
        return _in_bench(file, hit) if hit else None
    names = Names(file, files, hit.path if hit else ())
    reference = reference_at(line, place)
    if reference:
        return _at(meant(names, reference.parts))
    return _in_pipeline(names, hit) if hit else None


def _in_pipeline(names: Names, hit: Hit) -> Location | None:
    text = str(hit.scalar.value)
    words = tuple(part for part in hit.path if not isinstance(part, int))
    if hit.key:
        return _of_key(names, hit, text, words)
    last = words[-1] if words else ""
    if declared := names.named(last, text):
        return _at(declared)
    if words[:1] == ("include",):
        other = names.included(words[1])
        return Location(other.path.absolute().as_uri(), _START) if other and last != "digest" else None
    if words[-2:-1] == ("devices",) and "call" in _keys(hit, -2):
        return _at(names.roles.get(text))
    return None


def _of_key(names: Names, hit: Hit, text: str, words: tuple[str, ...]) -> Location | None:
    """An action leads to its code, a key of `with` or `devices` of a call to the template."""
    if words[-2:-1] in (("with",), ("devices",)) and len(hit.around) > 1:
        call = hit.around[-2].get("call")
        template = names.template(str(getattr(call, "value", ""))) if call else None
        if template and isinstance(template.value, Mapping):
            holder = template.value.get("inputs" if words[-2] == "with" else "devices")
            key = holder.key(text) if isinstance(holder, Mapping) else None
            return _at(Declared(key, template.value, template.file)) if key else None
    if text in types("flowrunner.steps") and len(hit.path) > 1 and isinstance(hit.path[-2], int):
        return _code("flowrunner.steps", text)
    return None


def _in_bench(file: File, hit: Hit) -> Location | None:
    """A driver leads to its code, a file of an exporter to that."""
    last, text = str(hit.path[-1]) if hit.path else "", str(hit.scalar.value)
    if last == "type" and not hit.key and text in types("flowrunner.drivers"):
        return _code("flowrunner.drivers", text)
    if last == "file" and not hit.key and (path := file.path.parent / text).is_file():
        return Location(path.absolute().as_uri(), _START)
    return None


def _code(group: str, name: str) -> Location | None:
    try:
        found: type = load("flowrunner.steps", Step, name) if group == "flowrunner.steps" else _driver(name)
        source, line = inspect.getsourcefile(found), inspect.getsourcelines(found)[1]
    except (FlowrunnerError, OSError, TypeError):
        return None
    where = Range(Position(line - 1, 0), Position(line - 1, 0))
    return Location(Path(source).as_uri(), where) if source else None


def _driver(name: str) -> type:
    return load("flowrunner.drivers", Driver, name)


def _keys(hit: Hit, level: int) -> set[str]:
    return {str(key.value) for key, _ in hit.around[level].entries} if len(hit.around) >= -level else set()


def _at(declared: Declared | None) -> Location | None:
    return location(declared.key.where, declared.file.path, declared.file.lines) if declared else None


_START = Range(Position(0, 0), Position(0, 0))
