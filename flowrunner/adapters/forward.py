"""Doors on this machine that lead to a network part."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from pathlib import Path

from flowrunner.interfaces.network import Network
from flowrunner.net.datagrams import forward_udp
from flowrunner.net.forward import LOOPBACK, Forward, forward_tcp, forward_unix


def tcp_port(network: Network, port: int = 0, host: str = LOOPBACK) -> AbstractAsyncContextManager[Forward]:
    """A TCP port, a free one by default: `forward.host`, `forward.port`.

    Raises:
        BenchError: there is no such address here, or the port is in use.
    """
    return forward_tcp(network.connect, host=host, port=port)


def udp_port(network: Network, port: int = 0, host: str = LOOPBACK) -> AbstractAsyncContextManager[Forward]:
    """A UDP port, each sender to which has a way of its own.

    Raises:
        BenchError: there is no such address here, the port is in use, or the part is not one for datagrams.
    """
    return forward_udp(network.connect, host=host, port=port)


def unix_socket(network: Network, path: Path | None = None) -> AbstractAsyncContextManager[Forward]:
    """A Unix socket, in a folder that only this user can enter by default: `forward.path`.

    Raises:
        BenchError: the path is in use, or no socket can be there.
    """
    return forward_unix(network.connect, path=path)
