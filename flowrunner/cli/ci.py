"""`flow ci`: a pipeline in the words of a CI system."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from enum import StrEnum
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any

import typer

from flowrunner.ci.outline import Outline, Task, Wish, outline
from flowrunner.cli.common import Inputs, pairs, reporting
from flowrunner.pipeline.compiler import compile
from flowrunner.source.writing import dump


class Native(StrEnum):
    """The CI systems whose words are known."""

    GITHUB = "github"
    GITLAB = "gitlab"
    TEKTON = "tekton"
    ARGO = "argo"


def ci(
    system: Annotated[Native, typer.Argument(help="The CI system", show_default=False)],
    pipeline: Annotated[Path, typer.Argument(help="The pipeline's file, as the checkout has it", show_default=False)],
    input: Inputs = None,
    lab: Annotated[str | None, typer.Option("--lab", help="The lab, as the machines of the system see it")] = None,
    image: Annotated[str | None, typer.Option("--image", help="The container image of each job")] = None,
    runner: Annotated[str | None, typer.Option("--runner", help="Labels or tags of the machines, with commas")] = None,
    setup: Annotated[list[str] | None, typer.Option("--setup", help="A command before each job")] = None,
) -> None:
    """Print a pipeline as a CI system has it: one job, task or pod for each job of the pipeline.

    They share nothing but the lab. What each of them did is handed to those that need it, and joined at the end. What
    the system cannot keep is said on standard error.
    """
    with reporting():
        plan = compile(pipeline, inputs=pairs(input), environment=os.environ, complete=False).plan
        wish = Wish(
            pipeline=str(pipeline), inputs=input or (), lab=lab, image=image, runner=runner, setup=setup or (),
            secrets=plan.secrets,
        )  # fmt: skip
        whole = outline(plan, wish)
        typer.echo(f"# printed by: flow ci {system} {pipeline}\n" + dump(_native(system)(whole)), nl=False)
    for line in (*whole.left_out, *(line for task in whole.tasks for line in _missing(system)(task))):
        typer.echo(f"warning: {line}", err=True)


def _native(system: Native) -> Callable[[Outline], Mapping[str, Any]]:
    found: Callable[[Outline], Mapping[str, Any]] = getattr(import_module(f"flowrunner.ci.{system}"), system)
    return found


def _missing(system: Native) -> Callable[[Task], list[str]]:
    found: Callable[[Task], list[str]] = import_module(f"flowrunner.ci.{system}").missing
    return found
