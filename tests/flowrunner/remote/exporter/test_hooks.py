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
from flowrunner.remote.exporter import hooks as hooks_module
from flowrunner.remote.exporter import station as station_module
from flowrunner.remote.exporter.facades import Facades
from flowrunner.remote.exporter.hooks import Hooks
from flowrunner.remote.exporter.inner import serving_turn
from flowrunner.remote.exporter.report import report
from flowrunner.remote.exporter.station import Station
from flowrunner.remote.exporter.status import Status
from flowrunner.remote.exporter.turn import ExitError, Turn
from flowrunner.remote.wire import MOTD
from tests.support.processes import ended

Work = Callable[[Station], Awaitable[None]]


@pytest.fixture(autouse=True)
def brief(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody looks at the status of these exporters but the tests."""
    for module in (hooks_module, station_module):
        monkeypatch.setattr(module, "SEEN", 0.1)


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
        await found.begun()
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
        await found.begun()
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
    with pytest.raises(ExitError, match="beforeLease failed"):
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


@pytest.mark.anyio
async def test_while_everyone_may_use_it_the_lease_has_jumpstarters_name(tmp_path: Path) -> None:
    async with station(tmp_path, beforeLease="script: 'echo \"[$LEASE_NAME] [$CLIENT_NAME]\"'") as found:
        assert lines(found, "before_lease") == ["[standalone] []"]


@pytest.mark.anyio
async def test_a_passphrase_in_the_environment_is_not_for_scripts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JMP_GRPC_PASSPHRASE", "sesame")
    monkeypatch.setenv("PS1", "$ ")
    async with station(tmp_path, beforeLease="script: env") as found:
        assert not [line for line in lines(found, "before_lease") if "sesame" in line or line.startswith("PS1=")]
        assert "TERM=dumb" in lines(found, "before_lease")


@pytest.mark.anyio
async def test_all_that_a_script_prints_is_told_once_and_logged_here(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    async with station(tmp_path, beforeLease="script: 'seq 1 200; printf last'") as found:
        told = [said.message for said in found.logs.kept if said.source in ("before_lease", "system")]
    assert told == [*map(str, range(1, 201)), "last"]
    assert "beforeLease: last" in caplog.messages


@pytest.mark.anyio
async def test_the_end_of_a_session_runs_both_and_opens_the_drivers_afresh(tmp_path: Path) -> None:
    async with station(tmp_path, beforeLease="script: echo before", afterLease="script: echo after") as found:
        first, seen = found.open_device, [found.statuses.now.status]
        ending = asyncio.create_task(found.end_session())
        while not ending.done() or not found.statuses.ready:
            stand = found.statuses.now
            if stand.status is not seen[-1]:
                seen.append(stand.status)
            await asyncio.sleep(0)
        await ending
        await found.begun()
        seen.append(found.statuses.now.status)
        told = [(said.source, said.message) for said in found.logs.kept if said.source != "system"]
        assert found.open_device is not first
    assert told == [("before_lease", "before"), ("after_lease", "after"), ("before_lease", "before")]
    assert seen == [
        Status.LEASE_READY, Status.AFTER_LEASE_HOOK, Status.AVAILABLE, Status.BEFORE_LEASE_HOOK, Status.LEASE_READY,
    ]  # fmt: skip


@pytest.mark.anyio
async def test_clients_are_told_while_the_first_hook_runs_and_a_lease_waits_for_it(tmp_path: Path) -> None:
    file = exporter(tmp_path, beforeLease=f"script: 'sleep 0.3; echo $CLIENT_NAME >> {tmp_path}/order'")
    found = Station(load_exporter(file), "bench")
    found.around = Hooks(found, tmp_path, serving_turn)
    async with found.opened():
        assert found.statuses.now.status is Status.BEFORE_LEASE_HOOK
        await leased(found)
        assert (tmp_path / "order").read_text() == "\nalice\n"
        await found.begun()
        assert found.statuses.now.status is Status.LEASE_READY


@pytest.mark.anyio
async def test_a_stop_ends_a_hook_that_runs_and_still_cleans_up(tmp_path: Path) -> None:
    script = f"script: 'echo $$ > {tmp_path}/pid; exec sleep 1000'"
    file = exporter(tmp_path, beforeLease=script, afterLease=f"script: touch {tmp_path}/cleaned")
    found = Station(load_exporter(file), "bench")
    found.around = Hooks(found, tmp_path, serving_turn)
    with anyio.fail_after(10):
        async with found.opened():
            while not (tmp_path / "pid").exists() or not (tmp_path / "pid").read_text():
                await asyncio.sleep(0.01)
    assert ended(int((tmp_path / "pid").read_text()))
    assert (tmp_path / "cleaned").exists()


@pytest.mark.anyio
async def test_a_lease_that_is_cancelled_twice_is_given_back(tmp_path: Path) -> None:
    script = "script: sleep 0.3"
    async with station(tmp_path, afterLease=script) as found:
        had = asyncio.Event()

        async def work(turn: Turn) -> None:
            had.set()
            await asyncio.sleep(1000)

        task = asyncio.create_task(leased(found, work))
        await had.wait()
        task.cancel()
        while found.statuses.now.status is not Status.AFTER_LEASE_HOOK:
            await asyncio.sleep(0)
        task.cancel()
        with anyio.fail_after(10), pytest.raises(asyncio.CancelledError):
            await task
        assert found.turn is None
        await leased(found)


@pytest.mark.anyio
async def test_a_lease_waits_for_the_hook_behind_the_session_before_it(tmp_path: Path) -> None:
    script = f"script: 'echo begin >> {tmp_path}/order; sleep 0.3; echo end >> {tmp_path}/order'"
    async with station(tmp_path, afterLease=script) as found:
        ending = asyncio.create_task(found.end_session())
        with anyio.fail_after(5):
            while found.statuses.now.status is not Status.AFTER_LEASE_HOOK:
                await asyncio.sleep(0)

        async def work(turn: Turn) -> None:
            assert (tmp_path / "order").read_text().split() == ["begin", "end"]

        await leased(found, work)
        await ending


HOOK = """
import asyncio, os, grpc, sys
from flowrunner.remote.wire import NAME, Empty, messages, services

async def main():
    async with grpc.aio.insecure_channel("unix://" + os.environ["JUMPSTARTER_HOST"]) as channel:
        stub = services.ExporterServiceStub(channel)
        (uuid,) = [one.uuid for one in (await stub.GetReport(Empty())).reports if one.labels.get(NAME) == "power"]
        await stub.DriverCall(messages.DriverCallRequest(uuid=uuid, method="off"))
        print("done", os.environ["CLIENT_NAME"])

asyncio.run(main())
"""


@pytest.mark.anyio
async def test_they_reach_the_device_by_jumpstarters_protocol_though_somebody_has_it_alone(tmp_path: Path) -> None:
    (tmp_path / "after.py").write_text(HOOK)
    async with station(tmp_path, afterLease="script: after.py") as found:
        await leased(found)
        assert lines(found, "after_lease")[-1] == "done alice"
    assert (tmp_path / "log").read_text().split()[-1] == "off"
