"""`kill -9` of a run at each line of its journal: its exporter makes the device safe, and gives it to the next."""

from __future__ import annotations

import asyncio
import multiprocessing
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import cast

import anyio
import anyio.to_thread
import pytest

from flowrunner.bench.config import load_exporter
from flowrunner.engine.lines import read
from flowrunner.interfaces.shell import Shell
from flowrunner.remote.address import Address
from flowrunner.remote.client.connect import connected
from flowrunner.remote.client.remote import Claim
from flowrunner.remote.endpoint import Endpoint, Listen
from flowrunner.remote.exporter.serve import exporting
from flowrunner.remote.exporter.station import Station
from tests.faults.killed_client import run_until

BENCH = """
metadata: {{name: rig}}
export:
  board: {{type: machine.virtual, config: {{boot_time: 10ms, storage: 1MiB}}}}
  lamp: {{type: power.virtual, config: {{state: {folder}/lamp}}}}
  host: {{type: shell.command, config: {{methods: {{look: cat {folder}/lamp}}}}}}
"""
LAB = "exporters: {{rig: {{endpoint: 'unix:{folder}/s', grace: {grace}s}}}}\n"
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
GRACE = 2.0
AT_ONCE = 4
"""Runs beside each other."""


@dataclass
class Rig:
    """An exporter of this process, and runs on it that die."""

    folder: Path
    endpoint: Endpoint

    @property
    def lamp(self) -> str:
        """`on` or `off`, as long as it was ever touched."""
        path = self.folder / "lamp"
        return path.read_text().strip() if path.exists() else "untouched"

    async def killed(self, at: int) -> int:
        """Start a run that dies at line `at`; returns the signal that it died of, 0 when it came to its end."""
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(["tests.faults.preloaded"])
        arguments = (at, str(self.folder / "p.yaml"), str(self.folder / "lab.yaml"), str(self.folder / str(at)))
        process: BaseProcess = context.Process(target=run_until, args=arguments)
        process.start()
        await anyio.to_thread.run_sync(process.join)
        assert process.exitcode is not None
        return -process.exitcode

    async def state(self) -> str:
        """What the next client finds, when it has the exporter."""
        async with connected(self.endpoint) as remote:
            async with remote.leased(Claim(role="next", owner="the next"), lambda *_: None) as lease:
                shell = cast("Shell", lease.device.at("host").client)
                return "".join([piece.stdout.decode() async for piece in shell.call_method("look", [])]).strip()


@asynccontextmanager
async def rig(folder: Path, *, grace: float = GRACE) -> AsyncIterator[Rig]:
    """A rig in its own folder."""
    folder.mkdir()
    (folder / "bench.yaml").write_text(BENCH.format(folder=folder))
    (folder / "lab.yaml").write_text(LAB.format(folder=folder, grace=grace))
    (folder / "p.yaml").write_text(PIPELINE)
    (folder / "image.img").write_bytes(b"killed 1.0\n" * 1000)
    address = Address(path=folder / "s")
    async with exporting(Station(load_exporter(folder / "bench.yaml"), "rig"), [Listen(address=address)]):
        yield Rig(folder, Endpoint(address=address))


async def check(folder: Path, at: int, last: list[int]) -> None:
    async with rig(folder) as found:
        status = await found.killed(at)
        died = time.monotonic()
        if status == 0:
            last.append(at)
            return
        assert status == 9
        events = read(next((folder / str(at) / "runs").glob("2*")) / "journal.jsonl")
        assert [event["n"] for event in events] == list(range(at + 1)), "it died at that very line"
        on_before = any(event["event"] == "step.finished" and event["path"] == "power1" for event in events)
        if on_before:
            assert found.lamp != "untouched"
        state = await found.state()
        took = time.monotonic() - died
        assert took < GRACE + 1, f"line {at}: it was free only after {took:.1f}s"
        assert state == "off", f"line {at}: the lamp was left {state}"


def test_each_line_of_the_journal_is_a_good_place_to_die(tmp_path: Path) -> None:
    async def main() -> None:
        last: list[int] = []
        numbers = iter(range(2, 500))

        async def work() -> None:
            for at in numbers:
                if last:
                    return
                await check(tmp_path / str(at), at, last)

        await asyncio.gather(*(work() for _ in range(AT_ONCE)))
        assert last and min(last) > 30

    anyio.run(main)
