"""The fields of a model, for people."""

from __future__ import annotations

import typer
from pydantic import BaseModel
from pydantic.fields import FieldInfo


def describe(title: str, model: type[BaseModel]) -> None:
    """Print each field of `model` with its type, default and help."""
    typer.echo(f"\n{title}:")
    for name, field in model.model_fields.items():
        typer.echo(f"  {field.alias or name}: {_kind(field)}{_default(field)}")
        for line in (field.description or "").splitlines():
            typer.echo(f"      {line}")


def _kind(field: FieldInfo) -> str:
    text = getattr(field.annotation, "__name__", None) if not hasattr(field.annotation, "__args__") else None
    return (text or str(field.annotation)).replace("typing.", "").replace("flowrunner.model.", "")


def _default(field: FieldInfo) -> str:
    return " (required)" if field.is_required() else f" = {field.get_default(call_default_factory=True)}"
