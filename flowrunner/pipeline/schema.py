"""The JSON Schema of a pipeline, generated from the models that the compiler itself uses."""

from __future__ import annotations

import inspect
from typing import Any

from pydantic import BaseModel

from flowrunner.pipeline.devices import interface_names
from flowrunner.pipeline.editors import NAMES, finished
from flowrunner.pipeline.job_keys import JobKeys
from flowrunner.pipeline.jobs import NOT_HERE as OF_JOBS
from flowrunner.pipeline.judge import judge
from flowrunner.pipeline.language import (
    DefaultKeys,
    DeviceKeys,
    InputKeys,
    PipelineKeys,
    ScopeKeys,
    SecretKeys,
    WatchKeys,
)
from flowrunner.pipeline.marks import key_of
from flowrunner.pipeline.reuse_keys import IncludeKeys, RoleKeys, TemplateInputKeys, TemplateKeys
from flowrunner.pipeline.rollout_keys import PERCENT, RolloutKeys, WaveKeys
from flowrunner.pipeline.shapes import EXPRESSION, REF, Schema, either, examples, shape
from flowrunner.pipeline.step_schema import add_step
from flowrunner.plugins import load, types
from flowrunner.source import parse, plain
from flowrunner.step import Step


def pipeline_schema() -> Schema:
    """The schema of a pipeline, with every action that is installed."""
    definitions = Definitions()
    whole = definitions.add_fields(PipelineKeys)
    scope = _scope(definitions)
    actions = {name: definitions.action(name) for name in types("flowrunner.steps")}
    add_step(definitions, actions, scope)
    whole["properties"] |= scope | {
        "inputs": _named(definitions.model(InputKeys, "input"), PipelineKeys, "inputs"),
        "secrets": _named(definitions.model(SecretKeys, "secret"), PipelineKeys, "secrets"),
        "include": _named(_include(definitions), PipelineKeys, "include"),
        "templates": _named(_template(definitions, scope), PipelineKeys, "templates"),
        "jobs": _named(_job(definitions, scope), PipelineKeys, "jobs") | {"minProperties": 1},
        "steps": {"$ref": f"{REF}steps"},
    }
    something = {
        "if": {"anyOf": [{"required": ["templates"]}, {"required": ["jobs"]}]},
        "else": {"required": ["steps"], "errorMessage": NOTHING},
    }
    either_or = {
        "if": {"required": ["jobs"]},
        "then": {
            "properties": {"steps": False, **dict.fromkeys(OF_JOBS, False)},
            "errorMessage": "a pipeline with jobs leaves this to them",
        },
    }
    return finished("pipeline", {**whole, "allOf": [something, either_or], "definitions": definitions})


NOTHING = "a pipeline has steps: what to do, in order; or jobs; a library of templates has templates"


def _job(definitions: Definitions, scope: dict[str, Schema]) -> Schema:
    whole = definitions.add_fields(JobKeys)
    values: Schema = {"anyOf": [{"type": "array", "minItems": 1}, {"$ref": f"{REF}expression"}]}
    one: Schema = {"type": "object", "propertyNames": NAMES}
    matrix = definitions["StrategyKeys"]["properties"]["matrix"]
    matrix |= {"properties": {word: {"type": "array", "items": one} for word in ("include", "exclude")}}
    matrix |= {"additionalProperties": values, "propertyNames": NAMES}
    definitions["RetryKeys"]["properties"]["between"]["items"] = {"$ref": f"{REF}step"}
    _rollout(definitions)
    whole["properties"] |= {**scope, "steps": {"$ref": f"{REF}steps"}}
    definitions["pipeline.job"] = whole
    return {"$ref": f"{REF}pipeline.job"}


def _rollout(definitions: Definitions) -> None:
    """What a rollout has: waves with gates, shares of a fleet, and a way back."""
    strategy = definitions["StrategyKeys"]
    strategy["properties"]["rollout"] = definitions.model(RolloutKeys, "rollout")
    strategy["if"] = {"propertyNames": {"enum": list(strategy["properties"])}}
    strategy["then"] = {
        "oneOf": [{"required": [key]} for key in ("matrix", "rollout")],
        "errorMessage": "a strategy is a matrix or a rollout",
    }
    wave = definitions.model(WaveKeys, "rollout.wave")
    share = {"anyOf": [{"type": "integer", "minimum": 1}, {"type": "string", "pattern": f"^{PERCENT.pattern}$"}]}
    definitions["rollout.wave"]["properties"]["size"] |= share
    definitions["rollout.wave"]["properties"]["gate"] |= {"items": {"$ref": f"{REF}step"}, "minItems": 1}
    definitions["UnavailableKeys"]["properties"]["count"] |= share
    definitions["rollout"]["properties"]["waves"] |= {"items": wave, "minItems": 1}
    definitions["rollout"]["properties"]["halt_when"]["items"] = {"$ref": f"{REF}expression"}


def _include(definitions: Definitions) -> Schema:
    """A path, or where else the file is."""
    whole = definitions.add_fields(IncludeKeys)
    whole["properties"]["digest"]["pattern"] = "^sha256:[0-9a-f]{64}$"
    places = ("file", "git", "oci")
    whole["if"] = {"propertyNames": {"enum": list(whole["properties"])}}
    whole["then"] = {
        "oneOf": [{"required": [key]} for key in places],
        "errorMessage": "it needs one of file, git and oci",
    }
    definitions["pipeline.include"] = whole
    path = {"type": "string", "description": "The path of a file; it starts at the folder of this one."}
    return either(path, {"$ref": f"{REF}pipeline.include"})


