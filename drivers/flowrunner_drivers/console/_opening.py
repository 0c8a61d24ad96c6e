"""Opening a serial port: as quietly as can be, alone, and with a sentence when it cannot be."""

from __future__ import annotations

import errno
import fcntl
import termios
from contextlib import suppress
from pathlib import Path
from typing import Any, NoReturn

import serial

from flowrunner.errors import BenchError
from flowrunner_drivers.console._looking import busy, look, ports
from flowrunner_drivers.console._rfc2217 import Rfc2217Port
from flowrunner_drivers.console._speed import check_speed

IN_USE = (errno.EBUSY, errno.EAGAIN)


def make_port(url: str, lines: dict[str, bool | None], *, local: bool, **settings: Any) -> serial.SerialBase:
    """A port that is not open yet; `lines` are `dtr` and `rts`, None as they are. A `local` one is of this host.

    Raises:
        BenchError: there is no such kind of port, or nothing fits its pattern.
    """
    try:
        if url.startswith("rfc2217:"):
            port: Any = Rfc2217Port(url, **settings)
            port.told = {line for line, on in lines.items() if on is not None}
        else:
            only: dict[str, Any] = {"exclusive": True, "inter_byte_timeout": 0} if local else {}
            port = serial.serial_for_url(url, do_not_open=True, **settings, **only)
    except (serial.SerialException, ValueError) as error:
        raise BenchError(f"serial port '{url}' was not found: {error}", help=ports() if local else None) from error
    for line, on in lines.items():
        if on is not None:
            setattr(port, line, on)
    found: serial.SerialBase = port
    return found


def open_port(port: Any, *, local: bool, keep_lines: bool) -> None:
    """Open a port without throwing away what it has received already; may block.

    With `keep_lines` closing it leaves DTR and RTS as they are, so that a board that resets on DTR runs on.

    Raises:
        BenchError: it is not there, may not be opened, is in use, or cannot be set up.
    """
    if local:
        look(Path(port.port))
        port._reset_input_buffer = _nothing
    try:
        port.open()
    except (serial.SerialException, OSError, ValueError, termios.error) as error:
        _refuse(port, error, local=local)
    if local:
        _set_up(port, keep_lines=keep_lines)
        check_speed(port)


def _refuse(port: Any, error: Exception, *, local: bool) -> NoReturn:
    name = str(port.port)
    if isinstance(port, Rfc2217Port):
        raise _no_server(port, error) from error
    code = getattr(error, "errno", None)
    if local and (code in IN_USE or "exclusively lock" in str(error)):
        raise busy(Path(name)) from error
    raise BenchError(f"'{name}' could not be opened: {error}") from error


def _no_server(port: Rfc2217Port, error: Exception) -> BenchError:
    cause = error.__context__
    if isinstance(error, serial.SerialException) and isinstance(cause, OSError):
        return BenchError(f"'{port.port}' cannot be reached: {cause.strerror or cause}", blame="infra")
    what, help = f"did not take its settings: {error}", None
    if port.hung_up:
        what, help = "closed the connection at once", "somebody else may have that port of the server"
    elif "support RFC2217" in str(error):
        what, help = "does not speak RFC 2217", "a port without it is socket://HOST:PORT; ser2net: telnet(rfc2217)"
    return BenchError(f"'{port.port}' {what}", blame="infra", said=port.said() or None, help=help)


def _nothing() -> None:
    """Do not throw away at opening what has arrived, as pyserial does: a banner may begin with it."""


def _set_up(port: Any, *, keep_lines: bool) -> None:
    """What pyserial leaves out: nobody else may open it, and a break on the line throws away no data."""
    handle = port.fileno()
    settings = termios.tcgetattr(handle)
    settings[0] &= ~termios.BRKINT
    settings[2] = settings[2] & ~termios.HUPCL if keep_lines else settings[2] | termios.HUPCL
    termios.tcsetattr(handle, termios.TCSANOW, settings)
    with suppress(OSError):
        fcntl.ioctl(handle, termios.TIOCEXCL)
