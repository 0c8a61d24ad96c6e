"""What may stand at a place, by the JSON Schemas of the project: keys, values, and their help."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from flowrunner.lab.schema import schemas
from flowrunner.lsp.files import Kind

Schema = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Word:
    """A key or a value that may stand somewhere, with its help in Markdown. `opens` says what a key holds."""

    text: str
    help: str
    opens: str = ""


@cache
def schema_of(kind: Kind) -> Schema:
    """The schema of files of a kind."""
    return schemas()[kind.value]()


def at(kind: Kind, path: Sequence[str | int], around: Sequence[Mapping[str, Any]]) -> list[Schema]:
    """The schemas of the value at `path`; `around` is the data of the mappings on the way to it."""
    root = schema_of(kind)
    found, depth = list(_whole(root, root, _data(around, 0))), 0
    for part in path:
        if isinstance(part, int):
            below = [one["items"] for one in found if isinstance(one.get("items"), dict)]
        else:
            depth += 1
            below = [one for schema in found for one in _named(schema, part)]
        found = [one for schema in below for one in _whole(schema, root, _data(around, depth))]
    return found


def keys(found: Sequence[Schema]) -> list[Word]:
    """The keys that a mapping with one of these schemas may have."""
    words: dict[str, Word] = {}
    for schema in found:
        for name, value in schema.get("properties", {}).items():
            if isinstance(value, dict) and (name not in words or not words[name].help):
                words[name] = Word(name, _help(value), _opens(value))
    return list(words.values())


def values(found: Sequence[Schema]) -> list[Word]:
    """The values that are known to be allowed, or are good examples."""
    words: dict[str, Word] = {}
    for schema in found:
        about = schema.get("markdownEnumDescriptions") or schema.get("enumDescriptions") or []
        for index, value in enumerate(schema.get("enum", [])):
            words.setdefault(_text(value), Word(_text(value), about[index] if index < len(about) else _help(schema)))
        if "const" in schema:
            words.setdefault(_text(schema["const"]), Word(_text(schema["const"]), _help(schema)))
        if schema.get("type") == "boolean":
            words |= {text: Word(text, _help(schema)) for text in ("true", "false") if text not in words}
    return list(words.values())


def help_of(found: Sequence[Schema]) -> str:
    """What these schemas say of themselves: the longest text."""
    return max((_help(schema) for schema in found), key=len, default="")


def _text(value: Any) -> str:
    return {True: "true", False: "false", None: "null"}[value] if value in (True, False, None) else str(value)


def _help(schema: Schema) -> str:
    return str(schema.get("markdownDescription") or schema.get("description") or "")


def _opens(schema: Schema) -> str:
    text = str(
        schema.get("type") or schema.get("if", {}).get("type") or schema.get("$ref") or schema.get("anyOf") or ""
    )
    return "list" if "steps" in text or "array" in text else "mapping" if "object" in text else ""


def _data(around: Sequence[Mapping[str, Any]], depth: int) -> Mapping[str, Any]:
    return around[depth] if depth < len(around) else {}


def _named(schema: Schema, key: str) -> Iterator[Any]:
    own = schema.get("properties", {}).get(key)
    if own is not None:
        yield own
        return
    patterns = [one for pattern, one in schema.get("patternProperties", {}).items() if re.search(pattern, key)]
    yield from patterns
    if not patterns and isinstance(schema.get("additionalProperties"), dict):
        yield schema["additionalProperties"]


def _whole(schema: Any, root: Schema, data: Mapping[str, Any], seen: frozenset[str] = frozenset()) -> Iterator[Schema]:
    """A schema and all that it is made of, as far as `data` does not rule that out."""
    if not isinstance(schema, dict):
        return
    yield schema
    reference = str(schema.get("$ref", ""))
    if reference and reference not in seen:
        target = root["definitions"].get(reference.rpartition("/")[2])
        yield from _whole(target, root, data, seen | {reference})
    for word in ("allOf", "anyOf", "oneOf"):
        for one in schema.get(word, ()):
            yield from _whole(one, root, data, seen)
    if "if" in schema:
        holds = _holds(schema["if"], data)
        for branch, wanted in (("then", True), ("else", False)):
            if holds in (wanted, None):
                yield from _whole(schema.get(branch), root, data, seen)


def _holds(condition: Any, data: Mapping[str, Any]) -> bool | None:
    """Whether `data` meets a condition on the value of a key; None when that is not what it asks."""
    for key, wanted in condition.get("properties", {}).items() if isinstance(condition, dict) else ():
        if isinstance(wanted, dict) and {"const", "enum", "pattern"} & set(wanted):
            value = data.get(key)
            fits = value == wanted["const"] if "const" in wanted else value in wanted.get("enum", [value])
            return value is not None and fits and bool(re.search(wanted.get("pattern", ""), str(value)))
    return None
