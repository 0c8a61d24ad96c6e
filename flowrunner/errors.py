"""Every error a user can meet says what happened, where, and what to do."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Literal, overload

Blame = Literal["device", "infra", "config", "internal", "lost", "peer"]
"""Who is at fault when an outcome is `errored`."""

Cause = Literal["unmet", "timeout", "idle"]
"""Why an expectation was missed: it did not hold, or time ran out, or nothing moved any more."""


@dataclass(frozen=True, slots=True, order=True)
class Span:
    """A place in a file: lines and columns count from 1, the end column is exclusive."""

    file: str
    line: int
    column: int
    end_line: int
    end_column: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"

    @property
    def short(self) -> str:
        """Line and column, for a second place in the same file."""
        return f"{self.line}:{self.column}"


class FlowrunnerError(Exception):
    """Root of every error this project raises on purpose."""

    def __init__(self, what: str, *, where: Span | None = None, help: str | None = None) -> None:
        super().__init__(what)
        self.what = what
        self.where = where
        self.help = help

    def __str__(self) -> str:
        place = f"{self.where}: " if self.where else ""
        return f"{place}{self.what}" + (f"\n  help: {self.help}" if self.help else "")


class PipelineError(FlowrunnerError):
    """You wrote something that cannot run.

    `code` names the rule, such as `unknown-key`; it is stable, so that tools can filter on it.
    """

    def __init__(self, what: str, *, code: str, where: Span | None = None, help: str | None = None) -> None:
        super().__init__(what, where=where, help=help)
        self.code = code
        self.included: Sequence[Span] = ()
        """Where the file of `where` was included, the nearest place first; empty for the pipeline's own."""

    def __str__(self) -> str:
        return super().__str__() + "".join(f"\n  included at {place}" for place in self.included)


class PipelineErrors(FlowrunnerError):
    """All that is wrong with one pipeline, in the order of the file.

    `sources` is the text of files by their names in spans, as far as it is not on the disk under that name.
    """

    def __init__(self, errors: Iterable[PipelineError], sources: Mapping[str, str] | None = None) -> None:
        self.errors: Sequence[PipelineError] = sorted(errors, key=_by_place)
        self.sources: Mapping[str, str] = sources or {}
        super().__init__("\n".join(str(error) for error in self.errors))


class BenchError(FlowrunnerError):
    """The world did not do as asked: a device, a tool, a server, a lab.

    `driver` is its path on the bench (`dut.power`), `call` what was asked of it, `said` the last lines it said.
    """

    def __init__(
        self,
        what: str,
        *,
        blame: Blame = "device",
        driver: str | None = None,
        call: str | None = None,
        said: str | None = None,
        where: Span | None = None,
        help: str | None = None,
    ) -> None:
        super().__init__(what, where=where, help=help)
        self.blame: Blame = blame
        self.driver = driver
        self.call = call
        self.said = said

    def __str__(self) -> str:
        said = "".join(f"\n  | {line}" for line in (self.said or "").splitlines())
        return super().__str__() + said


class ExpectationError(FlowrunnerError):
    """What the pipeline expected did not come: the step's `kind` says whose fault that is.

    `outcome` and `blame` overrule the kind, when a pattern of the author's names them.
    """

    def __init__(
        self,
        what: str,
        *,
        cause: Cause = "unmet",
        outcome: Literal["failed", "errored"] | None = None,
        blame: Blame | None = None,
        said: str | None = None,
        where: Span | None = None,
        help: str | None = None,
    ) -> None:
        super().__init__(what, where=where, help=help)
        self.cause: Cause = cause
        self.outcome: Literal["failed", "errored"] | None = outcome
        self.blame: Blame | None = blame
        self.said = said


def near(name: str, known: Iterable[str]) -> str:
    """A hint for a name that is not known: the nearest ones, or all of them when they are few."""
    choices = sorted(set(known))
    close = get_close_matches(name, choices, n=2, cutoff=0.6)
    if close:
        return "did you mean " + " or ".join(f"'{choice}'" for choice in close) + "?"
    if not choices:
        return "there is none"
    if len(choices) > 12:
        return f"there are {len(choices)}, such as {', '.join(choices[:8])}"
    return "known: " + ", ".join(choices)


def _by_place(error: FlowrunnerError) -> tuple[str, int, int]:
    return (error.where.file, error.where.line, error.where.column) if error.where else ("", 0, 0)


@overload
def unwrap(error: Exception) -> Exception: ...
@overload
def unwrap(error: BaseException) -> BaseException: ...
def unwrap(error: BaseException) -> BaseException:
    """The exception that says most: of a group, the first of ours, else the first one."""
    if not isinstance(error, BaseExceptionGroup):
        return error
    leaves = [unwrap(leaf) for leaf in error.exceptions]
    return next((leaf for leaf in leaves if isinstance(leaf, FlowrunnerError)), leaves[0])
