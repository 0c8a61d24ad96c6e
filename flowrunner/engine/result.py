"""How something ended, and what that means for whatever contains it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from flowrunner.errors import BenchError, Blame, ExpectationError, FlowrunnerError, PipelineError, Span
from flowrunner.model import Kind, Outcome

Cause = Literal["unmet", "timeout", "idle", "condition", "dependency", "cancel", "stop", "watch"]

EXIT: Mapping[Outcome, int] = {
    Outcome.PASSED: 0, Outcome.SKIPPED: 0, Outcome.FAILED: 1, Outcome.ERRORED: 3, Outcome.CANCELED: 4,
}  # fmt: skip
"""Exit statuses of a run by its outcome; 2 is a pipeline that cannot run, 5 an error of ours."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """The end of a step, an attempt or a scope. `path` is the node that it goes back to."""

    outcome: Outcome
    path: str = ""
    cause: Cause | None = None
    blame: Blame | None = None
    message: str | None = None
    help: str | None = None
    said: str | None = None
    where: Span | None = None
    because: str | None = None
    outputs: Mapping[str, Any] = field(default_factory=dict)
    console: str | None = None
    offset: int | None = None
    attached: tuple[Result, ...] = ()

    @property
    def good(self) -> bool:
        """Whether it leaves its scope as it was."""
        return self.outcome in (Outcome.PASSED, Outcome.SKIPPED)

    def facts(self) -> dict[str, Any]:
        """The fields of the journal."""
        return {
            "outcome": self.outcome.value,
            "cause": self.cause,
            "blame": self.blame,
            "message": self.message,
            "help": self.help,
            "said": self.said,
            "where": place(self.where),
            "because": self.because,
            "console": self.console,
            "offset": self.offset,
        }


PASSED = Result(outcome=Outcome.PASSED)


def place(where: Span | None) -> dict[str, Any] | None:
    """A span as the journal has it."""
    if where is None:
        return None
    return {
        "file": where.file, "line": where.line, "column": where.column,
        "end_line": where.end_line, "end_column": where.end_column,
    }  # fmt: skip


def of_error(error: BaseException, *, kind: Kind, path: str, where: Span) -> Result:
    """What an exception of a step means: a miss goes by the step's kind, the rest names its own blame."""
    if isinstance(error, ExpectationError):
        return _of_miss(error, kind=kind, path=path, where=where)
    if isinstance(error, BenchError):
        named = f"{error.driver}: " if error.driver and error.driver not in error.what else ""
        return _errored(error.blame, named + error.what, error, path, where, said=error.said)
    if isinstance(error, PipelineError):
        return _errored("config", error.what, error, path, error.where or where)
    if isinstance(error, FlowrunnerError):
        return _errored("infra", error.what, error, path, error.where or where)
    what = f"the action broke: {type(error).__name__}: {error}".removesuffix(": ")
    return _errored("internal", what, error, path, where)


def _of_miss(error: ExpectationError, *, kind: Kind, path: str, where: Span) -> Result:
    outcome = Outcome(error.outcome) if error.outcome else Outcome.ERRORED if kind == "setup" else Outcome.FAILED
    blame = (error.blame or "infra") if outcome is Outcome.ERRORED else None
    return Result(
        outcome=outcome, path=path, cause=error.cause, blame=blame, message=error.what, help=error.help,
        said=error.said, where=error.where or where,
    )  # fmt: skip


def _errored(
    blame: Blame, message: str, error: BaseException, path: str, where: Span, said: str | None = None
) -> Result:
    return Result(
        outcome=Outcome.ERRORED, path=path, cause="unmet", blame=blame, message=message,
        help=getattr(error, "help", None), said=said, where=where,
    )  # fmt: skip
