"""The keys that every step has beside its action, as fields of a node."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Mapping as Map
from dataclasses import dataclass, replace
from typing import Any

from flowrunner.errors import Span
from flowrunner.expressions import Expression
from flowrunner.pipeline.actions import Parts
from flowrunner.pipeline.fit import Fitted, Fitter
from flowrunner.pipeline.here import Here
from flowrunner.pipeline.language import CommonKeys
from flowrunner.pipeline.marks import Path
from flowrunner.pipeline.plan import Backoff, Node, Retry
from flowrunner.source import Mapping, Scalar
from flowrunner.source import Node as Tree

NOT_FOR_BLOCKS = {"kind", "idle_timeout", "interruptible", "device", "on"}
"""Common keys that only a single step has."""

Between = Callable[[Tree, Here], tuple[Node, ...]]
"""Compiles the steps between two attempts."""


@dataclass(frozen=True, slots=True)
class Common:
    """The common keys of one step, checked. `inner` is where its parameters and its steps are."""

    here: Here
    inner: Here
    entries: Map[str, tuple[Scalar, Tree]]
    fitted: Fitted[CommonKeys]
    where: Span

    @property
    def id(self) -> str | None:
        """The step's id."""
        given = self.fitted.values.get("id")
        return given if isinstance(given, str) and given in self.here.known.ids else None

    def place(self, key: str) -> Span:
        """The place of the value of `key`, of the step's action when it is not there."""
        return self.fitted.places.get((key,), self.where)

    def fields(self, name: str, between: Between) -> dict[str, Any]:
        """The fields that every node has; the steps between attempts are compiled now."""
        get = self.fitted.get
        return {
            "path": self.inner.path, "id": self.id, "name": get("name") or name, "where": self.where,
            "condition": self._condition(), "timeout": get("timeout"), "idle_timeout": get("idle_timeout"),
            "retry": self._retry(between), "on_failure": get("on_failure"), "severity": get("severity"),
            "foreach": self.fitted.values.get("foreach"), "tags": tuple(get("tags")),
        }  # fmt: skip

    def _condition(self) -> Expression | None:
        """The condition: none when it is plainly true, an expression when it is plainly false."""
        value = self.fitted.get("if_")
        if isinstance(value, Expression):
            return value
        place = self.place("if")
        return None if value else self.here.read()(Scalar("${{ false }}", place, "${{ false }}", plain=False), ())

    def _retry(self, between: Between) -> Retry | None:
        node = self.entries["retry"][1] if "retry" in self.entries else None
        steps = node.get("between") if isinstance(node, Mapping) else None
        compiled = between(steps, self.inner.at("between")) if steps is not None else ()
        keys = self.fitted.get("retry")
        if keys is None:
            return None
        values = self.fitted.values["retry"]
        limit = values.get("attempt_timeout")
        backoff = keys.backoff
        return Retry(
            attempts=keys.attempts, on=tuple(keys.on),
            backoff=Backoff(
                initial=backoff.initial, factor=backoff.factor, max=backoff.max, jitter=backoff.jitter
            ),
            attempt_timeout=limit if isinstance(limit, Expression) else keys.attempt_timeout,
            between=compiled,
        )  # fmt: skip


def read_common(here: Here, parts: Parts, position: int, *, defaults: bool) -> Common:
    """Check the common keys of a step; with `defaults` those of the scopes around it fill in."""
    entries = {**(here.defaults.common if defaults else {}), **parts.common}
    repeated, retried = "foreach" in entries, "retry" in entries
    outer, loop = here.read(), here.looping(repeated).read()

    def read(scalar: Scalar, path: Path) -> Expression | None:
        return (outer if path[0] in ("if", "foreach") else loop)(scalar, path)

    node = Mapping(tuple(entries.values()), parts.node.where)
    action = str(parts.action.value)
    label = f"the step '{action}'"
    fitted = Fitter(here.problems, CommonKeys, node, read, label=label, anchor=parts.action.where).fit()
    inner = here.at(_part(here, parts, position)).looping(repeated)
    return Common(here, inner.seeing(attempt="int") if retried else inner, entries, fitted, parts.action.where)


def read_block(here: Here, parts: Parts, position: int, advice: str) -> Common:
    """Check the common keys of a block, which has not all that steps have; `advice` is for the rest, with {key}."""
    for key in NOT_FOR_BLOCKS & set(parts.common):
        here.problems.add(
            f"a {parts.action.value} has no key '{key}'", code="unknown-key", where=parts.common[key][0].where,
            help="give it to the steps inside" if key == "on" else advice.format(key=key),
        )  # fmt: skip
    kept = {name: entry for name, entry in parts.common.items() if name not in NOT_FOR_BLOCKS}
    return read_common(here, replace(parts, common=kept), position, defaults=False)


def _part(here: Here, parts: Parts, position: int) -> str:
    """What a step is called in paths: its id, else its action with its position from 1."""
    if parts.part is not None:
        return parts.part
    given = parts.node.get("id")
    if isinstance(given, Scalar) and isinstance(given.value, str):
        return given.value
    part = f"{str(parts.action.value).replace('.', '_').replace('/', '_')}{position}"
    while part in here.known.ids:
        part += "_"
    return part
