"""Plugging the cables in: QEMU's arguments for its network cards, and the TAP interfaces that it gets open."""

from __future__ import annotations

import ctypes
import errno
import fcntl
import hashlib
import os
import secrets
import socket
import struct
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path

from flowrunner.errors import BenchError
from flowrunner_drivers.machine._qemu.cables import HostForward, Nic
from flowrunner_drivers.machine._qemu.escape import value

LOOPBACK = "127.0.0.1"
NAMESPACES = Path("/run/netns")
TUN = "/dev/net/tun"
TUNSETIFF = 0x400454CA
TAP = 0x0002 | 0x1000 | 0x4000
"""IFF_TAP, IFF_NO_PI, IFF_VNET_HDR: linux/if_tun.h."""

CLONE_NEWNET = 0x40000000


def address() -> str:
    """An address for a network card that no other has, of the range that QEMU uses."""
    return "52:54:00:" + ":".join(f"{byte:02x}" for byte in secrets.token_bytes(3))


def user_network(forwards: Mapping[str, HostForward]) -> Iterator[str]:
    """The card behind QEMU's NAT."""
    doors = "".join(f",hostfwd={_forward(forward)}" for forward in forwards.values())
    yield from ("-netdev", f"user,id=network{doors}")
    yield from ("-device", "virtio-net-pci,netdev=network,romfile=")


@contextmanager
def plugged(nics: Sequence[Nic], addresses: Sequence[str]) -> Iterator[tuple[list[str], list[int]]]:
    """The arguments for these cards, and the open files that they need; those are closed behind the block.

    Raises:
        BenchError: a cable leads nowhere.
    """
    arguments: list[str] = []
    files: list[int] = []
    with ExitStack() as stack:
        for number, (nic, mac) in enumerate(zip(nics, addresses, strict=True)):
            if nic.tap:
                files.append(_open_tap(nic.tap, nic.netns))
                stack.callback(os.close, files[-1])
            backend = f"tap,fd={files[-1]}" if nic.tap else _backend(nic)
            kind, _, options = backend.partition(",")
            arguments += ["-netdev", f"{kind},id=nic{number},{options}"]
            rom = ",romfile=" if nic.model.endswith("-pci") else ""
            arguments += ["-device", f"{nic.model},netdev=nic{number},mac={nic.mac or mac}{rom}"]
        yield arguments, files


def _backend(nic: Nic) -> str:
    if nic.segment:
        return f"socket,mcast={meeting_place(nic.segment)},localaddr={LOOPBACK}"
    if nic.link:
        near, far = (value(Path(f"{nic.link}.{end}")) for end in (nic.end, "b" if nic.end == "a" else "a"))
        return f"dgram,local.type=unix,local.path={near},remote.type=unix,remote.path={far}"
    return f"bridge,br={nic.bridge}"


def meeting_place(segment: str) -> str:
    """Where the machines of a segment meet: a multicast group of this host only, and a port, both of this user."""
    digest = hashlib.sha256(f"{os.getuid()} {segment}".encode()).digest()
    port = 20_000 + int.from_bytes(digest[2:4]) % 10_000
    return f"239.255.{digest[0]}.{1 + digest[1] % 254}:{port}"


def _forward(forward: HostForward) -> str:
    return f"{forward.protocol}:{forward.hostaddr}:{forward.hostport}-:{forward.guestport}"


def _open_tap(name: str, netns: str | None) -> int:
    """The TAP interface, open. A thread of its own goes into the namespace, as one cannot be left again."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(_attach, name, netns).result()


def _attach(name: str, netns: str | None) -> int:
    where = f" in the network namespace '{netns}'" if netns else ""
    if netns:
        _enter(netns)
    if name not in (each for _, each in socket.if_nameindex()):
        help = f"as root: {f'ip netns exec {netns} ' if netns else ''}ip tuntap add dev {name} mode tap user $USER"
        raise BenchError(f"there is no interface '{name}'{where}", blame="config", help=help)
    handle = -1
    try:
        handle = os.open(TUN, os.O_RDWR | os.O_CLOEXEC)
        fcntl.ioctl(handle, TUNSETIFF, struct.pack("16sH22x", name.encode(), TAP))
    except OSError as error:
        if handle >= 0:
            os.close(handle)
        reasons = {errno.EBUSY: "another machine has it", errno.EPERM: "it belongs to another user"}
        what = f"the interface '{name}'{where} cannot be used: {os.strerror(error.errno or 0)}"
        raise BenchError(what, blame="infra", help=reasons.get(error.errno or 0)) from error
    return handle


def _enter(netns: str) -> None:
    place = NAMESPACES / netns
    try:
        handle = os.open(place, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        what = f"there is no network namespace '{netns}': {os.strerror(error.errno or 0)}"
        raise BenchError(what, blame="config", help="make it: ip netns add") from error
    try:
        if ctypes.CDLL(None, use_errno=True).setns(handle, CLONE_NEWNET):
            why = os.strerror(ctypes.get_errno())
            raise BenchError(f"the network namespace '{netns}' cannot be entered: {why}", blame="infra")
    finally:
        os.close(handle)
