"""The commands of `flow`: a table, of which only what was asked for is loaded."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Sequence
from importlib import import_module

import typer

COMMANDS = {
    "run": "Run a pipeline",
    "replay": "Run a pipeline against the recording of a run, without a device",
    "check": "Check pipelines without touching a device",
    "plan": "Show what a pipeline would do",
    "lock": "Write down what moving names of pipelines stand for",
    "vendor": "Keep what pipelines include from elsewhere beside them",
    "push": "Put templates into a registry",
    "init": "Write a first pipeline and lab that run",
    "exporter": "Serve a bench to other machines",
    "shell": "Open a shell in which a bench is yours",
    "device": "Use a device by hand: power, console, flash",
    "bundle": "Check, push and pull what boards boot to be flashed",
    "runs": "List the runs of this folder",
    "report": "Write or print the reports of a run; join runs",
    "resume": "Go on with a run that ended early",
    "approve": "Let a rollout go on to a wave",
    "diff": "Show what is different between two runs",
    "lsp": "Serve an editor: mistakes, completion, help, definitions",
    "ci": "Print a pipeline in the words of a CI system",
    "recover": "Clean up behind a run that was killed",
    "leases": "Show who holds which device of this machine",
    "actions": "List the actions, or show one",
    "drivers": "List the driver types, or show one",
    "schema": "Print a JSON Schema, or write them all",
}
"""Each command with its help; its code is the function of that name in `flowrunner.cli.<name>`."""

RAW = {
    "device": {"allow_interspersed_args": False},
    "shell": {"allow_interspersed_args": False},
}
"""Commands whose last words belong to something else, with what click must know for it."""

EXIT_INTERNAL = 5


def run(arguments: Sequence[str]) -> None:
    """Run the command that `arguments` name, and exit."""
    words = os.environ.get("COMP_WORDS", "").split()[1:] if "_FLOW_COMPLETE" in os.environ else arguments
    wanted = next((word for word in words if word in COMMANDS), None)
    try:
        _build(wanted)(args=list(arguments), prog_name="flow")
    except BrokenPipeError:
        # Whoever reads the output has gone: not worth a word, and Python must not complain at its end either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SystemExit(128 + signal.SIGPIPE) from None


def _build(wanted: str | None) -> typer.Typer:
    app = typer.Typer(
        name="flow", rich_markup_mode=None, pretty_exceptions_enable=False, no_args_is_help=True,
        help="A declarative workflow runner for hardware: YAML pipelines that lease, flash, boot and check devices.",
        epilog="flow COMMAND --help tells more. FLOW_RUNS, FLOW_LAB, FLOW_INPUT_* and FLOW_SECRET_* set defaults.",
        context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
    )  # fmt: skip
    app.callback()(_options)
    for name, help in COMMANDS.items():
        command = _load(name) if name == wanted else _unloaded
        if isinstance(command, typer.Typer):
            app.add_typer(command, name=name)
        else:
            app.command(name, help=None if name == wanted else help, context_settings=RAW.get(name))(command)
    return app


def _options(version: bool = typer.Option(False, "--version", "-V", help="Print the version")) -> None:
    if version:
        raise RuntimeError("--version is answered before this is loaded")


def _load(name: str) -> Callable[..., None] | typer.Typer:
    command: Callable[..., None] | typer.Typer = getattr(import_module(f"flowrunner.cli.{name}"), name)
    return command


def _unloaded() -> None:
    raise RuntimeError("this command was not loaded")
