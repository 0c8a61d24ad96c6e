"""Wait for something on the console."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self, TypeVar

from pydantic import ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from flowrunner.console.patterns import Line, Match, Pattern, Prompt, Reject
from flowrunner.console.regexes import Regex
from flowrunner.errors import Blame, ExpectationError
from flowrunner.interfaces.console import Console
from flowrunner.model import Duration, Model
from flowrunner.step import Context, Outputs, Step

M = TypeVar("M", bound=Model)
PromptText = Annotated[str, Field(min_length=1, pattern=r"^[^\r\n]*$")]


class OnePattern(Model):
    """Exactly one of `pattern` and `prompt`."""

    pattern: Regex | None = None
    """A regular expression that is searched in each complete line."""

    prompt: PromptText | None = None
    """The very last text on the console, with no line ending behind it."""

    @model_validator(mode="after")
    def _one(self) -> Self:
        return _exactly_one(self, "pattern", "prompt")

    def compiled(self, settle: float, name: str | None = None) -> Pattern:
        """What the console looks for."""
        return Line(self.pattern, name) if self.pattern is not None else Prompt(self.prompt or "", name, settle=settle)


class Choice(OnePattern):
    """One of several that may come."""

    name: str | None = None
    """What `which` says when it came; its position, from 0, when there is none."""

    outcome: Literal["passed", "failed", "errored"] = "passed"
    """What it means when this one came."""

    blame: Blame | None = None
    """Who is at fault, with `outcome: errored`."""


def _or_text(schema: dict[str, Any]) -> None:
    """Say in the schema that text is a pattern."""
    whole = dict(schema)
    schema.clear()
    schema |= {"anyOf": [{"type": "string", "format": "regex"}, whole]}


class Rejected(OnePattern):
    """Something that must not come while waiting; text is a pattern."""

    model_config = ConfigDict(json_schema_extra=_or_text)

    outcome: Literal["failed", "errored"] | None = None
    """What it means when it came; by default what the step's `kind` says."""

    blame: Blame | None = None
    """Who is at fault, with `outcome: errored`."""

    @model_validator(mode="before")
    @classmethod
    def _text_is_a_pattern(cls, value: Any) -> Any:
        return {"pattern": value} if isinstance(value, str) else value


class ExpectOutputs(Outputs):
    """What came."""

    match: str
    """The text that matched."""

    which: str | int
    """The name of the pattern that matched, or its position, from 0."""

    groups: dict[str, str]
    """The named groups of the pattern; one that took no part is empty."""

    at: Duration
    """When the last byte of it arrived, since the run started."""


class Expect(Step):
    r"""Wait for text on the console.

    A `pattern` is a regular expression that is searched in each complete line; a line is consumed whole, and nothing is
    matched twice. A `prompt` is plain text at the very end of the output, with no line ending behind it and nothing
    following for `settle`. Colours and other escape sequences are not seen by either. The earliest line with a match
    decides; when several match in one line, a `reject` wins, then the leftmost, then the first in the list. What was
    printed since the last match counts, also when it came before this step started.

    ```yaml
    steps:
      - expect: "login: "
      - id: spl
        expect: {pattern: 'U-Boot (?P<version>\S+)', within: 10s}
      - log: ${{ steps.spl.outputs.groups.version }}
      - expect:
          patterns:
            - {prompt: "login: ", name: up}
            - {pattern: 'Entering emergency mode', name: emergency, outcome: failed}
          within: 90s
          reject:
            - 'Kernel panic'
            - {pattern: 'mmc0: error', outcome: errored, blame: device}
    ```
    """

    shorthand = "prompt"
    interfaces = (Console,)

    pattern: Regex | None = None
    """A regular expression that is searched in each complete line."""

    prompt: PromptText | None = None
    """The very last text on the console, with no line ending behind it."""

    patterns: list[Choice] | None = Field(default=None, min_length=1)
    """Several of them: the first one that comes decides."""

    within: Duration = Duration(60)
    """How long to wait."""

    settle: Duration = Duration(0.05)
    """For how long nothing may follow a prompt."""

    reject: list[Rejected] = []
    """What must not come while waiting."""

    @model_validator(mode="after")
    def _one(self) -> Self:
        return _exactly_one(self, "pattern", "prompt", "patterns")

    async def run(self, context: Context) -> ExpectOutputs:
        choices = self.patterns or [Choice(pattern=self.pattern, prompt=self.prompt)]
        match = await context.console().expect(
            [choice.compiled(self.settle, choice.name) for choice in choices],
            within=self.within,
            reject=[Reject(r.compiled(self.settle), r.outcome, r.blame) for r in self.reject],
        )
        choice = choices[match.index]
        if choice.outcome != "passed":
            raise _unwanted(choice, match)
        which = match.index if choice.name is None else choice.name
        return ExpectOutputs(match=match.text, which=which, groups=match.groups, at=match.at)


def _unwanted(choice: Choice, match: Match) -> ExpectationError:
    named = f"'{choice.name}' came" if choice.name else "it came"
    outcome: Literal["failed", "errored"] = "failed" if choice.outcome == "failed" else "errored"
    return ExpectationError(f"{named}: {match.text!r}", outcome=outcome, blame=choice.blame, said=match.text)


def _exactly_one(model: M, *names: str) -> M:
    given = [name for name in names if getattr(model, name) is not None]
    if len(given) != 1:
        said = " and ".join(f"'{name}'" for name in given) or "none"
        why = f"needs one of {', '.join(names)}, got {said}"
        raise PydanticCustomError("one-of", "{why}", {"why": why, "help": f"keep one of {', '.join(given or names)}"})
    return model
