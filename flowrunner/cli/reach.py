"""Options that say which exporter is meant and why it is trusted."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from flowrunner.lab.access import Access, read_passphrase

ExporterOption = Annotated[
    str | None,
    typer.Option(
        "--exporter", "-e", metavar="WHERE", help="unix:PATH, HOST:PORT, or a bench's file [env: FLOW_EXPORTER]"
    ),
]
Authority = Annotated[
    Path | None, typer.Option("--tls-ca", metavar="FILE", help="Who signed its certificate, as PEM [env: FLOW_TLS_CA]")
]
Pin = Annotated[
    str | None, typer.Option("--tls-pin", metavar="SHA256", help="The certificate itself, as hex [env: FLOW_TLS_PIN]")
]
ServerName = Annotated[
    str | None, typer.Option("--tls-server-name", metavar="NAME", help="The name in it [env: FLOW_TLS_SERVER_NAME]")
]
Insecure = Annotated[bool, typer.Option("--insecure", help="Plain text, no TLS [env: FLOW_INSECURE]")]
Passphrase = Annotated[
    str | None, typer.Option("--passphrase", metavar="TEXT", help="It is sent [env: FLOW_PASSPHRASE]")
]
PassphraseFile = Annotated[
    Path | None, typer.Option("--passphrase-file", metavar="FILE", help="What is in it is sent [env: FLOW_PASSPHRASE]")
]


def access(
    ca: Path | None, pin: str | None, server_name: str | None, insecure: bool, passphrase_file: Path | None,
    passphrase: str | None = None,
) -> Access:  # fmt: skip
    """What the options say of the exporter."""
    phrase = read_passphrase(passphrase_file) if passphrase_file else passphrase
    return Access(ca=ca, pin=pin, server_name=server_name, insecure=insecure, passphrase=phrase)
