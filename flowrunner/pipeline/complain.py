"""From what a model says is wrong to errors that an author can use."""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Mapping as Map
from dataclasses import dataclass
from difflib import get_close_matches
from itertools import groupby

from pydantic import BaseModel
from pydantic_core import ErrorDetails

from flowrunner.errors import Span, near
from flowrunner.expressions import Expression
from flowrunner.pipeline.explain import NOUNS, condense, explain, is_mismatch, is_word, wanted
from flowrunner.pipeline.judge import Complaint
from flowrunner.pipeline.marks import Path, description, keys
from flowrunner.pipeline.problems import Problems
from flowrunner.source import Mapping, Node, Sequence


@dataclass(frozen=True, slots=True)
class Subject:
    """The mapping that is checked: `label` is what sentences call it, `anchor` the place of what is missing in it."""

    kind: type[BaseModel]
    node: Mapping
    label: str
    anchor: Span
    short: str | None = None
    """The key that was not written: the mapping stands for its value."""

    def name(self, path: Path) -> str:
        """What sentences call the value at `path`."""
        if path in ((), (self.short,)):
            return self.label
        if isinstance(path[-1], int):
            return f"item {path[-1] + 1} of {self.name(path[:-1])}"
        return path[-1]

    def key(self, path: Path) -> Span:
        """The place of the key, or the item, that `path` ends with."""
        if not path:
            return self.anchor
        around, last = self._node(path[:-1]), path[-1]
        if isinstance(around, Mapping):
            key = around.key(str(last))
            return key.where if key else self.anchor
        item = self._node(path)
        return item.where if item else self.anchor

    def value(self, path: Path) -> Span:
        """The place of the value at `path`."""
        node = self._node(path)
        return node.where if node and path else self.anchor

    def _node(self, path: Path) -> Node | None:
        node: Node | None = self.node
        for part in path:
            if isinstance(node, Mapping):
                node = node.get(str(part))
            elif isinstance(node, Sequence) and isinstance(part, int):
                node = node.items[part]
        return node


CONVERSIONS: Map[str, str] = {
    "true or false": "compare it: ${{ ... == ... }}",
    "a duration": "convert it: ${{ ... | duration }}",
    "a size": "convert it: ${{ ... | size }}",
    "a whole number": "convert it: ${{ ... | int }}",
    "a number": "convert it: ${{ ... | float }}",
    "text": "convert it: ${{ ... | string }}",
}
"""How an expression comes to be of another type."""


class Complainer:
    """Words complaints about one subject. `read` are the expressions in it by path, None where one was no good."""

    def __init__(self, problems: Problems, subject: Subject, read: Map[Path, Expression | None]) -> None:
        self._problems = problems
        self._subject = subject
        self._read = read

    def complain(self, complaints: Iterable[Complaint]) -> None:
        """Note each of `complaints` as one error, unless only a sample caused it."""
        kept = _without_misspelt(list(complaints))
        ordered = sorted(kept, key=lambda c: [(p, "") if isinstance(p, int) else (-1, p) for p in c.path])
        for path, group in groupby(ordered, key=lambda c: c.path):
            self._at(path, list(group))

    def _at(self, path: Path, complaints: list[Complaint]) -> None:
        complaints = [c for c in complaints if not self._key(c)]
        sampled = next((path[:end] for end in range(len(path), 0, -1) if path[:end] in self._read), None)
        if sampled is not None:
            self._type(sampled, complaints)
            return
        rest = [c.error for c in complaints]
        mismatches = [error for error in rest if is_mismatch(error) or (len(rest) > 1 and is_word(error))]
        name = self._subject.name(path)
        if len(mismatches) > 1:
            rest = [error for error in rest if error not in mismatches]
            self._add(path, condense(name, mismatches))
        for error in rest:
            self._add(path, explain(name, error))

    def _type(self, path: Path, complaints: list[Complaint]) -> None:
        """The type of an expression does not fit; about its value nothing is known yet."""
        expression = self._read[path]
        if expression is None or expression.type == "any":
            return
        errors = [c.error for c in complaints if c.path == path]
        if not errors or not all(is_mismatch(error) or _is_word(error, expression) for error in errors):
            return
        asked = list(dict.fromkeys(wanted(error) if is_mismatch(error) else "text" for error in errors))
        what = f"{self._subject.name(path)} needs {' or '.join(asked)}, the expression gives {NOUNS[expression.type]}"
        advice = next((CONVERSIONS[one] for one in asked if one in CONVERSIONS), None)
        self._problems.add(what, code="wrong-type", where=expression.where, help=advice)

    def _key(self, complaint: Complaint) -> bool:
        """Note a key that is missing or too much."""
        path, subject = complaint.path, self._subject
        if complaint.error["type"] == "missing":
            key = str(complaint.error["loc"][-1])
            what, advice = f"{subject.name(path)} needs the key '{key}'", description(subject.kind, path, key)
            self._problems.add(what, code="missing-key", where=subject.key(path), help=advice)
            return True
        if complaint.error["type"] == "extra_forbidden":
            key, parent = str(path[-1]), path[:-1]
            what, advice = f"{subject.name(parent)} has no key '{key}'", near(key, keys(subject.kind, parent))
            self._problems.add(what, code="unknown-key", where=subject.key(path), help=advice)
            return True
        return False

    def _add(self, path: Path, found: tuple[str, str, str | None]) -> None:
        code, what, advice = found
        if advice is None and code == "wrong-type":
            known = keys(self._subject.kind, path)
            advice = f"its keys are {', '.join(known)}" if known else None
        self._problems.add(what, code=code, where=self._subject.value(path), help=advice)


def _is_word(error: ErrorDetails, expression: Expression) -> bool:
    """Whether one of some words was asked for, and the expression gives no text at all."""
    return error["type"] in ("literal_error", "enum") and expression.type not in (
        "string",
        "secret",
        "version",
        "regex",
    )


def _without_misspelt(complaints: list[Complaint]) -> list[Complaint]:
    """Without keys that are only missing because they are misspelt: the hint of the unknown key says so."""
    unknown = [(c.path[:-1], str(c.path[-1])) for c in complaints if c.error["type"] == "extra_forbidden"]
    return [
        c
        for c in complaints
        if c.error["type"] != "missing"
        or not any(c.path == path and get_close_matches(key, [str(c.error["loc"][-1])]) for path, key in unknown)
    ]
