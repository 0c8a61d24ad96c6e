"""Whether a port of this host runs at the speed that it was told to: the kernel takes another one without a word."""

from __future__ import annotations

import fcntl
import logging
import struct
from typing import Any

TCGETS2 = 0x802C542A
"""Get the settings, speeds in numbers included (asm-generic/ioctls.h)."""

TERMIOS2 = struct.Struct("4I B19s 2I")
"""Four words of flags, line discipline, control characters, speed of input and of output (asm-generic/termbits.h)."""

TOLERANCE = 0.03
"""How far two ends may be apart and still understand each other: a third of a bit after ten of them is too much."""

log = logging.getLogger(__name__)


def check_speed(port: Any) -> None:
    """Warn when an open port runs at another speed than it was set to.

    It is no error: ports that have no speed at all, such as those of a gadget, keep some number.
    """
    try:
        *_, real = TERMIOS2.unpack(fcntl.ioctl(port.fileno(), TCGETS2, bytes(TERMIOS2.size)))
    except OSError:
        return  # another system, or gone, which reading it tells
    if abs(real - port.baudrate) > TOLERANCE * port.baudrate:
        log.warning(
            "'%s' says that it runs at %d bits a second, not at %d: perhaps its adapter cannot",
            port.port, real, port.baudrate,
        )  # fmt: skip
