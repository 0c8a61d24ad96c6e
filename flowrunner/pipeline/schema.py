"""The JSON Schema of a pipeline, generated from the models that the compiler itself uses."""

from __future__ import annotations

import inspect
import json
from typing import Any

from pydantic import BaseModel

from flowrunner.pipeline.actions import COMMON, SCOPE
from flowrunner.pipeline.devices import interface_names
from flowrunner.pipeline.judge import judge
from flowrunner.pipeline.language import (
    CommonKeys,
    DefaultKeys,
    DeviceKeys,
    InputKeys,
    PipelineKeys,
    ReadyKeys,
    ScopeKeys,
    SecretKeys,
    WatchKeys,
)  # fmt: skip
from flowrunner.pipeline.marks import key_of
from flowrunner.pipeline.shapes import (
    DRAFT,
    EXPRESSION,
    REF,
    Schema,
    either,
    examples,
    shape,
)  # fmt: skip
from flowrunner.plugins import load, types
from flowrunner.source import parse, plain
from flowrunner.step import Step

NAME = "^[a-z_][a-z0-9_]*$"


def pipeline_schema() -> Schema:
    """The schema of a pipeline, with every action that is installed."""
    definitions = Definitions()
    whole = definitions.add_fields(PipelineKeys)
    whole["properties"] |= _scope(definitions) | {
        "inputs": _named(definitions.model(InputKeys, "input"), PipelineKeys, "inputs"),
        "secrets": _named(definitions.model(SecretKeys, "secret"), PipelineKeys, "secrets"),
        "steps": {"$ref": f"{REF}steps"},
    }
    definitions["step"] = _step(definitions)
    definitions["steps"] = {"type": "array", "items": {"$ref": f"{REF}step"}, "minItems": 1}
    return {"$schema": DRAFT, "title": "pipeline", **whole, "definitions": definitions.sorted()}


def action_schema(name: str) -> Schema:
    """The schema of what stands under the key of one action.

    Raises:
        UnknownType: there is no such action.
    """
    definitions = Definitions()
    found = definitions.action(name)
    return {"$schema": DRAFT, "title": name, **found, "definitions": definitions.sorted()}


class Definitions(dict[str, Schema]):
    """The parts that a schema refers to, by name."""

    def __init__(self) -> None:
        super().__init__(expression=EXPRESSION)

    def sorted(self) -> dict[str, Schema]:
        """All of them, by name."""
        return dict(sorted(self.items()))

    def model(self, kind: type[BaseModel], name: str) -> Schema:
        """A reference to the schema of a model of the language, which is called `name`."""
        self[name] = self.add_fields(kind)
        return {"$ref": f"{REF}{name}"}

    def add_fields(self, kind: type[BaseModel]) -> Schema:
        """The schema of a model of the language; what it refers to becomes a definition."""
        whole, inner = shape(kind)
        self.update(inner)
        return whole

    def action(self, name: str) -> Schema:
        """What may stand under the key of an action: its parameters, or the shorthand of the main one."""
        kind = load("flowrunner.steps", Step, name)
        whole, inner = shape(kind, dynamic=True)
        renamed = {one: f"{name}.{one}" for one in inner}
        self.update({renamed[one]: _renamed(schema, renamed) for one, schema in inner.items()})
        whole = {"title": name, **_renamed(whole, renamed)}
        description = whole.pop("description")
        choices = [whole, {"type": "null", "title": "nothing"}] if judge(kind, {})[0] else [whole]
        if kind.shorthand:
            field = whole["properties"][key_of(kind.shorthand, kind.model_fields[kind.shorthand])]
            scalar = {key: value for key, value in field.items() if key not in ("default", "description")}
            # Editors blame the first of two shapes when neither fits: words are first, any text is last.
            choices.insert(0 if "enum" in str(scalar) else len(choices), _without_containers(scalar))
        shown = [value for value in _examples(name, examples(kind)) if isinstance(value, str)]
        about = {"description": description, "markdownDescription": inspect.getdoc(kind) or description}
        return {**about, **({"examples": shown} if shown else {}), **either(*choices)}


def _renamed(schema: Any, names: dict[str, str]) -> Any:
    if isinstance(schema, list):
        return [_renamed(item, names) for item in schema]
    if not isinstance(schema, dict):
        return schema
    target = str(schema.get("$ref", "")).removeprefix(REF)
    return {
        key: REF + names[target] if key == "$ref" and target in names else _renamed(value, names)
        for key, value in schema.items()
    }


def _without_containers(schema: Schema) -> Schema:
    """What a bare scalar may be: a shorthand is never a list or a mapping."""
    if "anyOf" not in schema:
        return schema
    kept = [branch for branch in schema["anyOf"] if branch.get("type") not in ("array", "object", "null")]
    return either(*kept)