def _template(definitions: Definitions, scope: dict[str, Schema]) -> Schema:
    whole = definitions.add_fields(TemplateKeys)
    role = definitions.model(RoleKeys, "pipeline.role")
    definitions["pipeline.role"]["properties"]["requires"]["items"]["enum"] = sorted(interface_names())
    inputs = definitions.model(TemplateInputKeys, "pipeline.input")
    whole["properties"] |= {key: value for key, value in scope.items() if key != "queue_timeout"} | {
        "inputs": _named(inputs, TemplateKeys, "inputs"),
        "devices": _named(role, TemplateKeys, "devices"),
        "steps": {"$ref": f"{REF}steps"},
    }
    del whole["properties"]["queue_timeout"]
    definitions["pipeline.template"] = whole
    return {"$ref": f"{REF}pipeline.template"}


def action_schema(name: str) -> Schema:
    """The schema of what stands under the key of one action.

    Raises:
        UnknownType: there is no such action.
    """
    definitions = Definitions()
    found = definitions.action(name)
    return finished(name, {**found, "definitions": definitions})


class Definitions(dict[str, Schema]):
    """The parts that a schema refers to, by name."""

    def __init__(self) -> None:
        super().__init__(expression=EXPRESSION)

    def model(self, kind: type[BaseModel], name: str) -> Schema:
        """A reference to the schema of a model of the language, which is called `name`."""
        self[name] = self.add_fields(kind)
        return {"$ref": f"{REF}{name}"}

    def add_fields(self, kind: type[BaseModel]) -> Schema:
        """The schema of a model of the language; what it refers to becomes a definition."""
        whole, inner = shape(kind)
        self.update(inner)
        return whole

    def parameters(self, name: str) -> Schema:
        """The parameters of an action as a mapping; what it refers to becomes a definition."""
        whole, inner = shape(load("flowrunner.steps", Step, name), dynamic=True, defaults=True)
        renamed = {one: f"{name}.{one}" for one in inner}
        self.update({renamed[one]: _renamed(schema, renamed) for one, schema in inner.items()})
        found: Schema = _renamed(whole, renamed)
        return found

    def action(self, name: str) -> Schema:
        """What may stand under the key of an action: its parameters, or the shorthand of the main one."""
        kind = load("flowrunner.steps", Step, name)
        whole = self.parameters(name)
        about = {"title": name, "description": whole.pop("description")}
        about["markdownDescription"] = inspect.getdoc(kind) or about["description"]
        choices = [whole, {"type": "null"}] if judge(kind, {})[0] else [whole]
        if kind.shorthand:
            field = whole["properties"][key_of(kind.shorthand, kind.model_fields[kind.shorthand])]
            choices.insert(0, _scalar(field, _shown(name, kind)))
        found = either(*choices)
        return {**about, **(found if "anyOf" in found else _only_a_mapping(found))}


def _scalar(field: Schema, shown: list[str]) -> Schema:
    """What a bare scalar may be: a shorthand is never a list or a mapping."""
    scalar = {key: value for key, value in field.items() if key not in ("title", "default", "description")}
    if "anyOf" in scalar:
        scalar = either(*(b for b in scalar["anyOf"] if b.get("type") not in ("array", "object", "null")))
    first, *rest = scalar.get("anyOf", [scalar])
    return either({**first, "examples": shown} if shown and "enum" not in first else first, *rest)


def _only_a_mapping(whole: Schema) -> Schema:
    """`whole`, with a message for anything else."""
    rest = {key: value for key, value in whole.items() if key != "type"}
    keys = " and ".join(whole.get("required") or whole["properties"])
    return {"type": "object", "errorMessage": f"a mapping with {keys} belongs here", "allOf": [rest]}


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


def _shown(action: str, kind: type[Step]) -> list[str]:
    """The shorthands of an action in the YAML of its docstring."""
    root = parse(examples(kind), action).root
    pipeline = plain(root) if root is not None else {}
    values = [step[action] for step in pipeline.get("steps", []) if action in step]
    return [value for value in values if isinstance(value, str)]


def _scope(definitions: Definitions) -> dict[str, Schema]:
    """The keys that mean the same on a pipeline and on a block."""
    own = definitions.add_fields(ScopeKeys)["properties"]
    watch = definitions.model(WatchKeys, "watch")
    own["devices"] = _devices(definitions)
    own["outputs"]["propertyNames"] = NAMES
    own["defaults"] = {"title": "defaults", "description": own["defaults"]["description"], **_defaults(definitions)}
    own["watch"]["items"] = watch
    for name in ("rescue", "finally"):
        own[name]["items"] = {"$ref": f"{REF}step"}
    found: dict[str, Schema] = dict(sorted(own.items()))
    return found


def _devices(definitions: Definitions) -> Schema:
    device = definitions.model(DeviceKeys, "device")
    definitions["device"]["properties"]["requires"]["items"]["enum"] = sorted(interface_names())
    selector = {"type": "string", "description": "A Kubernetes label selector such as `board=rpi4,!reserved`."}
    return _named(either(selector, device), ScopeKeys, "devices")


def _defaults(definitions: Definitions) -> Schema:
    """Common keys, and some of the parameters of each action."""
    whole = definitions.add_fields(DefaultKeys)
    for name in types("flowrunner.steps"):
        found = definitions.parameters(name)
        for value in found["properties"].values():
            value.pop("default", None)
        about = {"title": name, "description": f"What the parameters of {name} are unless a step says otherwise."}
        whole["properties"][name] = about | {key: found[key] for key in ("type", "properties", "additionalProperties")}
    definitions["defaults"] = whole
    return {"$ref": f"{REF}defaults"}


def _named(value: Schema, kind: type[BaseModel], key: str) -> Schema:
    """A mapping from names to `value`."""
    described = kind.model_fields[key].description or ""
    names = {"propertyNames": NAMES, "additionalProperties": value}
    return {"title": key, "type": "object", "description": described, **names}
