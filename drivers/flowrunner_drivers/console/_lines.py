"""What an open port has beside its data: lines, break, speed."""

from __future__ import annotations

import errno
import fcntl
import struct
import termios
from typing import Any

import anyio

from flowrunner.errors import BenchError
from flowrunner.interfaces.serial import ModemLines
from flowrunner_drivers.console._rfc2217 import Rfc2217Port

WORDS = {"dtr": "DTR line", "rts": "RTS line", "break_condition": "break", "baudrate": "speed"}
DRAIN = 2.0
"""Seconds that what was sent may take to leave this host: flow control may hold it back."""

NONE_SUCH = (errno.ENOTTY, errno.EINVAL, errno.EOPNOTSUPP)
BITS = {
    "cts": termios.TIOCM_CTS, "dsr": termios.TIOCM_DSR, "ri": termios.TIOCM_RNG, "cd": termios.TIOCM_CAR,
    "dtr": termios.TIOCM_DTR, "rts": termios.TIOCM_RTS,
}  # fmt: skip


def change(port: Any, name: str, value: object) -> None:
    """Set `dtr`, `rts`, `break_condition` or `baudrate` of an open port; may block.

    Raises:
        BenchError: it has none, or does not take the value.
    """
    try:
        setattr(port, name, value)
    except (OSError, ValueError, termios.error) as error:
        raise _refused(port, WORDS[name], error, value) from error
    if isinstance(port, Rfc2217Port):
        port.told.add(name)


async def drain(port: Any) -> None:
    """Wait until what was sent is out of this host, for `DRAIN` seconds at most.

    Raises:
        BenchError: the port is gone.
    """
    try:
        with anyio.move_on_after(DRAIN):
            while port.out_waiting:  # noqa: ASYNC110 - nothing tells when it is out
                await anyio.sleep(0.002)
    except OSError as error:
        raise _refused(port, WORDS["baudrate"], error) from error


def read(port: Any) -> ModemLines:
    """The lines of an open port; may block.

    Raises:
        BenchError: it has none.
    """
    try:
        if isinstance(port, Rfc2217Port):
            port.await_lines()
            known = {line: getattr(port, line) for line in port.told & {"dtr", "rts"}}
            return ModemLines(cts=port.cts, dsr=port.dsr, ri=port.ri, cd=port.cd, **known)
        (bits,) = struct.unpack("I", fcntl.ioctl(port.fileno(), termios.TIOCMGET, bytes(4)))
    except (OSError, termios.error, AttributeError) as error:
        raise _refused(port, "modem lines", error) from error
    return ModemLines(**{line: bool(bits & bit) for line, bit in BITS.items()})


def _refused(port: Any, what: str, error: Exception, value: object = None) -> BenchError:
    code = error.args[0] if isinstance(error, termios.error) else getattr(error, "errno", None)
    if code in NONE_SUCH and what != WORDS["baudrate"]:
        return BenchError(f"'{port.port}' has no {what}", blame="config", help="a terminal of a program has none")
    if isinstance(port, Rfc2217Port) and what == "modem lines":
        return BenchError(f"the server of '{port.port}' does not tell its modem lines", blame="config")
    wanted = "" if value is None else f" {value}"
    return BenchError(f"'{port.port}' did not take the {what}{wanted}: {error}")
