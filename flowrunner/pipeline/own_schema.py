"""The schema of one pipeline: that of all, which also knows its templates, its devices, and the labels of its lab."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from collections.abc import Mapping as Map
from pathlib import Path

from flowrunner.errors import Span
from flowrunner.pipeline.compiler import library_of
from flowrunner.pipeline.devices import members
from flowrunner.pipeline.library import Library, Template
from flowrunner.pipeline.schema import pipeline_schema
from flowrunner.pipeline.shapes import Schema, or_expression, shape
from flowrunner.source import Mapping, Node, Sequence


def own_schema(path: Path, environment: Map[str, str], selectors: Iterable[str] = ()) -> Schema:
    """The schema of the pipeline in the file `path`; `selectors` are offered for devices.

    Templates of included files are known with their inputs and devices, also while the file has other mistakes.

    Raises:
        PipelineErrors: it is no pipeline at all.
    """
    library, root = library_of(path, environment)
    whole = pipeline_schema()
    parts: dict[str, Schema] = whole["definitions"]
    devices, selectors = sorted(set(_devices(root))), sorted(set(selectors))
    _suggest(parts["step.device"], devices)
    _suggest(parts["device"]["properties"]["selector"], selectors)
    for holder in (parts["step.devices"], whole["properties"]["devices"]):
        _suggest(holder["additionalProperties"]["anyOf"][0], selectors)  # a bare text is one
    names = library.names()
    if names:
        told = {key: value for key, value in parts["call"].items() if key not in ("pattern", "errorMessage")}
        parts["call"] = {**told, "enum": names}
        call = parts["step"]["else"]["else"]["then"]
        call["allOf"] = [_called(parts, library, name, root.where, devices) for name in names]
    return {**whole, "title": path.name}


def _called(parts: dict[str, Schema], library: Library, name: str, where: Span, devices: list[str]) -> Schema:
    """What a call of `name` must be like."""
    template = library.find(name, where)
    then: Schema = {}
    if template is not None:
        given, inner = shape(template.accepts, dynamic=True)
        parts.update({f"call.{name}.{key}": value for key, value in inner.items()})
        then = {"properties": {"with": _inputs(given, template, name), "devices": _roles(template, devices)}}
        if given.get("required"):
            then |= {"required": ["with"]}
    return {"if": {"properties": {"call": {"const": name}}, "required": ["call"]}, "then": then}


def _inputs(given: Schema, template: Template, name: str) -> Schema:
    """The inputs, each with its type, or as an expression."""
    properties = {key: or_expression(value) for key, value in given.get("properties", {}).items()}
    needed = {"required": given["required"]} if given.get("required") else {}
    about = f"The inputs of the template '{name}'."
    return {"title": "with", "type": "object", "description": about, "properties": properties,
            "additionalProperties": False, **needed}  # fmt: skip


def _roles(template: Template, devices: list[str]) -> Schema:
    role: Schema = {"type": "string", **({"anyOf": [{"enum": devices}, {}]} if devices else {})}
    return {"type": "object", "properties": dict.fromkeys(template.roles, role), "additionalProperties": False}


def _suggest(schema: Schema, words: Iterable[str]) -> None:
    """Let editors offer `words` where any text is good."""
    if words:
        rest = schema.pop("anyOf", None) or [{"type": schema.pop("type")}]
        schema["anyOf"] = [{"enum": list(words)}, *rest]


def _devices(node: Node) -> Iterator[str]:
    """The devices that are declared anywhere in a file, but for those of calls, which are named there."""
    if isinstance(node, Sequence):
        for item in node.items:
            yield from _devices(item)
    if not isinstance(node, Mapping):
        return
    for key, value in node.entries:
        if key.value == "devices" and isinstance(value, Mapping) and not node.key("call"):
            for name, one in value.entries:
                yield from members(str(name.value), one)
        elif key.value != "devices":
            yield from _devices(value)
