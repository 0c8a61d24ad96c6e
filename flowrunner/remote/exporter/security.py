"""Who may use an exporter: the certificate that it shows, the passphrase that it asks for."""

from __future__ import annotations

import hashlib
import hmac
import ssl
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import grpc
import grpc.aio

from flowrunner.errors import PipelineError
from flowrunner.remote.endpoint import Listen
from flowrunner.remote.wire import PASSPHRASE

REFUSED = "invalid or missing passphrase"


def credentials(listen: Listen) -> grpc.ServerCredentials | None:
    """What a port is served with; None is plain text.

    Raises:
        PipelineError: a port has neither a certificate nor `insecure`, or its certificate cannot be used.
    """
    if listen.address.path:
        return None
    if listen.certificate and listen.key:
        return grpc.ssl_server_credentials([(_usable(listen.certificate, listen.key), listen.certificate.read_bytes())])
    if listen.certificate or listen.key:
        what = f"{listen.address} has only one of a certificate and its key"
        raise PipelineError(what, code="usage", help="give both")
    if not listen.insecure:
        advice = "give a certificate and its key, or say that it is insecure: anyone on the way can read plain text"
        raise PipelineError(f"{listen.address} has no certificate", code="usage", help=advice)
    return None


def _usable(certificate: Path, key: Path) -> bytes:
    """The key, when both can be used together: gRPC itself would take anything, and fail at each client."""
    for file in (certificate, key):
        try:
            file.read_bytes()
        except OSError as error:
            what = f"'{file}' cannot be read: {error.strerror}"
            raise PipelineError(what, code="no-file", help="it was named for TLS") from error
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key, password=_no_password)
    except _LockedError as error:
        what = f"the key '{key}' is locked with a password"
        raise PipelineError(what, code="bad-value", help="take the password away: openssl pkey -in KEY") from error
    except (ssl.SSLError, ValueError) as error:
        reason = getattr(error, "reason", "") or ""
        if reason == "KEY_VALUES_MISMATCH":
            what = f"the key '{key}' is not that of the certificate '{certificate}'"
        else:
            what = f"the certificate '{certificate}' with the key '{key}' cannot be used"
            what += f": {reason.lower().replace('_', ' ')}" if reason else ""
        raise PipelineError(what, code="bad-value", help="both must be PEM, the server's certificate first") from error
    return key.read_bytes()


class _LockedError(Exception):
    """A key wants a password."""


def _no_password() -> str:
    raise _LockedError


class Doorkeeper(grpc.GenericRpcHandler):  # type: ignore[misc] # grpc has no types
    """Refuses each rpc, of whatever service, that does not bring the passphrase.

    It is the first of a server's handlers: those behind it are asked when it answers None. An interceptor would cost
    each call more than all else that an exporter does for it.
    """

    def __init__(self, passphrase: str) -> None:
        """Keep the digest: digests are of one length, so that to compare them takes the same time for all.

        Raises:
            PipelineError: the passphrase is empty.
        """
        if not passphrase:
            raise PipelineError("the passphrase is empty", code="bad-value", help="leave it out, or choose one")
        self._known = _digest(passphrase.encode())

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler | None:
        given = _given(handler_call_details.invocation_metadata or ())
        return None if hmac.compare_digest(_digest(given), self._known) else _REFUSAL


def _given(metadata: Iterable[tuple[str, str | bytes]]) -> bytes:
    """What a client says; nothing when it says several things."""
    found = [value for key, value in metadata if key == PASSPHRASE]
    if len(found) != 1:
        return b""
    return found[0].encode() if isinstance(found[0], str) else found[0]


def _digest(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


async def _refuse(requests: object, context: grpc.aio.ServicerContext[Any, Any]) -> None:
    await context.abort(grpc.StatusCode.UNAUTHENTICATED, REFUSED)


_REFUSAL = grpc.stream_stream_rpc_method_handler(_refuse)
