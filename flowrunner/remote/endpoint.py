"""How an exporter is reached, and why it is trusted."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from flowrunner.remote.address import Address


@dataclass(frozen=True, slots=True, kw_only=True)
class Trust:
    """What a client asks of a server's certificate; a unix socket needs none of it.

    `ca` is a PEM bundle that replaces the system's roots. `pin` is the SHA-256 of the server's certificate in hex
    (colons allowed): that very certificate is trusted and no other. `insecure` is plain text: no TLS at all.
    """

    ca: bytes | None = None
    pin: str | None = None
    insecure: bool = False
    server_name: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """An exporter as a client names it. `passphrase` is sent with each call and is in no message and no `repr`."""

    address: Address
    trust: Trust = field(default_factory=Trust)
    passphrase: str | None = field(default=None, repr=False)

    def __str__(self) -> str:
        return str(self.address)


@dataclass(frozen=True, slots=True, kw_only=True)
class Listen:
    """Where a server listens, with what certificate; without one it must be `insecure` or on a unix socket."""

    address: Address
    certificate: Path | None = None
    key: Path | None = None
    insecure: bool = False
    passphrase: str | None = field(default=None, repr=False)
