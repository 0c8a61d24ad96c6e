"""`kill -9` of a run at each line of its journal: its exporter makes the device safe, and gives it to the next."""

from __future__ import annotations

import multiprocessing
import signal
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import cast

import anyio
import pytest

from flowrunner.bench.config import load_exporter
from flowrunner.engine.lines import read
from flowrunner.interfaces.shell import Shell
from flowrunner.remote.address import Address
from flowrunner.remote.client.connect import connected
from flowrunner.remote.client.remote import Claim
from flowrunner.remote.endpoint import Endpoint, Listen, Trust
from flowrunner.remote.exporter.serve import exporting
from flowrunner.remote.exporter.station import Station
from tests.faults.killed_client import run_until

BENCH = """
metadata: {{name: rig}}
export:
  board: {{type: machine.virtual, config: {{boot_time: 10ms, storage: 1MiB}}}}
  lamp: {{type: power.virtual, config: {{state: {folder}/lamp}}}}
  host: {{type: shell.command, config: {{methods: {{look: 'cat {folder}/lamp || echo untouched'}}}}}}
"""
LAB = "exporters: {{rig: {{endpoint: '{address}', tls: {{insecure: true}}, grace: {grace}s}}}}\n"
PIPELINE = """
flow: 1
name: killed
devices: {dut: {selector: ""}}
steps:
  - {power: on, device: dut.lamp}
  - flash: image.img
  - {power: on, device: dut.board}
  - expect: {prompt: "login: ", within: 10s}
  - login: {username: root}
  - shell: uname -r
finally:
  - {power: off, device: dut.board}
"""
GRACE = 1.0
"""Seconds that the exporter gives the run."""

SLOWNESS = 6.0
"""Seconds more that all of it may take on a machine with much else to do."""

AT_ONCE = 6
"""Runs beside each other."""


@dataclass
class Rig:
    """An exporter of this process, and runs on it that die."""

    folder: Path
    endpoint: Endpoint

    async def killed(self, at: int) -> int:
        """Start a run that dies at line `at`; returns the signal that it died of, 0 when it came to its end."""
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(["tests.faults.preloaded"])
        arguments = (at, str(self.folder / "p.yaml"), str(self.folder / "lab.yaml"), str(self.folder / str(at)))
        process: BaseProcess = context.Process(target=run_until, args=arguments)
        process.start()
        try:
            await anyio.wait_readable(process.sentinel)
        except BaseException:
            process.kill()
            raise
        finally:
            process.join()  # in this thread: starting another one looks after all of them
        assert process.exitcode is not None
        return -process.exitcode

    async def state(self) -> str:
        """What the next client finds, when it has the exporter."""
        claim = Claim(role="next", owner="the next")
        async with connected(self.endpoint) as remote, remote.leased(claim, lambda *_: None) as lease:
            shell = cast("Shell", lease.device.at("host").client)
            return "".join([piece.stdout.decode() async for piece in shell.call_method("look", [])]).strip()


@asynccontextmanager
async def rig(folder: Path, *, tcp: bool = False) -> AsyncIterator[Rig]:
    """A rig in its own folder."""
    folder.mkdir()
    (folder / "bench.yaml").write_text(BENCH.format(folder=folder))
    (folder / "p.yaml").write_text(PIPELINE)
    (folder / "image.img").write_bytes(b"killed 1.0\n" * 1000)
    address = Address(host="127.0.0.1") if tcp else Address(path=folder / "s")
    station = Station(load_exporter(folder / "bench.yaml"), "rig")
    async with exporting(station, [Listen(address=address, insecure=True)]) as server:
        (address,) = server.addresses
        (folder / "lab.yaml").write_text(LAB.format(address=address, grace=GRACE))
        yield Rig(folder, Endpoint(address=address, trust=Trust(insecure=True)))


async def check(found: Rig, at: int) -> bool:
    """Kill a run at line `at` and look at what it left; False when it came to its end before."""
    status = await found.killed(at)
    died = time.monotonic()
    if status == 0:
        return False
    assert status == signal.SIGKILL
    events = read(next((found.folder / str(at) / "runs").glob("2*")) / "journal.jsonl")
    assert [event["n"] for event in events] == list(range(at + 1)), "it died at that very line"
    done = [event["path"] for event in events if event["event"] == "step.finished" and event["outcome"] == "passed"]
    state = await found.state()
    took = time.monotonic() - died
    assert took < GRACE + SLOWNESS, f"line {at}: the bench was free only after {took:.1f}s"
    assert state == "off" if done else state != "on", f"line {at}: the lamp was left {state}"
    return True


def sweep(folder: Path, lines: range, *, tcp: bool = False) -> list[int]:
    """Check all of `lines` that a run has, some of them beside each other; returns those at which a run was killed."""
    left, killed = iter(lines), []

    async def work() -> None:
        for at in left:
            async with rig(folder / str(at), tcp=tcp) as found:
                if not await check(found, at):
                    return
                killed.append(at)

    async def main() -> None:
        async with anyio.create_task_group() as tasks:
            for _ in range(AT_ONCE):
                tasks.start_soon(work)

    anyio.run(main)
    return sorted(killed)


@pytest.mark.machine
def test_each_line_of_the_journal_is_a_good_place_to_die(tmp_path: Path) -> None:
    killed = sweep(tmp_path, range(500))
    assert killed == list(range(len(killed)))
    assert killed[-1] > 25, "to the end of a run"


def test_a_client_that_died_behind_a_network_is_given_its_grace(tmp_path: Path) -> None:
    assert sweep(tmp_path, range(8, 30, 12), tcp=True) == [8, 20]


def test_what_is_to_be_kept_is_kept(tmp_path: Path) -> None:
    async def main() -> None:
        async with rig(tmp_path / "rig") as found:
            pipeline = found.folder / "p.yaml"
            pipeline.write_text(PIPELINE.replace('{selector: ""}', '{selector: "", safe_state: keep}'))
            assert await found.killed(12) == signal.SIGKILL
            assert await found.state() == "on"

    anyio.run(main)
