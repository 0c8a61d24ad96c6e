"""`flow lsp`: the language server for editors."""

from __future__ import annotations

import typer

from flowrunner.cli.common import EXIT_USAGE


def lsp(
    stdio: bool = typer.Option(True, "--stdio", help="Speak over standard input and output, as it always does"),
) -> None:
    """Serve an editor over the Language Server Protocol: mistakes, completion, help, definitions, names.

    docs/editors.md has the settings of editors.
    """
    try:
        from flowrunner.lsp.server import serve
    except ModuleNotFoundError as error:
        if error.name not in ("pygls", "lsprotocol"):
            raise
        typer.echo(f"flow lsp needs the package '{error.name}': install flowrunner[lsp]", err=True)
        raise typer.Exit(EXIT_USAGE) from error
    serve()
