"""A request as it arrives: from whom, and at which of our addresses, so that the answer comes from there."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

from flowrunner_drivers.tftp._packets import ERROR, Code, error

FOREIGN = error(Code.UNKNOWN_TRANSFER, "this port serves another transfer")

LONGEST = 2048
"""Bytes of a request: RFC 2347 allows 512, some boot ROMs pad theirs."""

IP_PKTINFO = 8
"""Linux, ip(7); Python names it from 3.14 on."""


@dataclass(frozen=True, slots=True)
class Arrival:
    """One packet that came to the port. `local` is the address that it was sent to, `family` that of both."""

    packet: bytes
    peer: Any
    local: str
    family: int

    @property
    def who(self) -> str:
        """The client, for people."""
        host, port = self.peer[:2]
        return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def listening_socket(family: int, address: Any) -> socket.socket:
    """A UDP socket that is bound to `address` and tells where packets were sent to.

    Raises:
        OSError: it cannot be bound.
    """
    sock = socket.socket(family, socket.SOCK_DGRAM)
    try:
        sock.setblocking(False)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO, 1)
        else:
            sock.setsockopt(socket.IPPROTO_IP, IP_PKTINFO, 1)
        sock.bind(address)
    except BaseException:
        sock.close()
        raise
    return sock


def receive(sock: socket.socket) -> Arrival:
    """The next packet.

    Raises:
        BlockingIOError: there is none.
    """
    packet, notes, _, peer = sock.recvmsg(LONGEST, socket.CMSG_SPACE(20))
    local: str = sock.getsockname()[0]
    for _, kind, data in notes:
        if kind == socket.IPV6_PKTINFO and sock.family == socket.AF_INET6:
            local = socket.inet_ntop(socket.AF_INET6, data[:16])
        elif kind == IP_PKTINFO:  # interface, our address, the address in the packet's header (may be a broadcast)
            local = socket.inet_ntop(socket.AF_INET, data[4:8])
    return Arrival(packet, peer, local, sock.family)


@contextmanager
def answering(arrival: Arrival) -> Iterator[socket.socket]:
    """A socket with a port of its own, at the address that the client knows, connected to the client. It blocks.

    Whoever else sends to that port is told that it is not for him, by a second socket there: the system gives packets
    to the one that is connected to their sender, and the rest to the other.

    Raises:
        OSError: that address is not ours any more.
    """
    loop = asyncio.get_running_loop()
    with _bound(arrival, 0) as strangers, _bound(arrival, strangers.getsockname()[1]) as sock:
        sock.setblocking(True)
        sock.connect(arrival.peer)
        loop.add_reader(strangers, _refuse, strangers)
        try:
            yield sock
        finally:
            loop.remove_reader(strangers)


def _bound(arrival: Arrival, port: int) -> socket.socket:
    sock = socket.socket(arrival.family, socket.SOCK_DGRAM)
    try:
        sock.setblocking(False)
        if port:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if arrival.family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
            scope = arrival.peer[3] if arrival.local.startswith("fe80") else 0
            sock.bind((arrival.local, port, 0, scope))
        else:
            sock.bind((arrival.local, port))
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    except BaseException:
        sock.close()
        raise
    return sock


def _refuse(strangers: socket.socket) -> None:
    with suppress(OSError):  # nothing there any more, or no way back
        packet, sender = strangers.recvfrom(LONGEST)
        if packet[:2] != ERROR:
            strangers.sendto(FOREIGN, sender)
