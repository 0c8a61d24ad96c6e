"""Why an exporter cannot be reached: what gRPC leaves out is found by looking there once more."""

from __future__ import annotations

import asyncio
import ssl
import stat
from contextlib import suppress
from hashlib import sha256
from pathlib import Path

import anyio
import grpc

from flowrunner.errors import BenchError
from flowrunner.net.dial import dial_host
from flowrunner.remote.client.certificate import fetched, trusted
from flowrunner.remote.endpoint import Endpoint

LIMIT = 5.0
"""Seconds that a look may take."""


async def refused(endpoint: Endpoint, code: grpc.StatusCode, details: str | None) -> BenchError:
    """Why the first rpc at an exporter failed."""
    match code:
        case grpc.StatusCode.UNAUTHENTICATED if endpoint.passphrase:
            return _config(f"{endpoint} refused the passphrase", "ask who runs that exporter for the right one")
        case grpc.StatusCode.UNAUTHENTICATED:
            return _config(f"{endpoint} wants a passphrase", "give it with --passphrase-file or FLOW_PASSPHRASE")
        case grpc.StatusCode.UNIMPLEMENTED:
            return _config(f"{endpoint} is no exporter: it speaks gRPC, but gives no report", "is the port right?")
        case grpc.StatusCode.DEADLINE_EXCEEDED:
            return BenchError(f"{endpoint} takes connections but does not answer", blame="infra")
        case grpc.StatusCode.UNAVAILABLE | grpc.StatusCode.UNKNOWN | grpc.StatusCode.INTERNAL:
            return await diagnosed(endpoint, details)
        case _:
            return BenchError(f"{endpoint} refused its report: {details or code.name}", blame="infra")


async def diagnosed(endpoint: Endpoint, details: str | None = None) -> BenchError:
    """Why no connection comes about; `details` are gRPC's own words, for when nothing better is found."""
    path = endpoint.address.path
    found = await _unix(endpoint, path) if path else await _tcp(endpoint)
    return found or _unknown(endpoint, (details or "").rpartition(": ")[2])


def _unknown(endpoint: Endpoint, why: str) -> BenchError:
    """Nothing is wrong now with the way there; `why` are the last of gRPC's words."""
    if any(word in why for word in ("refused", "No such file", "reset", "closed")):
        return BenchError(f"{endpoint} broke the connection off: {why}", blame="infra", help="it may be starting")
    return _config(f"{endpoint} is no exporter: {why or 'it speaks no gRPC'}", "is the port right?")


async def _unix(endpoint: Endpoint, path: Path) -> BenchError | None:
    try:
        if not stat.S_ISSOCK((await anyio.Path(path).stat()).st_mode):
            return _config(f"'{path}' is no socket", "give the socket that the exporter listens on")
        _, writer = await asyncio.open_unix_connection(path)
        writer.transport.abort()
    except FileNotFoundError:
        return BenchError(f"there is no socket '{path}'", blame="infra", help="is the exporter running?")
    except ConnectionRefusedError:
        return BenchError(f"nobody listens on {endpoint}", blame="infra", help="its exporter has ended: start it again")
    except PermissionError:
        return _config(f"you may not use the socket '{path}'", "its owner can let you")
    except OSError as error:
        return BenchError(f"{endpoint} cannot be reached: {error.strerror}", blame="infra")
    return None


async def _tcp(endpoint: Endpoint) -> BenchError | None:
    try:
        stream = await dial_host(endpoint.address.host, endpoint.address.port, timeout=LIMIT)
        stream.close()
    except BenchError as error:
        error.help = error.help or "is the exporter running, and is this its address?"
        return error
    if endpoint.trust.insecure:
        return await _plain(endpoint)
    return await _tls(endpoint)


async def _plain(endpoint: Endpoint) -> BenchError | None:
    """Plain text was asked for."""
    with suppress(OSError, asyncio.TimeoutError):
        pin = sha256(await fetched(endpoint.address)).hexdigest()
        return _config(f"{endpoint} speaks TLS, not plain text", f"leave out --insecure; its pin is {pin}")
    return None


async def _tls(endpoint: Endpoint) -> BenchError | None:
    pin = ""
    try:
        pin = sha256(await fetched(endpoint.address)).hexdigest()
        await trusted(endpoint)
    except ssl.SSLCertVerificationError as error:
        help = f"trust its signer with --tls-ca FILE, or this very certificate with --tls-pin {pin}"
        return _config(f"the certificate of {endpoint} is not trusted: {error.verify_message}", help)
    except (TimeoutError, OSError):
        return _config(f"{endpoint} does not speak TLS", "if plain text is meant, write --insecure")
    return None


def _config(what: str, help: str) -> BenchError:
    return BenchError(what, blame="config", help=help)
