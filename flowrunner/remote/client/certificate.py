"""A server's certificate: fetched, compared with a pin, and the name in it."""

from __future__ import annotations

import asyncio
import hmac
import os
import ssl
from hashlib import sha256
from pathlib import Path
from typing import Any

from flowrunner.errors import BenchError, PipelineError
from flowrunner.remote.address import Address
from flowrunner.remote.endpoint import Endpoint

LIMIT = 10.0
"""Seconds that a server may take for a TLS handshake."""


async def fetched(address: Address) -> bytes:
    """The certificate (DER) of the server at `address`, whoever signed it.

    Raises:
        OSError: nobody answers, or it speaks no TLS (`ssl.SSLError`, `TimeoutError` and `ConnectionError` are such).
    """
    certificate, _ = await _shaken(address, _context(), address.host)
    return certificate


async def trusted(endpoint: Endpoint) -> None:
    """Shake hands, with the trust that gRPC has.

    Raises:
        ssl.SSLCertVerificationError: the certificate is not to be trusted; `verify_message` says why.
        OSError: nobody answers, or it speaks no TLS.
    """
    context = _context(endpoint.trust.ca or roots())
    context.check_hostname = True
    await _shaken(endpoint.address, context, endpoint.trust.server_name or endpoint.address.host)


async def pinned(endpoint: Endpoint, pin: str) -> tuple[bytes, str]:
    """The certificate (PEM) of the server, which is the one that `pin` means, and a name in it.

    Raises:
        PipelineError: the pin is no SHA-256.
        BenchError: the server has another certificate, or that one cannot be used.
        OSError: nobody answers, or it speaks no TLS.
    """
    wanted = _digest(pin)
    found = await fetched(endpoint.address)
    if not hmac.compare_digest(sha256(found).hexdigest(), wanted):
        raise BenchError(
            f"{endpoint} has another certificate than the pinned one", blame="config",
            help=f"either somebody else answers there, or it got a new one: its pin is {sha256(found).hexdigest()}",
        )  # fmt: skip
    pem = ssl.DER_cert_to_PEM_cert(found)
    context = _context(pem.encode())
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    try:
        _, facts = await _shaken(endpoint.address, context, endpoint.address.host)
    except ssl.SSLCertVerificationError as error:
        what = f"the pinned certificate of {endpoint} cannot be used: {error.verify_message}"
        raise BenchError(what, blame="config", help="give its exporter a new one, and pin that") from error
    return pem.encode(), _name(facts) or endpoint.address.host


def roots() -> bytes | None:
    """The certificate authorities of this machine, as PEM; None where their file is not known."""
    path = os.environ.get("GRPC_DEFAULT_SSL_ROOTS_FILE_PATH") or ssl.get_default_verify_paths().cafile
    return Path(path).read_bytes() if path else None


def _digest(pin: str) -> str:
    digits = pin.replace(":", "").strip().lower()
    if len(digits) != sha256().digest_size * 2 or set(digits) - set("0123456789abcdef"):
        help = "it has 64 hex digits; colons may stand between them"
        raise PipelineError(f"'{pin}' is no SHA-256 of a certificate", code="usage", help=help)
    return digits


def _context(authorities: bytes | None = None) -> ssl.SSLContext:
    """What trusts `authorities`; None trusts everyone."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.set_alpn_protocols(["h2"])
    context.check_hostname = False
    if authorities is None:
        context.verify_mode = ssl.CERT_NONE
    else:
        context.load_verify_locations(cadata=authorities.decode("ascii", "replace"))
    return context


async def _shaken(address: Address, context: ssl.SSLContext, name: str) -> tuple[bytes, dict[str, Any]]:
    """The server's certificate, as DER and, where it was verified, as what is in it."""
    async with asyncio.timeout(LIMIT):
        _, writer = await asyncio.open_connection(address.host, address.port, ssl=context, server_hostname=name)
    try:
        shaken: ssl.SSLObject = writer.get_extra_info("ssl_object")
        return shaken.getpeercert(binary_form=True) or b"", dict(shaken.getpeercert() or {})
    finally:
        writer.transport.abort()


def _name(facts: dict[str, Any]) -> str | None:
    """A name that the certificate is for; a star in it is some word."""
    others = [value for _, value in facts.get("subjectAltName", ())]
    common = [value for pairs in facts.get("subject", ()) for key, value in pairs if key == "commonName"]
    return next((name.replace("*", "any") for name in others or common), None)
