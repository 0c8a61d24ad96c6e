"""The names in `${{ }}`: what can be said next, and what a word stands for."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from flowrunner.lsp.names import Declared, Names, action_of, last_line
from flowrunner.lsp.words import Word
from flowrunner.pipeline.names import DEVICE, FAILURE, LOOP, RUN
from flowrunner.source import Mapping as Map
from flowrunner.source import Scalar, plain

ROOTS = {
    "inputs": "values that whoever starts it gives", "secrets": "values that must never be shown",
    "env": "the environment of the run", "steps": "the steps before this one", "devices": "what fills each role",
    "needs": "the jobs that this one needs", "matrix": "the values of this instance", "loop": "in what has foreach",
    "attempt": "from 1, in what has retry", "failure": "in rescue: what went wrong", "run": "this run",
}  # fmt: skip
"""The first words, and what they are."""

FIXED = {"loop": LOOP, "failure": FAILURE, "run": RUN}
DOTTED = re.compile(r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*")
EXPRESSION = re.compile(r"\$\{\{(.*?)(?:\}\}|$)")
QUOTED = re.compile(r"\"[^\"]*\"|'[^']*'")


@dataclass(frozen=True, slots=True)
class Reference:
    """A dotted name in an expression; `parts` up to the one that is meant, and the columns of that, from 0."""

    parts: tuple[str, ...]
    start: int
    end: int


def reference_at(line: str, place: int) -> Reference | None:
    """The name under the cursor; None where there is no expression or no name."""
    return next((one for one in references(line) if one.start <= place <= one.end), None)


def references(line: str) -> Iterator[Reference]:
    """Each part of each dotted name in the expressions of a line; texts in quotes hold none."""
    for expression in EXPRESSION.finditer(line):
        body = QUOTED.sub(lambda hit: " " * len(hit[0]), expression[1])
        for hit in DOTTED.finditer(body):
            parts, at = hit[0].split("."), expression.start(1) + hit.start()
            for count, part in enumerate(parts, start=1):
                yield Reference(tuple(parts[:count]), at, at + len(part))
                at += len(part) + 1


def members(names: Names, expression: str, line: int) -> list[Word]:
    """What can stand at the end of the unfinished `expression` in the given line, from 1."""
    hit = re.search(r"((?:\w+\.)*)\w*$", QUOTED.sub(lambda hit: " " * len(hit[0]), expression))
    path = hit[1].rstrip(".").split(".") if hit and hit[1] else []
    if not path:
        hidden = {"secrets", "env"} if names.in_template else set()
        return [Word(name, help) for name, help in ROOTS.items() if name not in hidden]
    return [Word(name, help) for name, help in _members(names, path, line).items()]


def _members(names: Names, path: list[str], line: int) -> Mapping[str, str]:
    match path:
        case ["inputs" | "secrets" as word]:
            return {name: about(one) for name, one in names.declared(word).items()}
        case ["matrix"]:
            return {name: about(one) for name, one in names.matrix.items()}
        case ["needs"]:
            return {name: about(one) for name, one in names.needs.items()}
        case ["devices"]:
            return {name: about(one) for name, one in names.roles.items()}
        case ["devices", _]:
            return dict(DEVICE) if isinstance(DEVICE, Mapping) else {}
        case ["steps"]:
            return {name: about(one) for name, one in names.steps.items() if last_line(one.value) < line}
        case ["steps" | "needs", _]:
            return {"outputs": "what it leaves", "outcome": "passed failed errored canceled skipped"}
        case ["steps" | "needs" as word, name, "outputs"]:
            found = (names.steps if word == "steps" else names.needs).get(name)
            return names.outputs(found.value) if found else {}
        case [word] if word in FIXED:
            return {name: str(kind) if isinstance(kind, str) else "" for name, kind in FIXED[word].items()}
    return {}


def meant(names: Names, parts: tuple[str, ...]) -> Declared | None:
    """What a dotted name stands for, as far as the file declares it."""
    match parts:
        case ("inputs" | "secrets" as word, name):
            return names.declared(word).get(name)
        case ("matrix", name):
            return names.matrix.get(name)
        case ("devices", name, *_):
            return names.roles.get(name)
        case ("steps", name):
            return names.steps.get(name)
        case ("needs", name):
            return names.declared("jobs").get(name)
        case ("steps" | "needs" as word, name, "outputs", output):
            step = (names.steps if word == "steps" else names.declared("jobs")).get(name)
            return _output(names, step, output) if step else None
    return None


def _output(names: Names, step: Declared, output: str) -> Declared:
    """The place of an output where the author declares it, else the step that leaves it."""
    value = step.value
    call = value.get("call") if isinstance(value, Map) else None
    if isinstance(call, Scalar) and (called := names.template(str(call.value))):
        step, value = called, called.value
    outputs = value.get("outputs") if isinstance(value, Map) else None
    key = outputs.key(output) if isinstance(outputs, Map) else None
    return Declared(key, value, step.file) if key else step


def described(names: Names, parts: tuple[str, ...]) -> str:
    """What to say of a dotted name, in Markdown."""
    if len(parts) == 1:
        return ROOTS.get(parts[0], "")
    if parts[0] in ("steps", "needs") and len(parts) > 2:
        holder = (names.steps if parts[0] == "steps" else names.declared("jobs")).get(parts[1])
        kind = names.outputs(holder.value).get(parts[3]) if holder and len(parts) > 3 else None
        return f"`{parts[-1]}`" + (f": {kind}" if kind else "")
    path = list(parts)
    found = meant(names, parts)
    return about(found) if found else _members(names, path[:-1], 1 << 30).get(path[-1], "")


def about(declared: Declared) -> str:
    """What the author says of a name."""
    value: Any = plain(declared.value)
    if not isinstance(value, dict):
        return f"`{value}`" if value is not None else ""
    if isinstance(declared.value, Map) and (action := action_of(declared.value)):
        return " ".join(filter(None, (f"the step `{action}`", str(value.get("name") or ""))))
    facts = [f"{key}: `{value[key]}`" for key in ("type", "default", "selector", "requires") if key in value]
    return "\n\n".join(filter(None, (str(value.get("description") or value.get("name") or ""), ", ".join(facts))))
