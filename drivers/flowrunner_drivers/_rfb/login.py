"""The beginning of a session: versions and passwords (RFC 6143, sections 7.1 and 7.2)."""

from __future__ import annotations

import re

from flowrunner.errors import BenchError
from flowrunner.interface import ByteStream
from flowrunner_drivers._rfb.wire import Wire

NONE, PASSWORD = 1, 2
KNOWN = {5: "RA2", 6: "RA2ne", 16: "Tight", 18: "TLS", 19: "VeNCrypt", 20: "SASL", 30: "Apple", 129: "RA2_256"}
LENGTH = 8
"""Characters of a password that count."""

REVERSED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))
"""VNC's keys have their bits the other way round."""


async def log_in(wire: Wire, password: str | None) -> None:
    """Greet the server and log in; what comes next is the client's first message.

    Raises:
        BenchError: it is no VNC server, wants what we have not, or refused us.
    """
    banner = await wire.exactly(12)
    found = re.fullmatch(rb"RFB (\d{3})\.(\d{3})\n", banner)
    if not found:
        raise BenchError(f"that is no VNC server: it said {banner!r}", blame="config")
    newest = min((int(found[1]), int(found[2])), (3, 8))
    version = newest if newest in ((3, 7), (3, 8)) else (3, 3)
    await wire.send("12s", b"RFB %03d.%03d\n" % version)
    kind = await _chosen(wire, version, password)
    if kind == PASSWORD:
        await wire.send("16s", answer(await wire.exactly(16), password or ""))
    if kind == PASSWORD or version == (3, 8):
        (refused,) = await wire.numbers("I")
        if refused:
            why = await wire.text() if version == (3, 8) else "the password is wrong"
            raise BenchError(f"the VNC server refused us: {why}", blame="config", help="look at the driver's password")


async def _chosen(wire: Wire, version: tuple[int, int], password: str | None) -> int:
    """The way to log in that both sides have."""
    if version == (3, 3):
        offered = [int((await wire.numbers("I"))[0])]
    else:
        (count,) = await wire.numbers("B")
        offered = list(await wire.exactly(count)) if count else [0]
    if 0 in offered:
        raise BenchError(f"the VNC server refused us: {await wire.text()}", blame="infra")
    kind = next((kind for kind in (NONE, PASSWORD) if kind in offered), None)
    if kind is None:
        names = ", ".join(KNOWN.get(each, str(each)) for each in offered)
        help = "let it take a password of VNC (VncAuth), or none, and protect the way to it instead"
        raise BenchError(f"the VNC server offers no login that is known here: {names}", blame="config", help=help)
    if kind == PASSWORD and password is None:
        raise BenchError("the VNC server wants a password", blame="config", help="give it in the driver's config")
    if version != (3, 3):
        await wire.send("B", kind)
    return kind


def answer(challenge: bytes, password: str) -> bytes:
    """What proves that we know the password: the challenge, encrypted by DES."""
    from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES  # few servers want a password
    from cryptography.hazmat.primitives.ciphers import Cipher, modes

    key = password.encode("latin-1", "replace")[:LENGTH].ljust(LENGTH, b"\0").translate(REVERSED)
    encryptor = Cipher(TripleDES(key * 3), modes.ECB()).encryptor()
    return encryptor.update(challenge) + encryptor.finalize()


async def welcome(viewer: ByteStream) -> bytes:
    """Let a viewer in without a password, as a server does; returns what it has sent too early.

    Raises:
        BenchError: it is no VNC viewer.
    """
    wire = Wire(viewer)
    await viewer.send(b"RFB 003.008\n")
    greeting = await wire.exactly(12)
    if greeting == b"RFB 003.003\n":
        await viewer.send(bytes([0, 0, 0, NONE]))
        return wire.rest()
    await viewer.send(bytes([1, NONE]))
    await wire.exactly(1)
    if greeting == b"RFB 003.008\n":
        await viewer.send(bytes(4))
    return wire.rest()
