"""`flow actions`: what a step can do."""

from __future__ import annotations

import inspect
from typing import Annotated

import typer

from flowrunner.cli.common import columns, reporting
from flowrunner.cli.fields import describe
from flowrunner.plugins import load, types
from flowrunner.step import Step


def actions(
    word: Annotated[str | None, typer.Argument(metavar="[show]", help="'show', or an action's name")] = None,
    name: Annotated[str | None, typer.Argument(metavar="[NAME]", help="The action to show")] = None,
) -> None:
    """List the actions, or show one: `flow actions show expect`."""
    wanted = name if word == "show" else word
    with reporting():
        if wanted is None:
            loaded = ((action, load("flowrunner.steps", Step, action)) for action in types("flowrunner.steps"))
            columns((action, (inspect.getdoc(step) or "").partition("\n")[0]) for action, step in loaded)
            return
        step = load("flowrunner.steps", Step, wanted)
        typer.echo(f"{wanted}: {inspect.getdoc(step)}\n")
        needs = " or ".join(interface.name for interface in step.interfaces)
        typer.echo(f"needs: {needs or 'no device'}")
        typer.echo(f"kind: {step.kind}")
        if step.shorthand:
            typer.echo(f"shorthand: {wanted}: <{step.shorthand}>")
        describe("parameters", step)
        outputs = step.outputs_model()
        if outputs:
            describe("outputs", outputs)
