"""What commands share: how errors become words and exit statuses, options that several have, columns."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from flowrunner.errors import BenchError, FlowrunnerError, PipelineError, PipelineErrors
from flowrunner.report.diagnostics import render

EXIT_USAGE = 2
EXIT_ERRORED = 3


class Format(StrEnum):
    """How diagnostics are printed."""

    TEXT = "text"
    JSON = "json"
    GITHUB = "github"
    GITLAB = "gitlab"


PASSPHRASE = re.compile(r"""(?:(?<=passphrase: )|(?<=password: ))(?!["']?\$\{\{)[^\s{][^,}\n]*""")
"""A passphrase or password in a file: the excerpt beside an error shows the line, and not this."""

PipelineFile = Annotated[Path, typer.Argument(help="The pipeline's file", show_default=False)]
Inputs = Annotated[list[str] | None, typer.Option("--input", "-i", metavar="NAME=VALUE", help="Set an input")]
InputsFile = Annotated[Path | None, typer.Option("--inputs-file", help="A YAML file of inputs", exists=True)]
Frozen = Annotated[bool, typer.Option("--frozen", help="Refuse what is not as flow.lock says", envvar="FLOW_FROZEN")]
SecretsFile = Annotated[Path | None, typer.Option("--secrets-file", help="A YAML file of secrets", exists=True)]
LabOption = Annotated[str | None, typer.Option("--lab", help="The lab's file [env: FLOW_LAB]")]
Exporters = Annotated[
    list[str] | None,
    typer.Option(
        "--exporter", "-e", metavar="[ROLE=]WHERE", help="A file, HOST:PORT or unix:PATH to use, without a lab"
    ),
]
FormatOption = Annotated[Format, typer.Option("--format", help="How errors are printed")]
RunsFolder = Annotated[Path, typer.Option("--runs", envvar="FLOW_RUNS", help="The folder that keeps runs")]
RunName = Annotated[str, typer.Argument(metavar="RUN", help="A run's id, the beginning of it, its folder, or 'last'")]


def pairs(texts: Iterable[str] | None) -> dict[str, str]:
    """`NAME=VALUE` texts as a mapping.

    Raises:
        PipelineError: one has no `=`.
    """
    found: dict[str, str] = {}
    for text in texts or ():
        name, sign, value = text.partition("=")
        if not sign:
            raise PipelineError(
                f"--input needs NAME=VALUE, got '{text}'", code="usage", help=f"write --input {text}=..."
            )
        found[name] = value
    return found


@contextmanager
def reporting(format: Format = Format.TEXT, sources: Mapping[str, str] | None = None) -> Iterator[None]:
    """Print the errors of what is inside in the given format, and exit: 2 for the user's, 3 for the world's."""
    try:
        yield
    except FlowrunnerError as error:
        say(error, format, sources)
        raise typer.Exit(EXIT_ERRORED if isinstance(error, BenchError) else EXIT_USAGE) from error


def say(error: FlowrunnerError, format: Format = Format.TEXT, sources: Mapping[str, str] | None = None) -> None:
    """Print an error: text to standard error, the formats for machines to standard output."""
    errors = list(error.errors) if isinstance(error, PipelineErrors) else [error]
    known = error.sources if isinstance(error, PipelineErrors) else {}
    texts = {**{name: text for e in errors for name, text in _text(e).items()}, **known, **(sources or {})}
    stream = sys.stderr if format is Format.TEXT else sys.stdout
    print(render(errors, texts, format=format.value, color=coloured(stream.isatty())), file=stream)


def _text(error: PipelineError | FlowrunnerError) -> dict[str, str]:
    """The text of the file that the error points into, when it can still be read."""
    if error.where is None:
        return {}
    try:
        text = Path(error.where.file).read_text(errors="replace")
    except OSError:
        return {}
    return {error.where.file: PASSPHRASE.sub(lambda found: "*" * len(found[0]), text)}


def coloured(terminal: bool) -> bool:
    """Whether to use colours: on a terminal that can, unless NO_COLOR says no."""
    return terminal and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def columns(rows: Iterable[tuple[str, ...]]) -> None:
    """Print rows with aligned columns."""
    table = [tuple(row) for row in rows]
    widths = [max(len(row[column]) for row in table) for column in range(len(table[0]) - 1)] if table else []
    for row in table:
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=False)]
        typer.echo("  ".join((*cells, row[-1])).rstrip())
