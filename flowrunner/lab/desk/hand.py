"""Using a bench of this machine by hand, without an exporter: its file is opened for one command."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from flowrunner.bench.bench import Bench
from flowrunner.commands.run import ROLE, Action, prepare
from flowrunner.device import Device
from flowrunner.errors import FlowrunnerError
from flowrunner.lab.desk.held import Standing, hold
from flowrunner.lab.desk.looking import lookout
from flowrunner.lab.locks import Blocked


async def operate_here(
    exporter: Standing, words: Sequence[str], *, environment: Mapping[str, str], waiting: Callable[[Blocked], None],
    tell: Callable[[str], None],
) -> int:  # fmt: skip
    """Do what `words` say with the bench of `exporter`; returns the exit status. `tell` is given text.

    Raises:
        PipelineError: the words make no command, or the exporter's file is wrong.
        BenchError: the device did not do as asked.
    """
    bench = Bench(exporter.source, ROLE)
    action = prepare(bench.device(), words)
    if isinstance(action, str):
        tell(action)
        return 0
    if action.looks_on:
        return await action(await lookout(exporter, bench.device(), environment, waiting))
    lock = await hold(exporter, "flow device", environment, waiting)
    outcome: int | Exception = 0
    try:
        async with bench.opened():
            outcome = await _attempt(action, bench.device())
    finally:
        lock.free()
    if isinstance(outcome, Exception):
        raise outcome
    return outcome


async def _attempt(action: Action, device: Device) -> int | Exception:
    """The exit status, or what went wrong: raised where no task group wraps it."""
    try:
        return await action(device)
    except (FlowrunnerError, OSError) as error:
        return error
