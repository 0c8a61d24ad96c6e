"""The JSON Schema of the parts of a bench: what `config` may hold follows from `type`."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable
from typing import Any

from flowrunner.bench.aliases import GROUP, PROXIES
from flowrunner.bench.composite import Composite
from flowrunner.driver import Driver
from flowrunner.pipeline.shapes import REF, Schema, either, shape
from flowrunner.plugins import load, types

PROXY: Schema = {
    "title": "proxy",
    "type": "object",
    "description": "Another name for a part.",
    "properties": {"ref": {"title": "ref", "type": "string", "description": "The dotted path of the part."}},
    "required": ["ref"],
    "additionalProperties": False,
}


def complete_entries(definitions: dict[str, Schema]) -> None:
    """Say in the definitions of `Entry` and `LabEntry` what their models leave to the code."""
    drivers: dict[str, type[Driver[Any]]] = {name: load(GROUP, Driver, name) for name in types(GROUP)}
    drivers["composite"] = Composite
    entry = definitions["Entry"]
    aliases = {name: (name, *driver.aliases) for name, driver in drivers.items()} | {"proxy": PROXIES}
    about = {name: _first_line(driver) for name, driver in drivers.items()} | {"proxy": PROXY["description"]}
    for name, driver in drivers.items():
        whole, inner = shape(driver.config_model(), defaults=True)
        definitions |= {**inner, f"driver.{name}": {**whole, "title": name}}
    definitions["driver.proxy"] = PROXY
    entry["properties"]["type"] |= _types(about, [path for names in aliases.values() for path in names[1:]])
    entry["allOf"] = [_config(name, names, definitions[f"driver.{name}"]) for name, names in aliases.items()]
    entry |= _one_of_three(entry)
    if "LabEntry" in definitions:
        definitions["LabEntry"] |= _one_place(definitions["LabEntry"])
        definitions["LabEntry"]["properties"]["passphrase"] |= _text_or("TextFrom")


def _first_line(driver: type) -> str:
    return (inspect.getdoc(driver) or "").partition("\n\n")[0].replace("\n", " ")


def _types(about: dict[str, str], paths: list[str]) -> Schema:
    names = {"type": "string", "enum": list(about), "markdownEnumDescriptions": list(about.values())}
    return either(names, _one_of(paths), {"type": "null"})


def _one_of(names: Iterable[str]) -> Schema:
    """One of `names`, of which none is offered."""
    return {"type": "string", "pattern": f"^({'|'.join(map(re.escape, names))})$"}


def _config(name: str, names: tuple[str, ...], config: Schema) -> Schema:
    """What goes with one type."""
    reference: Schema = {"$ref": f"{REF}driver.{name}"}
    needed = config.get("required", [])
    then: Schema = {
        "properties": {
            "config": {**(reference if needed else either(reference, {"type": "null"})), "doNotSuggest": True}
        }
    }
    if needed:
        then |= {"required": ["config"], "errorMessage": f"{name} needs a config with {' and '.join(needed)}"}
    return {"if": {"properties": {"type": _one_of(names)}, "required": ["type"]}, "then": then}


def _one_of_three(entry: Schema) -> Schema:
    """A part has a type or children, or is a reference."""
    alone = dict.fromkeys(("type", "config", "children"), False)
    said = "a part has a type, or children, or a ref"
    return {
        "title": "part",
        "dependencies": {"ref": {"properties": alone, "errorMessage": "a ref goes with no type, config or children"}},
        "if": {"propertyNames": {"enum": list(entry["properties"])}},
        "then": {
            "anyOf": [{"required": ["type"], "errorMessage": said}, {"required": ["children"]}, {"required": ["ref"]}]
        },
    }


def _text_or(definition: str) -> Schema:
    """Text, or a mapping of that definition."""
    forms = either({"type": ["string", "object"], "errorMessage": "text or a mapping belongs here"}, {"type": "null"})
    return {**forms, "if": {"type": "object"}, "then": {"$ref": f"{REF}{definition}"}}


def _one_place(entry: Schema) -> Schema:
    """An exporter of a lab is in a file of its own, or right here, or listens somewhere."""
    said = "an exporter has one of file, export and endpoint"
    near = {"file": ("export", "endpoint"), "export": ("file", "endpoint"), "endpoint": ("file", "export")}
    only = dict.fromkeys(("tls", "passphrase", "grace"), "goes with an endpoint")
    return {
        "dependencies": {
            **{key: {"properties": dict.fromkeys(others, False), "errorMessage": said} for key, others in near.items()},
            **{key: {"required": ["endpoint"], "errorMessage": f"{key} {why}"} for key, why in only.items()},
        },
        "if": {"propertyNames": {"enum": list(entry["properties"])}},
        "then": {
            "anyOf": [
                {"required": ["file"], "errorMessage": said},
                {"required": ["export"]},
                {"required": ["endpoint"]},
            ]
        },
    }
