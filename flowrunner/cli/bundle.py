"""`flow bundle`: what a board boots over the network to be flashed."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated

import anyio
import anyio.to_thread
import typer

from flowrunner.bundle.bundle import KIND, Bundle, open_bundle
from flowrunner.cli.common import reporting
from flowrunner.cli.registries import Cacert, Insecure, Username, access_of, pushed
from flowrunner.model import Size
from flowrunner.registry.reference import Access, Reference

bundle = typer.Typer(no_args_is_help=True, help="Check, push and pull what boards boot over the network to be flashed")

Name = Annotated[
    str, typer.Argument(help="A folder, a tar, or a reference such as registry.example.com/flashers/board:1.0")
]
Target = Annotated[
    str, typer.Argument(metavar="REFERENCE", help="Where, such as registry.example.com/flashers/board:1.0")
]
Folder = Annotated[Path, typer.Argument(help="A folder with a manifest.yaml", exists=True, file_okay=False)]
Refresh = Annotated[bool, typer.Option("--refresh", help="Fetch it anew, also when it is in the cache")]


@bundle.command()
def check(name: Name, username: Username = None, insecure: Insecure = False, cacert: Cacert = None) -> None:
    """Look whether a bundle is complete, and say what it can do. The password comes from OCI_PASSWORD."""
    with reporting():
        _tell(_opened(name, access_of(username, insecure, cacert)))


@bundle.command()
def pull(
    name: Name, refresh: Refresh = False, username: Username = None, insecure: Insecure = False, cacert: Cacert = None
) -> None:
    """Fetch a bundle into the cache, where flashers find it. The password comes from OCI_PASSWORD."""
    with reporting():
        found = _opened(name, access_of(username, insecure, cacert), refresh=refresh)
        typer.echo(f"{found.digest or 'no digest'}\n{found.folder}")


@bundle.command()
def push(
    folder: Folder, reference: Target, username: Username = None, insecure: Insecure = False, cacert: Cacert = None
) -> None:
    """Push a folder to a registry, and print how it is pinned. The password comes from OCI_PASSWORD."""
    with reporting():
        target, access = Reference.parse(reference), access_of(username, insecure, cacert)
        _opened(str(folder.resolve()), access)
        typer.echo(pushed(folder, target, access, noun="bundle", kind=KIND))


def _opened(name: str, access: Access, *, refresh: bool = False) -> Bundle:
    return anyio.run(partial(open_bundle, name, base=Path.cwd(), access=access, refresh=refresh))


def _tell(found: Bundle) -> None:
    """What a bundle holds."""
    spec = found.manifest.spec
    files = [("kernel", spec.kernel), ("initram", spec.initram), ("dtb", found.device_tree(None))]
    typer.echo(f"{found.manifest.metadata.name}: complete" + (f", {found.digest}" if found.digest else ""))
    for kind, loaded in files:
        if loaded is not None:
            size = Size((found.folder / loaded.file).stat().st_size)
            typer.echo(f"  {kind:8} {loaded.file} ({size}) at {loaded.address}")
    typer.echo(f"  targets  {', '.join(f'{name}: {place}' for name, place in spec.targets.items())}")
    if spec.dtb and spec.dtb.variants:
        typer.echo(f"  variants {', '.join(spec.dtb.variants)}")
