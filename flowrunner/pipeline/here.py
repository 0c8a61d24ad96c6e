"""Where the compiler is in the pipeline, and what is known there."""

from __future__ import annotations

from collections.abc import Collection
from collections.abc import Mapping as Map
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from pydantic import BaseModel

from flowrunner.errors import PipelineError, PipelineErrors, Span
from flowrunner.expressions import Expression, parse
from flowrunner.expressions.names import Names
from flowrunner.pipeline.defaults import Defaults
from flowrunner.pipeline.devices import Roles, choose_device
from flowrunner.pipeline.fit import Fitted, Fitter, Read
from flowrunner.pipeline.library import Library
from flowrunner.pipeline.marks import Path
from flowrunner.pipeline.names import LOOP, Known
from flowrunner.pipeline.problems import Problems
from flowrunner.source import Mapping, Scalar

M = TypeVar("M", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class Here:
    """One place: its path, the roles and defaults of its scopes, and the names that are only there.

    `source` is the text of the file, `library` the templates that can be called in it; `fixed` are the names whose
    values are known now, `late` those whose values are known before the run.
    """

    problems: Problems
    known: Known
    source: str
    fixed: Map[str, Any]
    path: str = ""
    roles: Roles = field(default_factory=dict)
    defaults: Defaults = field(default_factory=Defaults)
    local: Names = field(default_factory=dict)
    library: Library | None = None
    late: Collection[str] = ()

    def at(self, part: str) -> Here:
        """The place below, of which `part` is the name."""
        return replace(self, path=self.below(part))

    def below(self, part: str) -> str:
        """The path of something here."""
        return f"{self.path}.{part}" if self.path else part

    def seeing(self, **local: Any) -> Here:
        """The same place with more names."""
        return replace(self, local={**self.local, **local})

    def looping(self, repeated: bool) -> Here:
        """The same place, inside the repetitions of `foreach` if there are any."""
        return self.seeing(loop=LOOP) if repeated else self

    def read(self) -> Read:
        """What parses and checks expressions that stand here."""
        names = self.known.names(self.roles, self.local)

        def read(scalar: Scalar, path: Path) -> Expression | None:
            try:
                return parse(str(scalar.value), scalar.where, source=self.source, names=names)
            except PipelineError as error:
                self.problems.take(error)
            except PipelineErrors as several:
                for one in several.errors:
                    self.problems.take(self.known.with_place(one))
            return None

        return read

    def fit(self, kind: type[M], node: Mapping, label: str, *, anchor: Span | None = None) -> Fitted[M]:
        """Fit a mapping that stands here to its model."""
        return Fitter(self.problems, kind, node, self.read(), label=label, anchor=anchor).fit()

    def device(self, given: str | None, place: Span, what: str, *wanted: Any) -> str | None:
        """The device for `what`, as `choose_device` finds it."""
        return choose_device(self.problems, self.roles, given, place, what, wanted)
