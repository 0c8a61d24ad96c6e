"""The same schema, arranged so that editors say what is meant and offer no noise.

An editor that finds that no branch of an `anyOf` fits complains about the first, and where several have the wrong type
about all their types. So mappings and lists are told apart by type, and what an author hardly ever means, nothing and
an expression, comes last and is never named or offered. The words `errorMessage`, `markdownDescription`, `doNotSuggest`
and `defaultSnippets` are known to VS Code and yaml-language-server; everything else passes over them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping as Map
from typing import Any

from flowrunner.model import Duration, Size
from flowrunner.pipeline.ids import NAME, NAMING
from flowrunner.pipeline.shapes import AN_EXPRESSION, DRAFT, EXPRESSION, REF, Schema

NAMES: Schema = {"pattern": f"^{NAME.pattern}$", "errorMessage": NAMING, "doNotSuggest": True}
"""What ids, roles and the names of inputs are; for `propertyNames`."""


def finished(title: str, schema: Schema) -> Schema:
    """A schema as it is written: with its draft and its title, sorted, and arranged for editors."""
    definitions: dict[str, Schema] = schema["definitions"]
    found = _arrange(schema, {f"{REF}{name}": one for name, one in definitions.items()})
    text = json.dumps(found)
    used = {name: one for name, one in ONLY.items() if f'"{REF}{name}"' in text}
    found["definitions"] = dict(sorted({**found["definitions"], **used}.items()))
    return {"$schema": DRAFT, **found, "title": title}


def _only(*kinds: str) -> Schema:
    """Values of these types. Said with `not`, it names nothing in messages and offers nothing."""
    return {"not": {"type": [k for k in ("string", "number", "boolean", "null", "array", "object") if k not in kinds]}}


ONLY = {
    "only.nothing": _only("null"),
    "only.list": _only("array"),
    "only.mapping": _only("object"),
    "only.list_or_mapping": _only("array", "object"),
}
"""Definitions that every schema may refer to."""

_VALUES = {"enum", "const", "default", "examples", "required", "defaultSnippets"}
"""What holds values and no schemas."""

_NAMED = {"properties", "patternProperties", "definitions", "dependencies"}
"""What holds schemas by name: a key of ours may be called `pattern` or `default`."""

_MESSAGES = {NAMES["pattern"]: NAMING} | {
    kind.pattern: f"{kind.noun} has a unit, such as {' or '.join(kind.examples)}" for kind in (Duration, Size)
}
"""What is said of a value that does not fit, by pattern."""

_CONTAINERS = {"array": "list", "object": "mapping"}
_YAML_1_1 = {"on", "off", "yes", "no"}


def _arrange(schema: Any, targets: Map[str, Schema]) -> Any:
    """`schema` and all in it; it accepts the same. `targets` is what references lead to."""
    if isinstance(schema, list):
        return [_arrange(item, targets) for item in schema]
    if not isinstance(schema, dict):
        return schema
    kept = {key: _inside(key, value, targets) for key, value in schema.items()}
    if schema == EXPRESSION:
        kept |= _only(kept.pop("type"))
    if "required" in kept and "properties" in kept:
        kept["allOf"] = [*kept.get("allOf", []), _needed(kept)]
    if kept.get("pattern") in _MESSAGES:
        kept.setdefault("errorMessage", _MESSAGES[kept["pattern"]])
    if "`" in kept.get("description", ""):
        kept.setdefault("markdownDescription", kept["description"])
    if "anyOf" in kept:
        kept |= _choice(kept.pop("anyOf"), targets)
    if "$ref" in kept and len(kept) > 1:  # draft 7 passes over what stands beside a reference
        reference = kept.pop("$ref")
        kept = {"description": targets[reference]["description"], **kept, "anyOf": [{"$ref": reference}]}
    return _unquoted_keys(_unquoted_words(kept), targets)


def _needed(kept: Schema) -> Schema:
    """What a mapping must have, taken out of it: beside `properties` it makes an item of its own in what is offered.

    Where a key is wrong, that none is there is not said as well.
    """
    found: Schema = {key: kept.pop(key) for key in ("required", "errorMessage") if key in kept}
    if kept.get("additionalProperties") is not False:
        return found
    return {"if": {"propertyNames": {"enum": list(kept["properties"])}}, "then": found}


def _inside(key: str, value: Any, targets: Map[str, Schema]) -> Any:
    if key in _NAMED:
        return {name: _arrange(schema, targets) for name, schema in value.items()}
    return value if key in _VALUES else _arrange(value, targets)


def _choice(branches: list[Schema], targets: Map[str, Schema]) -> Schema:
    """A choice of `branches`: first what a scalar may be; what a container must be like is apart."""
    quiet = [
        {"$ref": f"{REF}only.nothing"} if branch == _NULL else branch
        for branch in branches
        if branch in (_NULL, AN_EXPRESSION)
    ]
    spoken = [branch for branch in branches if branch not in (_NULL, AN_EXPRESSION)]
    inside: dict[str, list[Schema]] = {}
    for branch in spoken:
        kind = targets.get(branch.get("$ref", ""), branch).get("type")
        inside.setdefault(str(kind), []).append(branch)
    kinds = [kind for kind in _CONTAINERS if kind in inside]
    loud = [branch for kind, found in inside.items() if kind not in kinds for branch in found]
    loud.sort(key=lambda branch: "errorMessage" not in branch)
    if not kinds:
        return {"anyOf": [*loud, *quiet]}
    words = [_CONTAINERS[kind] for kind in kinds]
    quietly = {"$ref": f"{REF}only.{'_or_'.join(words)}"}
    fits = quietly if loud else {"type": kinds, "errorMessage": f"a {' or a '.join(words)} belongs here"}
    return {"anyOf": [*loud, fits, *quiet], **_by_type({kind: inside[kind] for kind in kinds})}


_NULL: Schema = {"type": "null"}


def _by_type(inside: dict[str, list[Schema]]) -> Schema:
    (kind, schemas), *rest = inside.items()
    then = schemas[0] if len(schemas) == 1 else {"anyOf": schemas}
    return {"if": {"type": kind}, "then": then, **({"else": _by_type(dict(rest))} if rest else {})}


def _unquoted_words(schema: Schema) -> Schema:
    """Words such as `on`, which are text in YAML 1.2, are offered without the quotes of YAML 1.1."""
    if not any(word in _YAML_1_1 for word in schema.get("enum", [])):
        return schema
    rest = {key: value for key, value in schema.items() if key != "enum"}
    offered = [{"label": word, "bodyText": word} for word in schema["enum"]]
    return {**rest, "if": True, "then": {"enum": schema["enum"]}, "defaultSnippets": offered}


def _unquoted_keys(schema: Schema, targets: Map[str, Schema]) -> Schema:
    """The same for keys; such a key holds a list."""
    keys = {key: value for key, value in schema.get("properties", {}).items() if key in _YAML_1_1}
    if not keys:
        return schema
    about = {key: {**targets.get(value.get("$ref", ""), {}), **value}["description"] for key, value in keys.items()}
    whole = {key: {"description": about[key], "anyOf": [v]} if "$ref" in v else v for key, v in keys.items()}
    hidden = {key: {**value, "doNotSuggest": True} for key, value in whole.items()}
    offered = [{"label": key, "bodyText": f"{key}: [$1]", "description": about[key]} for key in keys]
    return {**schema, "properties": {**schema["properties"], **hidden}, "defaultSnippets": offered}
