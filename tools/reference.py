"""The reference pages: one for each action, driver and interface, written from the code."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from importlib import import_module
from pkgutil import iter_modules
from typing import Any

from pydantic import BaseModel

from flowrunner import interfaces
from flowrunner.describe import described, type_words
from flowrunner.driver import Driver
from flowrunner.interface import Interface, offered
from flowrunner.plugins import load, types
from flowrunner.step import Step


def pages() -> dict[str, str]:
    """Each page's text by its path below docs/reference/."""
    actions = {name: load("flowrunner.steps", Step, name) for name in types("flowrunner.steps")}
    drivers = {name: load("flowrunner.drivers", Driver, name) for name in types("flowrunner.drivers")}
    found = {f"actions/{name}.md": _action(name, step) for name, step in actions.items()}
    found |= {f"drivers/{name}.md": _driver(name, driver) for name, driver in drivers.items()}
    found |= {f"interfaces/{each.name}.md": _interface(each) for each in _interfaces()}
    found["README.md"] = "\n".join([
        "# Reference", "", "Written from the code by `make generate`.",
        *_index("Actions", "actions", actions), *_index("Drivers", "drivers", drivers),
        *_index("Interfaces", "interfaces", {each.name: each for each in _interfaces()}), "",
    ])  # fmt: skip
    return found


def _index(title: str, folder: str, documented: dict[str, Any]) -> Iterator[str]:
    yield from ("", f"## {title}", "")
    for name, kind in documented.items():
        yield f"* [`{name}`]({folder}/{name}.md): {_doc(kind).partition(chr(10))[0]}"


def _doc(kind: object) -> str:
    return inspect.getdoc(kind) or ""


def _action(name: str, step: type[Step]) -> str:
    needs = " or ".join(f"[{each.name}](../interfaces/{each.name}.md)" for each in step.interfaces)
    lines = [f"# {name}", "", _doc(step), "", f"* needs: {needs or 'no device'}", f"* a miss is: {_miss(step)}"]
    if step.shorthand:
        lines.append(f"* shorthand: `{name}: <{step.shorthand}>`")
    outputs = step.outputs_model()
    return "\n".join([*lines, *_table("Parameters", step), *(_table("Outputs", outputs) if outputs else ()), ""])


def _miss(step: type[Step]) -> str:
    if step.kind == "test":
        return "`failed`, the product's fault (kind `test`)"
    return "`errored`, the lab's (kind `setup`)"


def _driver(name: str, driver: type[Driver[Any]]) -> str:
    offers = ", ".join(f"[{each.name}](../interfaces/{each.name}.md)" for each in offered(driver))
    lines = [f"# {name}", "", _doc(driver), "", f"* offers: {offers or 'what its parts offer'}"]
    if driver.aliases:
        lines.append("* stands in for: " + ", ".join(f"`{alias}`" for alias in driver.aliases))
    return "\n".join([*lines, *_table("Config", driver.config_model()), ""])


def _table(title: str, model: type[BaseModel]) -> Iterator[str]:
    fields = described(model).model_fields
    if not fields:
        return
    yield from ("", f"## {title}", "", "| name | holds | default | |", "|---|---|---|---|")
    for name, field in fields.items():
        default = None if field.is_required() else field.get_default(call_default_factory=True)
        shown = "required" if field.is_required() else "" if default is None else f"`{default}`"
        cells = (f"`{field.alias or name}`", type_words(field.annotation), shown, field.description or "")
        yield "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |"


def _interface(kind: type[Interface]) -> str:
    lines = [f"# {kind.name}", "", _doc(kind)]
    if kind.jumpstarter:
        lines += ["", f"Its counterpart in Jumpstarter is `{kind.jumpstarter}`."]
    for name, method in inspect.getmembers(kind, inspect.isfunction):
        if not name.startswith("_"):
            where = "" if name in kind.calls() else " (runs beside the job)"
            signature = str(inspect.signature(method)).replace("(self, ", "(").replace("(self)", "()").replace("'", "")
            lines += ["", f"## {name}{signature}{where}", "", _doc(method)]
    return "\n".join([*lines, ""])


def _interfaces() -> list[type[Interface]]:
    found: dict[str, type[Interface]] = {}
    for module in iter_modules(interfaces.__path__):
        loaded = import_module(f"{interfaces.__name__}.{module.name}")
        for _, kind in inspect.getmembers(loaded, inspect.isclass):
            if issubclass(kind, Interface) and kind.__module__ == loaded.__name__:
                found.setdefault(kind.name, kind)
    return [found[name] for name in sorted(found)]
