"""Hooks around leases: real scripts at a terminal, with the device at their hands."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from textwrap import dedent, indent

import anyio
import pytest

from flowrunner.bench.config import load_exporter
from flowrunner.errors import BenchError
from flowrunner.remote.exporter.facades import Facades
from flowrunner.remote.exporter.hooks import Hooks
from flowrunner.remote.exporter.inner import serving_turn
from flowrunner.remote.exporter.report import report
from flowrunner.remote.exporter.station import Station
from flowrunner.remote.exporter.status import Status
from flowrunner.remote.exporter.turn import Turn
from flowrunner.remote.wire import MOTD
from tests.support.processes import ended

Work = Callable[[Station], Awaitable[None]]


def exporter(folder: Path, **hooks: str) -> Path:
    """A file with a power switch that writes what it does, and hooks by name."""
    texts = "".join(f"  {name}:\n{indent(dedent(text), '    ')}\n" for name, text in hooks.items())
    file = folder / "exporter.yaml"
    log = folder / "log"
    power = f"{{type: power.command, config: {{'on': 'echo on >> {log}', 'off': 'echo off >> {log}'}}}}"
    file.write_text(f"export: {{power: {power}}}\nhooks:\n{texts or '  {}'}\n")
    return file


@asynccontextmanager
async def station(folder: Path, **hooks: str) -> AsyncIterator[Station]:
    file = exporter(folder, **hooks)
    found = Station(load_exporter(file), "bench")
    found.around = Hooks(found, folder, serving_turn)
    async with found.opened():
        yield found


async def patient(owner: str, position: int) -> None:
    pass


def lines(found: Station, source: str) -> list[str]:
    """What a hook printed."""
    return [line.message for line in found.logs.kept if line.source == source]


async def leased(found: Station, work: Callable[[Turn], Awaitable[None]] | None = None) -> None:
    async with found.taken("alice", waiting=patient) as turn:
        if work:
            await work(turn)


@pytest.mark.anyio
async def test_they_run_around_a_lease_and_see_whose_it_is(tmp_path: Path) -> None:
    async with station(
        tmp_path,
        beforeLease="script: 'echo before for $CLIENT_NAME, $LEASE_NAME; test -t 0 && test -t 1 && echo at a terminal'",
        afterLease="script: 'echo after for $CLIENT_NAME'",
    ) as found:

        async def work(turn: Turn) -> None:
            assert found.statuses.now.status is Status.LEASE_READY
            assert lines(found, "before_lease")[-2:] == [f"before for alice, {turn.id}", "at a terminal"]

        await leased(found, work)
        assert "after for alice" in lines(found, "after_lease")
        assert found.statuses.now.status is Status.LEASE_READY


@pytest.mark.anyio
async def test_they_reach_the_device_by_our_own_command_line(tmp_path: Path) -> None:
    script = f"script: '{sys.executable} -m flowrunner device power on'"
    async with station(tmp_path, beforeLease=script) as found:
        assert (tmp_path / "log").read_text() == "on\n", lines(found, "before_lease")


@pytest.mark.anyio
async def test_a_failure_that_may_be_is_a_warning_that_clients_print(tmp_path: Path) -> None:
    async with station(tmp_path, beforeLease="script: exit 3") as found:
        assert found.statuses.now.status is Status.LEASE_READY
        assert found.statuses.now.message == "[HOOK_WARNING] the hook beforeLease failed: it exited 3"


@pytest.mark.anyio
async def test_a_failure_that_ends_the_lease_refuses_it_and_the_next_one_is_tried(tmp_path: Path) -> None:
    script = f"{{script: 'test -e {tmp_path}/fine', onFailure: endLease}}"
    async with station(tmp_path, beforeLease=script, afterLease=f"script: touch {tmp_path}/after") as found:
        assert found.statuses.now.status is Status.BEFORE_LEASE_HOOK_FAILED
        with pytest.raises(BenchError, match="the hook beforeLease failed: it exited 1"):
            await leased(found)
        assert not (tmp_path / "after").exists()
        (tmp_path / "fine").touch()
        await leased(found)
        assert (tmp_path / "after").exists()


@pytest.mark.anyio
async def test_a_failure_that_ends_the_exporter_ends_it(tmp_path: Path) -> None:
    with pytest.raises(BenchError, match="beforeLease failed"):
        async with station(tmp_path, beforeLease="{script: 'false', onFailure: exit}"):
            await asyncio.sleep(5)


@pytest.mark.anyio
async def test_one_that_takes_too_long_is_ended_with_its_children(tmp_path: Path) -> None:
    script = f"{{script: 'sleep 1000 & echo $! > {tmp_path}/pid; wait', timeout: 1}}"
    with anyio.fail_after(10):
        async with station(tmp_path, beforeLease=script) as found:
            assert "it was not done within 1s" in found.statuses.now.message
            assert ended(int((tmp_path / "pid").read_text()))


@pytest.mark.anyio
async def test_a_file_is_run_by_what_its_name_says(tmp_path: Path) -> None:
    (tmp_path / "hook.py").write_text("import flowrunner, sys; print('python', sys.argv[0])")
    async with station(tmp_path, beforeLease="script: hook.py") as found:
        assert lines(found, "before_lease")[0].startswith("python ")


@pytest.mark.anyio
async def test_a_message_that_it_leaves_is_for_those_who_lease(tmp_path: Path) -> None:
    async with station(tmp_path, beforeLease="script: 'echo mind the fan > $JMP_MOTD_FILE'") as found:
        assert found.motd == "mind the fan\n"
        assert (await report(found, Facades(found))).labels[MOTD] == "mind the fan\n"


@pytest.mark.anyio
async def test_an_interpreter_that_is_not_there_is_said(tmp_path: Path) -> None:
    async with station(tmp_path, beforeLease="{script: 'true', exec: /no/such/shell}") as found:
        assert "'/no/such/shell' could not be started: No such file" in found.statuses.now.message
