"""Taking an address: sockets of the file system that only their owner may use, ports that nobody has."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import grpc
import grpc.aio

from flowrunner.errors import BenchError
from flowrunner.remote.address import Address
from flowrunner.remote.endpoint import Listen
from flowrunner.remote.exporter.security import credentials

EVERYWHERE = "[::]"
"""The host of an address without one: all of this machine's."""


@contextmanager
def bound(server: grpc.aio.Server, listen: Listen) -> Iterator[Address]:
    """Let `server` listen; gives the true address. Leaving removes its socket.

    Raises:
        PipelineError: a port has no certificate, or one that cannot be used.
        BenchError: the address cannot be had.
    """
    trusted = credentials(listen)
    if listen.address.path is None:
        yield replace(listen.address, port=_port(server, listen.address, trusted))
        return
    path = listen.address.path.absolute()
    _clear(path)
    _listen(server, path)
    here = _identity(path)
    try:
        yield listen.address
    finally:
        if _identity(path) == here:
            path.unlink(missing_ok=True)


def _port(server: grpc.aio.Server, address: Address, trusted: grpc.ServerCredentials | None) -> int:
    target = address.target if address.host else f"{EVERYWHERE}:{address.port}"
    try:
        if trusted:
            return int(server.add_secure_port(target, trusted))
        return int(server.add_insecure_port(target))
    except RuntimeError as error:
        raise _refusal(address) from error


def _refusal(address: Address) -> BenchError:
    """Why a port cannot be had: gRPC does not say it, the kernel does when it is asked again."""
    what, advice = f"cannot listen on {address}", "choose another address"
    try:
        found = socket.getaddrinfo(address.host or None, address.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        for family, kind, protocol, _, where in found:
            with socket.socket(family, kind, protocol) as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind(where)
    except socket.gaierror as error:
        return BenchError(f"{what}: there is no host '{address.host}': {error.strerror}", blame="config", help=advice)
    except OSError as error:
        match error.errno:
            case errno.EADDRINUSE:
                what += ": the port is in use"
                advice = "'ss -ltnp' shows by whom; stop that, or choose another port"
            case errno.EADDRNOTAVAIL:
                what += f": '{address.host}' is no address of this machine"
            case errno.EACCES:
                what += ": ports below 1024 need root"
            case _:
                what += f": {error.strerror}"
    return BenchError(what, blame="infra", help=advice)


def _clear(path: Path) -> None:
    """Remove a socket on which nobody listens any more."""
    what = f"cannot listen on unix:{path}: "
    if not path.parent.is_dir():
        raise BenchError(f"{what}there is no folder '{path.parent}'", blame="config", help="make it first")
    if not os.path.lexists(path):
        return
    if not path.is_socket():
        raise BenchError(f"{what}a file of that name is no socket", blame="config", help="choose another path")
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(1)
        try:
            probe.connect(str(path))
        except ConnectionRefusedError:
            path.unlink()
            return
        except OSError as error:
            what += f"whether somebody does already cannot be seen: {error.strerror or error}"
            raise BenchError(what, blame="infra", help="remove the socket when nobody does") from error
    what = f"another exporter listens on unix:{path}"
    raise BenchError(what, blame="infra", help="stop it, or choose another path")


def _listen(server: grpc.aio.Server, path: Path) -> None:
    """Make a socket that nobody but its owner can open, from its first moment on."""
    before = os.umask(0o177)
    try:
        server.add_insecure_port(f"unix://{path}")
    except RuntimeError as error:
        what = f"cannot listen on unix:{path}: the socket cannot be made"
        advice = "choose a folder that you may write to, on a file system of this machine"
        raise BenchError(what, blame="infra", help=advice) from error
    finally:
        os.umask(before)


def _identity(path: Path) -> tuple[int, int] | None:
    """What tells a socket from another one at the same path."""
    try:
        found = path.lstat()
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino
