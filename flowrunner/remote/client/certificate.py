"""A server's certificate: fetched, compared with a pin, and the names in it."""

from __future__ import annotations

import asyncio
import hmac
import ssl
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import anyio

from flowrunner.errors import BenchError, PipelineError
from flowrunner.remote.address import Address
from flowrunner.remote.endpoint import Endpoint

LIMIT = 10.0
"""Seconds that a server may take for a TLS handshake."""


@dataclass(frozen=True, slots=True)
class Certificate:
    """One certificate, and a name that it is for; None when it has no name."""

    der: bytes
    name: str | None = None

    @property
    def pem(self) -> bytes:
        """As a file for others."""
        return ssl.DER_cert_to_PEM_cert(self.der).encode()

    @property
    def digest(self) -> str:
        """SHA-256 in hex, by which it can be pinned."""
        return sha256(self.der).hexdigest()


async def fetched(address: Address) -> Certificate:
    """The certificate of the server at `address`, whoever signed it.

    Raises:
        OSError: nobody answers.
        ssl.SSLError: it speaks no TLS.
        TimeoutError: it said nothing.
    """
    der = await _shaken(address, _context(ssl.CERT_NONE))
    return Certificate(der[0])


async def verified(endpoint: Endpoint) -> None:
    """Shake hands as gRPC would.

    Raises:
        ssl.SSLCertVerificationError: the certificate is not to be trusted; `verify_message` says why.
    """
    context = _context(ssl.CERT_REQUIRED)
    context.check_hostname = True
    context.load_verify_locations(cadata=(endpoint.trust.ca or roots() or b"").decode("utf-8", "replace"))
    await _shaken(endpoint.address, context, endpoint.trust.server_name or endpoint.address.host)


def pinned(found: Certificate, pin: str, endpoint: Endpoint) -> Certificate:
    """`found`, with a name in it, if it is the one that `pin` means.

    Raises:
        PipelineError: the pin is no SHA-256.
        BenchError: it is another one.
    """
    wanted = pin.replace(":", "").strip().lower()
    if len(wanted) != sha256().digest_size * 2 or set(wanted) - set("0123456789abcdef"):
        help = "it has 64 hex digits; colons may stand between them"
        raise PipelineError(f"'{pin}' is no SHA-256 of a certificate", code="usage", help=help)
    if not hmac.compare_digest(found.digest, wanted):
        raise BenchError(
            f"{endpoint} has another certificate than the pinned one", blame="config",
            help=f"somebody else may answer there; if not, its pin is {found.digest} now",
        )  # fmt: skip
    return found
