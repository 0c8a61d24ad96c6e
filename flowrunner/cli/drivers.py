"""`flow drivers`: what a bench can consist of."""

from __future__ import annotations

import inspect
from typing import Annotated, Any

import typer

from flowrunner.cli.common import columns, reporting
from flowrunner.cli.fields import describe
from flowrunner.driver import Driver
from flowrunner.interface import Interface
from flowrunner.plugins import load, types


def drivers(
    word: Annotated[str | None, typer.Argument(metavar="[show]", help="'show', or a driver's type")] = None,
    name: Annotated[str | None, typer.Argument(metavar="[TYPE]", help="The driver to show")] = None,
) -> None:
    """List the driver types, or show one: `flow drivers show machine.qemu`."""
    wanted = name if word == "show" else word
    with reporting():
        if wanted is None:
            loaded = ((kind, load("flowrunner.drivers", Driver, kind)) for kind in types("flowrunner.drivers"))
            columns((kind, (inspect.getdoc(driver) or "").partition("\n")[0]) for kind, driver in loaded)
            return
        driver = load("flowrunner.drivers", Driver, wanted)
        typer.echo(f"{wanted}: {inspect.getdoc(driver)}\n")
        typer.echo(f"offers: {', '.join(_interfaces(driver)) or 'its parts'}")
        if driver.aliases:
            typer.echo(f"stands in for: {', '.join(driver.aliases)}")
        describe("config", driver.config_model())


def _interfaces(driver: type[Driver[Any]]) -> list[str]:
    return [base.name for base in driver.__mro__ if issubclass(base, Interface) and "name" in vars(base)]
