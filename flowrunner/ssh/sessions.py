"""Sessions on a connection: begun, and ended with all that they started."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import Any

import anyio
import asyncssh

from flowrunner.errors import BenchError
from flowrunner.interfaces.ssh import SshLogin, SshTerminal
from flowrunner.ssh.channel import Channel
from flowrunner.ssh.faults import lost, reason
from flowrunner.ssh.lines import Line, Lines
from flowrunner.ssh.program import Program

GRACE = 2.0
"""Seconds that a command has to end after it was told to (SIGTERM), before it is forced (SIGKILL)."""

END_LIMIT = 8.0
"""Seconds that this may take over one connection; then it is closed, and tried once more over another."""

PAUSE = 0.1
"""Seconds between two looks whether it has ended."""

SHOWN = 60
"""Characters of a command that an error shows."""

_log = logging.getLogger(__name__)


@asynccontextmanager
async def session(
    lines: Lines, login: SshLogin | None, command: str | None, env: Mapping[str, str], terminal: SshTerminal | None
) -> AsyncIterator[Channel]:
    """A command, or a shell without one. Leaving it ends all that it started.

    Raises:
        BenchError: there is no connection to be had, or the server gives no session.
    """
    program = Program(command, env) if command is not None and terminal is None and lines.settings.posix else None

    async def begin(line: Line) -> Channel:
        made = Channel(line.where, doing(command), program, partial(_asked, lines, line))
        env_ = {} if program else dict(env)
        return await _opened(lines, line, made, program.command if program else command, env_, terminal)

    line, channel = await lines.using(begin, login)
    try:
        channel.begin()
        yield channel
    finally:
        await _ended(lines, line, channel, login)


async def alive(lines: Lines, login: SshLogin | None, within: float) -> Line:
    """A connection of this login that answers now."""
    line, _ = await lines.using(partial(_asked, lines), login, within)
    return line


async def _asked(lines: Lines, line: Line) -> None:
    """Ask the server something, where it has a shell, and wait for the answer.

    Raises:
        BenchError: none came.
    """
    if lines.settings.posix:
        try:
            with anyio.fail_after(lines.settings.timeout):
                await line.asyncssh.run("exit 0", check=False)
        except asyncssh.ChannelOpenError as error:
            if not line.stands:
                raise lost(line.where, "it was asked whether it is there", error) from error
        except (TimeoutError, OSError, asyncssh.Error) as error:
            raise lost(line.where, "it was asked whether it is there", error) from error


def doing(command: str | None) -> str:
    """What a command's session does, for an error."""
    if command is None:
        return "a shell ran"
    first = command.strip().partition("\n")[0]
    return f"'{first[:SHOWN]}{'...' if len(first) > SHOWN or first != command.strip() else ''}' ran"


async def _opened(
    lines: Lines, line: Line, made: Channel, command: str | None, env: Mapping[str, str], terminal: SshTerminal | None
) -> Channel:
    shape: dict[str, Any] = {}
    if terminal:
        shape = {"term_type": terminal.term, "term_size": (terminal.columns, terminal.rows)}
    try:
        with anyio.fail_after(lines.settings.timeout):
            await line.asyncssh.create_session(lambda: made, command or (), env=env, encoding=None, **shape)
    except asyncssh.ChannelOpenError as error:
        if not line.stands:
            raise lost(line.where, "a session was opened", error) from error
        what = f"the SSH server at {line.where} gives no further session: {reason(error)}"
        raise BenchError(what, blame="infra", help="MaxSessions of sshd bounds them") from error
    except (TimeoutError, OSError, asyncssh.Error) as error:
        raise lost(line.where, "a session was opened", error) from error
    return made


async def _ended(lines: Lines, line: Line, channel: Channel, login: SshLogin | None) -> None:
    """Leave nothing running of a command that has not ended by itself."""
    with anyio.CancelScope(shield=True):
        done = channel.program is None or channel.status is not None or channel.closed.is_set()
        if not done:
            with anyio.move_on_after(END_LIMIT):
                done = await _stopped(line, channel)
        channel.close()
        with anyio.move_on_after(GRACE):
            await channel.closed.wait()
        if not done:
            lines.drop(line)
            with anyio.move_on_after(END_LIMIT), suppress(BenchError):  # by another one: this gave no second session
                done = await _stopped(await lines.line(login, 0), channel)
        if not done:
            _log.warning("what ran at %s may run on there: it could not be told to end", line.where)


async def _stopped(line: Line, channel: Channel) -> bool:
    """End the group of a command; False when that could not be."""
    with anyio.move_on_after(GRACE):
        await channel.number()
    pid = channel.program.pid if channel.program else None
    if pid is None:
        return False
    try:
        for signal in ("TERM", "KILL"):
            await line.asyncssh.run(_kill(signal, pid), check=False)
            with anyio.move_on_after(GRACE):
                while (await line.asyncssh.run(_kill("0", pid), check=False)).exit_status == 0:  # noqa: ASYNC110
                    await anyio.sleep(PAUSE)  # nothing tells of the end of all of a group
                return True
    except (OSError, asyncssh.Error):
        pass
    return False


def _kill(signal: str, pid: int) -> str:
    """The group of a process, or the process alone where a server gives it no group of its own."""
    return f"sh -c 'kill -{signal} -{pid} 2>/dev/null || kill -{signal} {pid} 2>/dev/null'"
