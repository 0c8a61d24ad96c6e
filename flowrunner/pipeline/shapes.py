"""JSON Schemas of models: described, with examples, and open for expressions."""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaWarningKind

from flowrunner.describe import described

Schema = dict[str, Any]

DRAFT = "http://json-schema.org/draft-07/schema#"
"""The newest draft that every editor's YAML support knows."""

REF = "#/definitions/"
EXPRESSION: Schema = {
    "title": "expression",
    "type": "string",
    "pattern": r"\$\{\{",
    "description": "An expression: `${{ inputs.image }}`",
}
AN_EXPRESSION: Schema = {"$ref": f"{REF}expression"}


def shape(model: type[BaseModel], *, dynamic: bool = False, defaults: bool = False) -> tuple[Schema, dict[str, Schema]]:
    """The schema of `model`, and those that it refers to by name.

    Expressions are let in where the model says so; with `dynamic` everywhere. What a key is by default is told in its
    description; with `defaults` also by `default`, which editors write into every new mapping.
    """
    found = described(model).model_json_schema(ref_template=f"{REF}{{model}}", schema_generator=_Generator)
    inner = {name: _tidy(schema, dynamic, top=True) for name, schema in found.pop("$defs", {}).items()}
    whole = _tidy(found, dynamic, top=True)
    whole["description"] = summary(model)
    for schema in (*inner.values(), *(() if defaults else (whole,))):
        for value in schema.get("properties", {}).values():
            value.pop("default", None)
    return whole, inner


def summary(kind: type) -> str:
    """The docstring of a class without its examples."""
    doc = inspect.getdoc(kind) or ""
    return re.sub(r"\n*```.*?```", "", doc, flags=re.DOTALL).strip()


def examples(kind: type) -> str:
    """The YAML in the docstring of a class; empty when there is none."""
    found = re.search(r"```yaml\n(.*?)```", inspect.getdoc(kind) or "", flags=re.DOTALL)
    return found[1] if found else ""


def either(*schemas: Schema) -> Schema:
    """What one of `schemas` accepts; those that are choices themselves are taken apart."""
    flat: list[Schema] = []
    for schema in schemas:
        flat += schema["anyOf"] if set(schema) == {"anyOf"} else [schema]
    different = [schema for position, schema in enumerate(flat) if schema not in flat[:position]]
    return different[0] if len(different) == 1 else {"anyOf": different}


def or_expression(schema: Schema) -> Schema:
    """`schema`, or an expression; nothing is added where any text is accepted."""
    about = {key: schema[key] for key in _ABOUT if key in schema}
    rest = {key: value for key, value in schema.items() if key not in about}
    if _takes_any_text(rest):
        return schema
    return {**about, **either(rest, AN_EXPRESSION)}


def _takes_any_text(schema: Schema) -> bool:
    if "anyOf" in schema:
        return any(_takes_any_text(branch) for branch in schema["anyOf"])
    bounds = {"enum", "const", "pattern", "minLength", "maxLength", "format"}
    return not schema or (schema.get("type") == "string" and not bounds & set(schema)) or schema == AN_EXPRESSION


class _Generator(GenerateJsonSchema):
    """Leaves out the titles that only repeat a name, and defaults that are no plain data, such as a secret."""

    ignored_warning_kinds: set[JsonSchemaWarningKind] = {"skipped-choice", "non-serializable-default"}

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False


def _tidy(schema: Any, dynamic: bool, *, top: bool = False) -> Any:
    """`schema` in the words of draft 7, with expressions let in."""
    marked = bool(schema.get("x-dynamic"))
    inside = dynamic or marked
    kept = {key: value for key, value in schema.items() if not _is_noise(key, value)}
    if "prefixItems" in kept:
        kept["items"] = kept.pop("prefixItems")
    if "properties" in kept:
        kept["properties"] = {name: _property(name, value, inside) for name, value in kept["properties"].items()}
    for key in ("items", "additionalProperties"):
        if isinstance(kept.get(key), dict):
            kept[key] = _value(kept[key], inside)
        elif isinstance(kept.get(key), list):
            kept[key] = [_value(item, inside) for item in kept[key]]
    if "anyOf" in kept:
        kept = _flat(kept, [_tidy(branch, inside) for branch in kept.pop("anyOf")])
    if top and kept.get("type") == "object":
        kept.pop("title", None)
    return or_expression(kept) if marked and not top else kept


def _is_noise(key: str, value: Any) -> bool:
    """Whether it tells editors nothing."""
    is_empty = value is None or value in ("", [], {})
    return key in _DROPPED or (key == "default" and is_empty) or (key == "additionalProperties" and value is True)


_DROPPED = {"x-dynamic", "x-apart", "x-steps", "gt", "ge", "lt", "le"}
"""Our marks, and limits of the validator that JSON Schema does not know."""


def _flat(whole: Schema, branches: list[Schema]) -> Schema:
    """`whole` with a choice of `branches`, whose own choices are taken apart; what they tell about goes to the top."""
    told = {key: branch[key] for branch in branches if "anyOf" in branch for key in _ABOUT if key in branch}
    plain = [{k: v for k, v in b.items() if k not in _ABOUT} if "anyOf" in b else b for b in branches]
    return {**told, **whole, **either(*plain)}


_ABOUT = ("title", "description", "default", "examples")


def _property(name: str, schema: Mapping[str, Any], dynamic: bool) -> Schema:
    """What stands under a key. Editors show the key as its title, and never show what is the default."""
    found = {"title": name, **_value(schema, dynamic)}
    if "$ref" in schema:
        found.pop("default", None)  # every key of the mapping says so itself
    if "default" in found:
        default = found["default"]
        told = default if isinstance(default, str) else json.dumps(default)
        found["description"] = f"{found.get('description', '')} The default is `{told}`.".strip()
    return found


def _value(schema: Mapping[str, Any], dynamic: bool) -> Schema:
    found: Schema = _tidy(dict(schema), dynamic)
    return or_expression(found) if dynamic else found
