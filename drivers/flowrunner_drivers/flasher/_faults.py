"""What goes wrong on the way, whose fault it is, and whether another try may help."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager

import anyio

from flowrunner.console.login import LoginRefusedError
from flowrunner.console.patterns import ConsoleSession
from flowrunner.console.text import last_lines
from flowrunner.errors import BenchError, Blame, ExpectationError, FlowrunnerError
from flowrunner.interfaces.power import Power
from flowrunner.model import Duration

TAIL = 4096
LONGEST_PAUSE = 30.0

log = logging.getLogger(__name__)


class PassingError(BenchError):
    """A fault that another try may find gone: of the network, or of a board that hung."""


@contextmanager
def stage(
    session: ConsoleSession, doing: str, blame: Blame, within: float | None, help: str | None = None
) -> Iterator[None]:
    """One stage on a console; what it misses is `blame`'s fault. `doing` ends the sentence "while ...".

    Raises:
        PassingError: something was not seen, or not within so many seconds.
        BenchError: the user was not let in.
    """
    begin = session.end
    try:
        with anyio.fail_after(within):
            yield
    except LoginRefusedError as error:
        advice = "set username and password in the bundle's manifest, under login"
        raise BenchError(error.what, blame="config", said=error.said, help=advice) from error
    except ExpectationError as error:
        raise PassingError(error.what, blame=blame, said=error.said, help=help or error.help) from error
    except TimeoutError as error:
        said = last_lines(session.read(max(begin, session.end - TAIL)))
        raise PassingError(
            f"the board was not done within {Duration(within or 0)} while {doing}", blame=blame, said=said, help=help
        ) from error


@asynccontextmanager
async def left_safe(power: Power) -> AsyncIterator[None]:
    """Whatever goes wrong or is cancelled inside, the board is off then."""
    try:
        yield
    except BaseException as error:
        with anyio.CancelScope(shield=True):
            try:
                await power.off()
            except FlowrunnerError as later:
                error.add_note(f"and the board could not be powered off: {later.what}")
        raise


async def tried(attempt: Callable[[], Awaitable[None]], retries: int, power: Power) -> None:
    """Do it, and again for faults that pass, with ever longer pauses in which the board is off."""
    for number in range(1, retries + 1):
        try:
            return await attempt()
        except PassingError as error:
            pause = min(2.0**number, LONGEST_PAUSE)
            log.warning("try %d failed: %s; the next one is in %g s", number, error.what, pause)
            await power.off()
            await anyio.sleep(pause)
    try:
        await attempt()
    except PassingError as error:
        error.what += f", at try {retries + 1} of {retries + 1}" if retries else ""
        raise
