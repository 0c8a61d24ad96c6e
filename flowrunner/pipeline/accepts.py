"""The inputs of a template as a model, so that a call is checked as the parameters of an action are."""

from __future__ import annotations

from collections.abc import Mapping as Map
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, Optional

from pydantic import AfterValidator, BaseModel, Field, create_model
from pydantic_core import PydanticCustomError

from flowrunner.console.regexes import Regex
from flowrunner.model import Duration, Model, Secret, SecretText, Size, Type, Version
from flowrunner.pipeline.convert import facts, from_data
from flowrunner.pipeline.inputs import Declared, choose, declarations
from flowrunner.pipeline.language import DeclaredKeys
from flowrunner.pipeline.plan import FileFacts
from flowrunner.pipeline.problems import Problems
from flowrunner.pipeline.reuse_keys import TemplateInputKeys
from flowrunner.source import Node, plain

ANNOTATIONS: Map[Type, Any] = {
    "string": str, "int": int, "float": float, "bool": bool, "duration": Duration, "size": Size, "regex": Regex,
    "version": Annotated[str, AfterValidator(Version)], "file": str, "directory": str, "list": list[Any],
    "map": dict[str, Any], "secret": Annotated[SecretText, AfterValidator(Secret)], "any": Any,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Accepted:
    """The inputs of a template: their model and types, those that are paths, and the facts of defaults that are."""

    model: type[BaseModel]
    types: Map[str, Type]
    paths: Map[str, Literal["file", "directory"]]
    files: Map[str, FileFacts]


def read_accepted(problems: Problems, node: Node | None, template: str, folder: Path) -> Accepted:
    """The inputs that `node` declares for `template`, whose file is in `folder`: there the paths of defaults start."""
    declared = declarations(problems, node, TemplateInputKeys)
    fields: dict[str, Any] = {}
    files: dict[str, FileFacts] = {}
    for position, (name, one) in enumerate(declared.items()):
        if one is None:
            fields[f"input{position}"] = (Any, Field(default=None, alias=name))
            continue
        none = Secret("") if one.keys.type == "secret" else None
        default = _default(problems, one, folder) if one.default is not None else none
        if default is not None and one.keys.type in ("file", "directory"):
            files[name] = facts(Path(default))
        kind = _annotation(one.keys, folder)
        default = ... if one.required else default
        offered: dict[str, Any] | None = {"enum": list(one.keys.choices)} if one.keys.choices else None
        about = Field(default=default, alias=name, description=one.keys.description, json_schema_extra=offered)
        fields[f"input{position}"] = (kind if default is not None else Optional[kind], about)  # noqa: UP045
    model: type[BaseModel] = create_model(template, __base__=Model, __module__=__name__, **fields)
    types: dict[str, Type] = {
        name: "any" if one is None or (_may_be_null(one) and one.keys.type != "secret") else one.keys.type
        for name, one in declared.items()
    }
    return Accepted(model, types, dict(_paths(declared)), files)


def given(model: BaseModel) -> dict[str, Any]:
    """The inputs by name."""
    return {field.alias or name: getattr(model, name) for name, field in type(model).model_fields.items()}


def _may_be_null(one: Declared) -> bool:
    return not one.required and one.default is None


def _paths(declared: Map[str, Declared | None]) -> list[tuple[str, Literal["file", "directory"]]]:
    found: list[tuple[str, Literal["file", "directory"]]] = []
    for name, one in declared.items():
        if one is not None and (one.keys.type == "file" or one.keys.type == "directory"):
            found.append((name, one.keys.type))
    return found


def _default(problems: Problems, one: Declared, folder: Path) -> Any:
    assert one.default is not None
    try:
        value = from_data(plain(one.default), one.keys.type, folder)
        choose(one.keys, value, folder)
    except ValueError as error:
        problems.add(f"the default of '{one.name}' {error}", code="bad-input", where=one.default.where)
        return None
    return value


def _annotation(keys: DeclaredKeys, folder: Path) -> Any:
    def check(value: Any) -> Any:
        try:
            choose(keys, value, folder)
        except ValueError as error:
            raise PydanticCustomError("input", "{why}", {"why": str(error)}) from error
        return value

    kind = ANNOTATIONS[keys.type]
    if keys.choices is None and keys.pattern is None:
        return kind
    return Annotated[kind, AfterValidator(check)]
