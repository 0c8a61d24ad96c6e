"""From text to plan: pure, no effect but reading files."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from flowrunner.pipeline.compiler import Compiled, compile
    from flowrunner.pipeline.encode import plan_json
    from flowrunner.pipeline.text import plan_text

__all__ = ["Compiled", "compile", "plan_json", "plan_text"]

_HOMES = {"Compiled": "compiler", "compile": "compiler", "plan_json": "encode", "plan_text": "text"}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
