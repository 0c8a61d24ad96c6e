"""Options of `flow run` that choose a part of a pipeline's steps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated

import typer

from flowrunner.pipeline.plan import Plan
from flowrunner.pipeline.select import Selection, select

Begin = Annotated[
    str | None, typer.Option("--from", metavar="STEP", help="Begin with this step: its id, or its path in the plan")
]
Only = Annotated[
    list[str] | None, typer.Option("--only", metavar="STEP", help="Run this step only; may be given several times")
]
Tags = Annotated[str | None, typer.Option("--tags", metavar="TAG,...", help="Run steps with one of these")]
SkipTags = Annotated[
    str | None, typer.Option("--skip-tags", metavar="TAG,...", help="Leave out steps with one of these")
]
Repeat = Annotated[
    int | None, typer.Option("--repeat", metavar="N", min=1, help="Run it N times, and tell how that went")
]
UntilFailure = Annotated[
    bool, typer.Option("--until-failure", help="Run it until it does not pass, or N times with --repeat")
]


def selected(
    plan: Plan, begin: str | None, only: Sequence[str], tags: str | None, skip_tags: str | None
) -> tuple[Plan, Selection, Mapping[str, str]]:
    """The plan of what is run, what was asked for, and the paths that are left out with the reason.

    Raises:
        PipelineErrors: there is no such step, or one is needed that is left out.
    """
    chosen = Selection(begin=begin, only=_words(",".join(only)), tags=_words(tags), skip_tags=_words(skip_tags))
    if not chosen:
        return plan, chosen, {}
    kept, left_out = select(plan, chosen)
    return kept, chosen, left_out


def _words(text: str | None) -> list[str]:
    return [word.strip() for word in (text or "").split(",") if word.strip()]
