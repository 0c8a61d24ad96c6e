"""`flow init`: a first pipeline and lab that run."""

from __future__ import annotations

from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Annotated

import typer

from flowrunner.cli.common import EXIT_USAGE


def init(
    folder: Annotated[Path, typer.Argument(help="Where to write them; made if it is not there")] = Path(),
    force: Annotated[bool, typer.Option("--force", help="Overwrite files that are there")] = False,
) -> None:
    """Write a first pipeline, a lab and an exporter for a virtual board: they run as they are."""
    wanted = dict(_walk(files("flowrunner.cli") / "first"))
    taken = [name for name in wanted if (folder / name).exists()]
    if taken and not force:
        typer.echo(f"not written: {', '.join(taken)} exist in {folder}; --force overwrites them", err=True)
        raise typer.Exit(EXIT_USAGE)
    for name, text in wanted.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        typer.echo(f"wrote {path}")
    typer.echo(f"\nnow:  flow run {folder / 'boot.yaml'}")


def _walk(folder: Traversable, prefix: str = "") -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    for entry in sorted(folder.iterdir(), key=lambda entry: entry.name):
        if entry.is_dir():
            found += _walk(entry, f"{prefix}{entry.name}/")
        elif entry.name.endswith(".yaml"):
            found.append((prefix + entry.name, entry.read_text()))
    return found
