"""The fields of a model, for people."""

from __future__ import annotations

import typer
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from flowrunner.describe import described, type_words


def describe(title: str, model: type[BaseModel]) -> None:
    """Print each field of `model` with its type, default and help."""
    typer.echo(f"\n{title}:")
    for name, field in described(model).model_fields.items():
        typer.echo(f"  {field.alias or name}: {type_words(field.annotation)}{_default(field)}")
        for line in (field.description or "").splitlines():
            typer.echo(f"      {line}")


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return " (required)"
    default = field.get_default(call_default_factory=True)
    return "" if default is None else f" = {default}"
