"""Where an exporter shall listen, as its command line says."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from flowrunner.errors import PipelineError
from flowrunner.remote.address import Address
from flowrunner.remote.endpoint import Listen


def listens(
    addresses: Sequence[str], *, certificate: Path | None, key: Path | None, insecure: bool, passphrase: str | None
) -> list[Listen]:
    """What each address is served with: a port needs TLS or `insecure`, a unix socket neither.

    Raises:
        PipelineError: an address is none, or what it needs is missing.
    """
    found = [Address.parse(text) for text in addresses]
    if (certificate is None) != (key is None):
        missing, there = ("--tls-key", "--tls-cert") if key is None else ("--tls-cert", "--tls-key")
        raise PipelineError(f"{there} needs {missing} as well", code="usage", help=f"write {missing} FILE")
    for file in filter(None, (certificate, key)):
        if not file.is_file():
            raise PipelineError(f"there is no file '{file}'", code="no-file", help="it was named for TLS")
    if certificate and insecure:
        raise PipelineError("--insecure and --tls-cert exclude each other", code="usage", help="leave one of them out")
    open_ = next((address for address in found if address.path is None and not certificate and not insecure), None)
    if open_:
        raise PipelineError(
            f"{open_} has no certificate", code="usage",
            help="add --tls-cert FILE --tls-key FILE, or --insecure for plain text that anyone on the way can read",
        )  # fmt: skip
    return [
        Listen(address=address)  # its mode says who may, and Jumpstarter's clients send no passphrase there
        if address.path
        else Listen(address=address, certificate=certificate, key=key, insecure=insecure, passphrase=passphrase)
        for address in found
    ]


def warning(served: Sequence[Listen]) -> str | None:
    """What its owner should know of how open an exporter is."""
    for listen in served:
        if not listen.address.here and not listen.passphrase:
            return f"everyone who reaches {listen.address} can use this bench: no passphrase was set"
    return None
