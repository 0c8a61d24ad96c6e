"""A lab's exporters over the true wire: leases, queues, logs, loss, and `flow run` from the command line."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import anyio
import pytest

from flowrunner.bench.config import load_exporter
from flowrunner.engine.lab import DeviceLog, LeaseTimeout
from flowrunner.errors import BenchError
from flowrunner.interfaces.power import Power
from flowrunner.lab.discover import discover
from flowrunner.lab.static import StaticLab
from flowrunner.model import Duration
from flowrunner.remote.address import Address
from flowrunner.remote.client.connect import connected
from flowrunner.remote.client.remote import Claim
from flowrunner.remote.endpoint import Endpoint, Listen
from flowrunner.remote.exporter.serve import exporting
from flowrunner.remote.exporter.station import Station
from tests.flowrunner.lab.test_static import lease, request

pytestmark = pytest.mark.anyio

SWITCH = "{metadata: {name: far, labels: {made: there}}, export: {power: {type: acme/switch, config: {name: far}}}}"
VERBOSE = "{metadata: {name: far}, export: {power: {type: acme/verbose}}}"


@dataclass
class Served:
    """The exporter, and where it is."""

    station: Station
    endpoint: Endpoint


@asynccontextmanager
async def serving(folder: Path, text: str = SWITCH) -> AsyncIterator[Served]:
    """An exporter of this process, at `folder`/s."""
    file = folder / "far.yaml"
    file.write_text(text)
    address = Address(path=folder / "s")
    station = Station(load_exporter(file), "far")
    async with exporting(station, [Listen(address=address)]):
        yield Served(station, Endpoint(address=address))


def lab(folder: Path, locks: str = "locks", **environment: str) -> StaticLab:
    """A lab whose `rack` is that exporter. With other `locks` it is one of another machine."""
    file = folder / "lab.yaml"
    file.write_text(f"exporters: {{rack: {{endpoint: 'unix:{folder}/s', grace: 2s}}}}")
    environment = {"FLOW_LOCK_DIR": str(folder / locks), **environment}
    return discover(folder / "p.yaml", environment=environment)


async def test_leases_calls_and_gives_back(tmp_path: Path, events: list[str]) -> None:
    async with serving(tmp_path):
        async with lease(lab(tmp_path), request(selector="made=there")) as leases:
            held = leases["dut"]
            assert (held.exporter, held.labels, held.types["power"]) == ("rack", {"made": "there"}, "acme/switch")
            assert held.warning is None
            await cast("Power", held.device.at("power").client).on()
        with pytest.raises(BenchError) as caught:
            await cast("Power", held.device.at("power").client).off()
        assert caught.value.blame == "lost"
    assert events.count("far on") == 1


async def test_runs_of_two_machines_queue_at_the_exporter(tmp_path: Path, events: list[str]) -> None:
    told: list[tuple[str, str, int]] = []
    done: list[str] = []
    waits = anyio.Event()

    def waiting(role: str, owner: str, position: int) -> None:
        told.append((role, owner, position))
        waits.set()

    async def second() -> None:
        async with lease(lab(tmp_path, "there"), request("ap", ""), waiting=waiting):
            done.append("second")

    first = lease(lab(tmp_path, "here"), request(selector=""))
    late = lease(lab(tmp_path, "elsewhere"), request(selector=""), queue_timeout=1)
    async with serving(tmp_path), anyio.create_task_group() as tasks, first:
        tasks.start_soon(second)
        await waits.wait()
        with pytest.raises(LeaseTimeout, match="no lease for 'dut' within 1s: in use by alice, run 7f3a") as caught:
            await late.__aenter__()
        assert caught.value.blame == "infra"
        done.append("first")
    [(role, owner, position)] = told
    assert (role, position) == ("ap", 1)
    assert owner.startswith("alice, run 7f3a of boot.yaml (pid 12) on ")
    assert done == ["first", "second"]


async def test_who_is_cancelled_while_waiting_leaves_the_queue(tmp_path: Path, events: list[str]) -> None:
    waits = anyio.Event()
    here, there = lease(lab(tmp_path, "here"), request(selector="")), lab(tmp_path, "there")
    async with serving(tmp_path):
        async with here, anyio.create_task_group() as tasks:
            late = lease(there, request(selector=""), waiting=lambda *_: waits.set())
            tasks.start_soon(late.__aenter__)
            await waits.wait()
            tasks.cancel_scope.cancel()
        async with lease(there, request(selector=""), queue_timeout=2, waiting=unwanted):
            pass


def unwanted(role: str, owner: str, position: int) -> None:
    raise AssertionError(f"waiting for {owner}")


async def test_an_expired_lease_still_lets_the_safe_state_through(tmp_path: Path, events: list[str]) -> None:
    async with serving(tmp_path), lease(lab(tmp_path), request(selector="", duration=Duration(0.05))) as leases:
        held = leases["dut"]
        power = cast("Power", held.device.at("power").client)
        with anyio.fail_after(2):
            await held.lost.wait()
        with pytest.raises(BenchError, match="the lease of 'rack' expired after 50ms") as caught:
            await power.on()
        assert caught.value.blame == "lost"
        held.drain()
        await power.off()
    assert "far on" not in events


async def test_an_extended_lease_lives_on_at_both_ends(tmp_path: Path, events: list[str]) -> None:
    async with serving(tmp_path):
        here = lab(tmp_path)
        async with lease(here, request(selector="", duration=Duration(0.2))) as leases:
            here.extend(leases["dut"], 60)
            await anyio.sleep(0.3)
            await cast("Power", leases["dut"].device.at("power").client).on()


async def test_what_the_exporter_ends_is_lost_with_its_reason(tmp_path: Path, events: list[str]) -> None:
    async with serving(tmp_path) as served, lease(lab(tmp_path), request(selector="")) as leases:
        held = leases["dut"]
        assert served.station.turn
        served.station.turn.end("the bench is needed elsewhere")
        with anyio.fail_after(5):
            await held.lost.wait()
        assert held.reason == "the bench is needed elsewhere"
        with pytest.raises(BenchError, match="needed elsewhere") as caught:
            await cast("Power", held.device.at("power").client).on()
        assert caught.value.blame == "lost"
    assert "far on" not in events


async def test_a_run_works_within_the_lease_of_the_shell_around_it(tmp_path: Path, events: list[str]) -> None:
    mine = Claim(role="dut", owner="flow shell", shared=True)
    async with (
        serving(tmp_path) as served,
        connected(served.endpoint) as remote,
        remote.leased(mine, lambda *_: None) as shell,
    ):
        around = {"JUMPSTARTER_HOST": str(served.endpoint.address.path), "FLOW_LEASE": shell.name}
        async with lease(lab(tmp_path, **around), request(selector=""), queue_timeout=5) as leases:
            await cast("Power", leases["dut"].device.at("power").client).on()
        assert not shell.lost.is_set()
        await cast("Power", shell.device.at("power").client).off()
    assert events.count("far on") == 1


async def test_drivers_log_into_the_run_from_there_as_they_do_from_here(tmp_path: Path, events: list[str]) -> None:
    async def logged(where: StaticLab) -> list[DeviceLog]:
        lines: list[DeviceLog] = []
        async with lease(where, request(selector=""), on_log=lines.append) as leases:
            power = cast("Power", leases["dut"].device.at("power").client)
            await power.on()
            await power.off()
            async for _ in power.read():
                logging.getLogger("elsewhere").info("not a driver's")
        return [line for line in lines if line.message not in ("opening", "closing")]

    async with serving(tmp_path, VERBOSE):
        there = await logged(lab(tmp_path))
    here = await logged(discover(tmp_path / "p.yaml", exporters=[str(tmp_path / "far.yaml")], environment={}))
    key = lambda line: (line.call, line.message)  # noqa: E731
    assert sorted(there, key=key) == sorted(here, key=key)
    assert DeviceLog(role="dut", level="warning", message="the relay is old", driver="dut.power", call="on") in there
