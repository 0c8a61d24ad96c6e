"""`flow lock`: write down what moving names of pipelines stand for."""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Annotated

import anyio
import typer

from flowrunner.cli.common import EXIT_USAGE, Inputs, InputsFile, SecretsFile, pairs, reporting
from flowrunner.errors import PipelineError
from flowrunner.image.stored import stored_digest
from flowrunner.pipeline.compiler import Compiled, compile
from flowrunner.pipeline.images import image_uses
from flowrunner.pipeline.lock import NAME, Lock, merged, read_lock
from flowrunner.pipeline.pinned import alone
from flowrunner.pipeline.pins import Pins
from flowrunner.pipeline.vendored import vendored

Pipelines = Annotated[
    list[Path] | None, typer.Argument(help="Pipeline files of one folder; those in its flow.lock are locked again")
]
Check = Annotated[bool, typer.Option("--check", help="Write nothing; fail when it is not up to date")]
Keep = Annotated[bool, typer.Option("--keep", help="Only add what is missing: what is locked stays as it is")]


def lock(
    pipelines: Pipelines = None,
    input: Inputs = None,
    inputs_file: InputsFile = None,
    secrets_file: SecretsFile = None,
    check: Check = False,
    keep: Keep = False,
) -> None:
    """Write flow.lock: the commits, digests and versions behind what pipelines include, flash and use.

    It lies beside the pipelines. 'flow run --frozen' refuses whatever is not as it says. Exit status: 2 when --check
    finds a difference.
    """
    with reporting():
        folder = folder_of(pipelines or [])
        with alone(folder):
            held = read_lock(folder)
            before = held.lock if held else Lock(lock=1)
            known = [folder / name for name in before.pipelines if (folder / name).is_file()]
            files = {path.name: path for path in (*known, *(pipelines or ()))}
            if not files:
                help = "name the pipelines: flow lock boot-test.yaml"
                raise PipelineError(f"there is no {NAME} in {folder} that names any", code="usage", help=help)
            pins = (
                Pins(before, frozen=False, vendored=vendored(folder)) if keep else Pins(None, frozen=False, vendored={})
            )
            how = partial(compile, inputs=pairs(input), inputs_file=inputs_file, environment=os.environ, pins=pins)
            compiled = [how(path, secrets_file=secrets_file, complete=False) for path in files.values()]
            images = _images(compiled, before.images if keep else {}, folder)
            fresh = merged(list(files), [*(one.found for one in compiled), Lock(lock=1, images=images)])
            found = list(before.differences(fresh))
            if found and not check:
                fresh.write(folder)
    for line in found:
        typer.echo(line)
    changes = "1 change" if len(found) == 1 else f"{len(found)} changes"
    typer.echo(f"{folder / NAME}: " + (f"{changes}{' to be written' if check else ''}" if found else "up to date"))
    if check and found:
        raise typer.Exit(EXIT_USAGE)


def folder_of(pipelines: Sequence[Path]) -> Path:
    """The one folder that all of them are in."""
    folders = {path.resolve().parent: path.parent for path in pipelines}
    if len(folders) > 1:
        what, help = "pipelines of several folders have several locks", "lock them folder by folder"
        raise PipelineError(what, code="usage", help=help)
    folder = next(iter(folders.values()), Path())
    if not folder.is_dir():
        raise PipelineError(f"there is no folder '{folder}'", code="no-file", help=f"looked from {Path.cwd()}")
    return folder


def _images(compiled: Sequence[Compiled], known: dict[str, str], folder: Path) -> dict[str, str]:
    """The digests of all images from elsewhere; each is read once, whole where nobody tells its digest."""
    found: dict[str, str] = {}
    for one in compiled:
        for use in image_uses(one.plan, os.environ):
            if use.name is None:
                typer.echo(f"warning: {use.where}: which image this is is known only when it runs", err=True)
            elif use.name not in found and not use.checksum:
                found[use.name] = known.get(use.name) or anyio.run(stored_digest, use.name, folder)
    return found