def _examples(action: str, text: str) -> list[Any]:
    """The values of an action in the YAML of its docstring. Editors offer scalars; they spoil mappings."""
    root = parse(text, action).root
    pipeline = plain(root) if root is not None else {}
    return [step[action] for step in pipeline.get("steps", []) if action in step]


def _step(definitions: Definitions) -> Schema:
    """A step: the keys that all have, those of a scope, and one property for each action."""
    common = definitions.add_fields(CommonKeys)["properties"]
    definitions["RetryKeys"]["properties"]["between"]["items"] = {"$ref": f"{REF}step"}
    scope = {name: schema for name, schema in _scope(definitions).items() if name not in COMMON}
    actions: dict[str, Schema] = {name: definitions.action(name) for name in types("flowrunner.steps")}
    for name, schema in actions.items():
        definitions[name] = schema
    whole: Schema = {
        "type": "object",
        "description": "One step: exactly one action, and the keys that every step may have.",
        "properties": {
            **{name: {"$ref": f"{REF}{name}", "description": _first(schema)} for name, schema in actions.items()},
            **_blocks(definitions, set(actions)),
            **{key: _told(value) for key, value in common.items()},
            **scope,
        },
        "additionalProperties": False,
        "minProperties": 1,
    }
    return whole


def _told(schema: Schema) -> Schema:
    """`schema` with its default in words: editors write a `default` into every new step."""
    if "default" not in schema:
        return schema
    rest = {key: value for key, value in schema.items() if key != "default"}
    default = json.dumps(schema["default"])
    return {**rest, "description": f"{schema['description']} The default is {default}."}


def _first(schema: Schema) -> str:
    return str(schema.get("description", "")).partition("\n\n")[0].replace("\n", " ")


def _blocks(definitions: Definitions, actions: set[str]) -> Schema:
    """`group`, `lease` and `background`."""
    steps = {"$ref": f"{REF}steps"}
    ready = definitions.model(ReadyKeys, "ready")
    commands = {name: {"$ref": f"{REF}{name}"} for name in ("run", "shell") if name in actions}
    return {
        "group": {**steps, "description": "Steps that are limited, retried or repeated together."},
        "lease": {
            "type": "object",
            "description": "Lease devices, run steps with them, release them.",
            "properties": {"devices": _devices(definitions), "steps": steps},
            "required": ["devices", "steps"],
            "additionalProperties": False,
        },
        "background": {
            "type": "object",
            "description": "A command that goes on beside the rest of its scope.",
            "properties": {**commands, "ready": either({"type": "string", "format": "regex"}, ready)},
            "oneOf": [{"required": [name]} for name in commands],
            "additionalProperties": False,
        },
    }


def _scope(definitions: Definitions) -> dict[str, Schema]:
    """The keys that mean the same on a pipeline and on a block."""
    own = definitions.add_fields(ScopeKeys)["properties"]
    steps = {"type": "array", "items": {"$ref": f"{REF}step"}}
    watch = definitions.model(WatchKeys, "watch")
    own["devices"] = _devices(definitions)
    own["outputs"]["propertyNames"] = {"pattern": NAME}
    own["defaults"] = _defaults(definitions)
    own["watch"] = {"type": "array", "items": watch, "description": own["watch"]["description"]}
    for name in ("rescue", "finally"):
        own[name] = {**steps, "description": own[name]["description"]}
    own["outputs"]["propertyNames"] = {"pattern": NAME}
    own["defaults"] = {"description": str(ScopeKeys.model_fields["defaults"].description), **own["defaults"]}
    return {name: own[name] for name in sorted(SCOPE)}


def _devices(definitions: Definitions) -> Schema:
    device = definitions.model(DeviceKeys, "device")
    definitions["device"]["properties"]["requires"]["items"]["enum"] = sorted(interface_names())
    selector = {"type": "string", "description": "A Kubernetes label selector such as `board=rpi4,!reserved`."}
    return _named(either(selector, device), ScopeKeys, "devices")


def _defaults(definitions: Definitions) -> Schema:
    """Common keys, and some of the parameters of each action."""
    whole = definitions.add_fields(DefaultKeys)
    for name in types("flowrunner.steps"):
        found, inner = shape(load("flowrunner.steps", Step, name), dynamic=True)
        renamed = {one: f"{name}.{one}" for one in inner}
        part = {key: value for key, value in found.items() if key in ("type", "properties", "additionalProperties")}
        whole["properties"][name] = _renamed(part, renamed)
    definitions["defaults"] = whole
    return {"$ref": f"{REF}defaults"}


def _named(value: Schema, kind: type[BaseModel], key: str) -> Schema:
    """A mapping from names to `value`."""
    described = kind.model_fields[key].description or ""
    return {
        "type": "object",
        "description": described,
        "propertyNames": {"pattern": NAME},
        "additionalProperties": value,
    }
