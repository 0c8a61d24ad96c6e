"""The JSON Schema of a step: as long as it has no action, all of them are offered; behind it what goes with it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from flowrunner.pipeline.editors import NAMES
from flowrunner.pipeline.ids import NAME
from flowrunner.pipeline.language import CommonKeys, ReadyKeys
from flowrunner.pipeline.shapes import REF, Schema, either, shape

FAIL_FAST = "Whether the first branch that does not pass ends the others. The default is `true`."

Parts = dict[str, Schema]
"""Definitions, or properties, by name."""


def add_step(definitions: Parts, actions: Parts, scope: Parts) -> None:
    """Define `step` and `steps`; `scope` are the keys of those blocks that are scopes."""
    blocks = _blocks(definitions, actions, scope)
    common = _common(definitions)
    only_scope = {key: value for key, value in scope.items() if key not in common}
    for name, schema in {**actions, **blocks}.items():
        definitions[name] = schema
    for name, schema in {**common, **only_scope}.items():
        definitions[f"step.{name}"] = schema
    definitions["step.with"] = _with()
    definitions["call.devices"] = _call_devices()
    definitions["step"] = _step([*actions, *blocks], common, only_scope)
    definitions["steps"] = _steps("steps", "What to do, in order.")


def _steps(title: str, description: str) -> Schema:
    fits = {"type": "array", "errorMessage": "a list of steps belongs here"}
    return {"title": title, "description": description, **fits, "items": {"$ref": f"{REF}step"}, "minItems": 1}


def _step(names: Iterable[str], common: Iterable[str], scope: Iterable[str]) -> Schema:
    deeds = {name: {"$ref": REF + name} for name in names}
    keys = {name: {"$ref": f"{REF}step.{name}"} for name in common}
    scopes = {name: {"$ref": f"{REF}step.{name}"} for name in scope}
    called = {"with": {"$ref": f"{REF}step.with"}, "devices": {"$ref": f"{REF}call.devices"}}
    undecided = {
        **_closed({**deeds, **keys, **_hidden({**scopes, "with": called["with"]})}),
        "if": {"propertyNames": {"enum": list(keys)}},
        "then": {"required": ["an action"], "errorMessage": "a step has exactly one action, such as power or expect"},
    }
    block = _closed({**_hidden(deeds), **keys, **scopes})
    call = _closed({**_hidden(deeds), **keys, **called})
    action = {
        **_closed({**_hidden(deeds), **keys, **_hidden({**scopes, "with": called["with"]})}),
        "allOf": [
            {
                "patternProperties": {_any_of(scopes): False},
                "errorMessage": "only blocks have this key: put the step into a group",
            },
            {"properties": {"with": False}, "errorMessage": "only call has this key"},
        ],
    }
    return {
        "title": "step",
        "type": "object",
        "description": "One step: exactly one action, and the keys that every step may have.",
        "errorMessage": "a step is a mapping with one action, such as 'power: cycle'",
        "dependencies": _exclusive(list(deeds)),
        "if": {"patternProperties": {_any_of(deeds): {"type": "null"}}},
        "then": undecided,
        "else": {
            "if": {"anyOf": [{"required": ["group"]}, {"required": ["lease"]}, {"required": ["parallel"]}]},
            "then": block,
            "else": {"if": {"required": ["call"]}, "then": call, "else": action},
        },
    }


def _with() -> Schema:
    about = "The inputs of the template."
    fits = {"type": "object", "errorMessage": "a mapping of inputs belongs here"}
    return {"title": "with", "description": about, **fits}


def _call_devices() -> Schema:
    """The devices of a call: names, where those of a lease are what must fill them."""
    name: Schema = {
        "type": "string",
        "pattern": f"^{NAME.pattern}$",
        "errorMessage": "the name of a device, from devices",
    }
    about = "For each device of the template one of those here; implied when it has the same name, or is the only one."
    whole: Schema = {"title": "devices", "type": "object", "description": about, "propertyNames": NAMES}
    return {**whole, "additionalProperties": name}


def _closed(properties: Parts) -> Schema:
    return {"properties": properties, "additionalProperties": False}


def _hidden(properties: Parts) -> Parts:
    """`properties`, which are not offered."""
    return {name: {**schema, "doNotSuggest": True} for name, schema in properties.items()}


def _any_of(names: Iterable[str]) -> str:
    return f"^({'|'.join(re.escape(name) for name in names)})$"


def _exclusive(names: list[str]) -> Mapping[str, Schema]:
    """Of `names` at most one; of two the later one by name is blamed."""
    return {
        name: {
            "patternProperties": {_any_of(names[position + 1 :]): False},
            "errorMessage": f"a step has exactly one action, this one has {name} too",
        }
        for position, name in enumerate(names[:-1])
    }


def _common(definitions: Parts) -> Parts:
    whole, inner = shape(CommonKeys)
    definitions.update(inner)
    definitions["RetryKeys"]["properties"]["between"]["items"] = {"$ref": f"{REF}step"}
    found: Parts = whole["properties"]
    return found


def _blocks(definitions: Parts, actions: Parts, scope: Parts) -> Parts:
    """The blocks, and what else is no action."""
    definitions["ready"], inner = shape(ReadyKeys)
    definitions.update(inner)
    commands: Parts = {name: {"$ref": REF + name} for name in ("run", "shell") if name in actions}
    pattern = {"type": "string", "format": "regex"}
    ready = {"title": "ready", "description": definitions["ready"]["description"]}
    return {
        "group": _steps("group", "Steps that are limited, retried or repeated together."),
        "lease": {
            "title": "lease",
            "type": "object",
            "description": "Lease devices, run steps with them, release them.",
            "properties": {"devices": scope["devices"], "steps": {"$ref": f"{REF}steps"}},
            "required": ["devices", "steps"],
            "additionalProperties": False,
        },
        "parallel": {
            "title": "parallel",
            "type": "object",
            "description": "Branches that run beside each other.",
            "errorMessage": "a mapping with branches belongs here",
            "properties": {
                "fail_fast": {"type": "boolean", "title": "fail_fast", "description": FAIL_FAST},
                "branches": {
                    "title": "branches",
                    "type": "object",
                    "description": "Lists of steps by name.",
                    "propertyNames": NAMES,
                    "additionalProperties": {"$ref": f"{REF}steps"},
                },
            },
            "required": ["branches"],
            "additionalProperties": False,
        },
        "barrier": {
            "title": "barrier",
            "type": "string",
            "description": "Wait here until the other branches that name this barrier are there too.",
            "pattern": f"^{NAME.pattern}$",
            "errorMessage": "a barrier has a name; it stands right in a branch of parallel",
        },
        "call": {
            "title": "call",
            "description": "A template: `boot` of this file, or `hil.boot` of the one that is included as `hil`.",
            "type": "string",
            "pattern": r"^[a-z_][a-z0-9_]*(\.[a-z_][a-z0-9_]*)?$",
            "errorMessage": "call has the name of a template, such as boot or hil.boot",
        },
        "background": {
            "title": "background",
            "type": "object",
            "description": "A command that goes on beside the rest of its scope.",
            **_closed({**commands, "ready": {**ready, **either(pattern, {"$ref": f"{REF}ready"})}}),
            "if": {"required": ["run"]},
            "then": {"properties": {"shell": False}, "errorMessage": "it has either run or shell, this one has both"},
            "else": {"required": ["shell"], "errorMessage": "it needs run or shell"},
        },
    }
