"""Fit a mapping of the file to a model: values with expressions in them, and every error at its place."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar, cast

from pydantic import BaseModel

from flowrunner.errors import Span
from flowrunner.expressions import Expression
from flowrunner.model import SENSITIVE
from flowrunner.pipeline.complain import Complainer, Subject
from flowrunner.pipeline.judge import Complaint, judge
from flowrunner.pipeline.marks import DYNAMIC, Path, apart, key_of, marks
from flowrunner.pipeline.problems import Problems
from flowrunner.pipeline.samples import ROUNDS, sample
from flowrunner.source import Mapping, Node, Scalar, Sequence

M = TypeVar("M", bound=BaseModel)

Read = Callable[[Scalar, Path], Expression | None]
"""Parses and checks the expression in a scalar; None when that failed and is noted."""


@dataclass(frozen=True, slots=True)
class Fitted(Generic[M]):
    """A mapping that was looked at. `model` is None when it does not fit; expressions have sample values in it."""

    kind: type[M]
    model: M | None
    values: dict[str, Any]
    places: dict[Path, Span]

    def get(self, name: str) -> Any:
        """The field `name`: the expression that stands there, else the checked value, else the default."""
        field = self.kind.model_fields[name]
        given = self.values.get(key_of(name, field))
        if isinstance(given, Expression):
            return given
        return getattr(self.model, name) if self.model else field.get_default(call_default_factory=True)


class Fitter(Generic[M]):
    """One mapping and the model it must fit."""

    def __init__(
        self, problems: Problems, kind: type[M], node: Mapping, read: Read, *,
        label: str, anchor: Span | None = None, short: str | None = None, dynamic: bool = False, partial: bool = False,
    ) -> None:  # fmt: skip
        """`label` names the mapping in sentences, `anchor` is the place of what is missing in it.

        `short`: the key that a bare scalar filled. `dynamic`: expressions may stand everywhere.
        `partial`: keys may be missing, and rules between keys wait.
        """
        self._problems = problems
        self._kind = kind
        self._subject = Subject(kind, node, label, anchor or node.where, short)
        self._read = read
        self._dynamic = dynamic
        self._partial = partial
        self._places: dict[Path, Span] = {}
        self._found: dict[Path, Expression | None] = {}

    def fit(self) -> Fitted[M]:
        """Check all of it."""
        values = cast("dict[str, Any]", self._data(self._subject.node, ()))
        model, complaints = judge(self._kind, self._sampled(values, 0) if self._found else values)
        if complaints:
            complaints = [c for c in complaints if not (self._partial and _is_about_others(c))]
            if self._found and any(_is_rule(c) for c in complaints):
                complaints = self._persistent(values, complaints)
            Complainer(self._problems, self._subject, self._found).complain(complaints)
        self._check_secrets({c.path for c in complaints if c.error["type"] == "extra_forbidden"})
        return Fitted(self._kind, cast("M | None", model), values, self._places)

    def _data(self, node: Node, path: Path) -> Any:
        self._places[path] = node.where
        if isinstance(node, Scalar):
            return self._expression(node, path) if isinstance(node.value, str) and "${{" in node.value else node.value
        if path in apart(self._kind):
            return [] if isinstance(node, Sequence) else {}
        if isinstance(node, Sequence):
            return [self._data(item, (*path, position)) for position, item in enumerate(node.items)]
        for key, _ in node.entries:
            if "${{" in str(key.value):
                self._problems.add("a key cannot be an expression", code="fixed", where=key.where)
        return {key: self._data(value, (*path, key)) for key, value in node.items()}

    def _expression(self, node: Scalar, path: Path) -> Any:
        expression: Expression | None = None
        name = self._subject.name(path)
        if self._dynamic or DYNAMIC in marks(self._kind, path):
            expression = self._read(node, path)
        else:
            what = f"{name} is fixed before the run, an expression cannot stand here"
            self._problems.add(what, code="fixed", where=node.where, help="write the value itself")
        self._found[path] = expression
        return expression or _UNREAD

    def _check_secrets(self, unknown: set[Path]) -> None:
        """A secret may flow only where the model says so; about keys that it does not have enough was said."""
        for path, expression in self._found.items():
            known = not any(path[: len(key)] == key for key in unknown)
            if expression and expression.sensitive and known and SENSITIVE not in marks(self._kind, path):
                self._problems.add(
                    f"a secret may not flow into {self._subject.name(path)}", code="secret-leak",
                    where=expression.where,
                    help="secrets may flow only into parameters made for them, and into env of run and shell",
                )  # fmt: skip

    def _sampled(self, value: Any, round: int) -> Any:
        if isinstance(value, Expression):
            return sample(value.type, round)
        if value is _UNREAD:
            return sample("any", round)
        if isinstance(value, dict):
            return {key: self._sampled(item, round) for key, item in value.items()}
        return [self._sampled(item, round) for item in value] if isinstance(value, list) else value

    def _persistent(self, values: dict[str, Any], complaints: list[Complaint]) -> list[Complaint]:
        """Without those of rules that hold for other samples."""
        for turn in range(1, ROUNDS):
            again = {(c.path, c.error["type"]) for c in judge(self._kind, self._sampled(values, turn))[1]}
            complaints = [c for c in complaints if not _is_rule(c) or (c.path, c.error["type"]) in again]
        return complaints


_UNREAD = object()


def _is_rule(complaint: Complaint) -> bool:
    """Whether a rule of the model's author says so; it may have looked at other keys, and so at a sample."""
    context = complaint.error.get("ctx") or {}
    return complaint.error["type"] in ("value_error", "assertion_error") or "why" in context


def _is_about_others(complaint: Complaint) -> bool:
    """Whether it is about a key that is not there, or about several keys together."""
    return complaint.error["type"] == "missing" or (not complaint.path and _is_rule(complaint))
