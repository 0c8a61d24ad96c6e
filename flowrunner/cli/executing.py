"""Carrying out a compiled pipeline from the command line: its options, signals, display and reports."""

from __future__ import annotations

import asyncio
import os
import platform
import signal
import socket
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from functools import partial
from itertools import pairwise
from typing import Any

import typer

from flowrunner.cli.asking import asking
from flowrunner.cli.telling import reported
from flowrunner.engine.chosen import Chosen
from flowrunner.engine.fitting import check_lab
from flowrunner.engine.run import Finished, Runner
from flowrunner.engine.state import Options
from flowrunner.lab.flock import lock_folder
from flowrunner.lab.static import StaticLab
from flowrunner.lab.turns import Turns
from flowrunner.pipeline.plan import Plan
from flowrunner.pipeline.select import Selection
from flowrunner.replay.recorder import Recorder
from flowrunner.report.display import Listener

EXIT_CANCELED = 4

Display = Callable[..., AbstractContextManager[Listener]]


def options(
    bench: StaticLab, *, fsync: bool, update_snapshots: bool = False, record: bool = True, part: Chosen | None = None,
    steps: Selection | None = None, left_out: Mapping[str, str] | None = None, ci: bool = False,
    images: Mapping[str, str] | None = None,
) -> Options:  # fmt: skip
    """How a run of this process on `bench` is done; `left_out` are the paths that `steps` leaves out, with why."""
    return Options(
        update_snapshots=update_snapshots, ci=ci, fsync=fsync, environment=dict(os.environ), hidden=bench.secrets,
        facts=_facts(bench, steps, frozen=images is not None), left_out=left_out or {}, images=images, chosen=part,
        turn=Turns(partial(lock_folder, os.environ)), witness=Recorder() if record else None,
    )  # fmt: skip


def _facts(bench: StaticLab, steps: Selection | None, *, frozen: bool) -> dict[str, Any]:
    partial = ({"partial": str(steps)} if steps else {}) | ({"frozen": True} if frozen else {})
    return {
        **partial,
        "argv": argv(sys.argv), "host": socket.gethostname(), "user": os.environ.get("USER", str(os.getuid())),
        "python": platform.python_version(), "platform": platform.platform(), "lab": bench.origin,
        "exporters": bench.named,
    }  # fmt: skip


def argv(words: Sequence[str]) -> list[str]:
    """The command line without the passphrase, however short that is."""
    found = []
    for before, word in pairwise(("", *words)):
        sign = word.startswith("--passphrase=")
        found.append("***" if before == "--passphrase" else "--passphrase=***" if sign else word)
    return found


async def execute(runner: Runner, bench: StaticLab, plan: Plan, show: Display) -> tuple[Finished, str | None]:
    """Run the plan, of which `plan` is what is leased here; returns also what went wrong with the reports."""
    await ready(runner, bench, plan)
    past = runner.past.events if runner.past else ()
    with show(runner.folder, sources=plan.sources, earlier=past) as listener:
        with asking(runner.folder) as ask:
            finished = await runner.run([ask, listener])
        return finished, reported(finished.folder)


async def ready(runner: Runner, bench: StaticLab, plan: Plan) -> None:
    """Obey signals, and check that the lab has what `plan` needs."""
    looking = asyncio.ensure_future(bench.look(tuple(plan.requests())))
    _obey_signals(runner, looking)
    await asyncio.wait((looking,))
    if looking.cancelled():
        typer.echo("canceled while the exporters were asked what they have", err=True)
        raise typer.Exit(EXIT_CANCELED)
    looking.result()
    check_lab(bench, plan)


def _obey_signals(runner: Runner, looking: asyncio.Future[None]) -> None:
    """The first signal ends the steps (and `looking`), the second `finally` too, the third leaves at once.

    Plain handlers, not the event loop's: the third must work even when a plugin blocks the loop.
    """
    loop = asyncio.get_running_loop()
    count = 0

    def obey(number: int, frame: object) -> None:
        nonlocal count
        count += 1
        name = signal.Signals(number).name
        if count >= 3:
            _leave(runner)
        loop.call_soon_threadsafe(looking.cancel)
        loop.call_soon_threadsafe(runner.cancel, name)

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, obey)


def _leave(runner: Runner) -> None:
    text = f"\nleft at once; clean up with: flow recover {runner.folder}\n"
    writer = threading.Thread(target=lambda: os.write(2, text.encode()), daemon=True)
    writer.start()
    writer.join(0.5)  # a terminal that takes nothing must not keep us
    os._exit(EXIT_CANCELED)
