"""What a break of the network, a dead client or a dead exporter does to a lease."""

from __future__ import annotations

import random
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import TypeVar, cast

import anyio
import pytest
from anyio.streams.buffered import BufferedByteReceiveStream

from flowrunner.errors import BenchError
from flowrunner.interface import Interface
from flowrunner.interfaces.console import Console
from flowrunner.interfaces.power import Power
from flowrunner.interfaces.shell import Shell
from flowrunner.remote.address import Address
from flowrunner.remote.client.own import OwnRemote
from flowrunner.remote.client.remote import Claim, RemoteLease
from tests.support.relay import Relay
from tests.support.served import Served, served

I = TypeVar("I", bound=Interface)  # noqa: E741

BENCH = """
export:
  power: {{type: power.command, config: {{'on': 'echo on >> {log}', 'off': 'echo off >> {log}'}}}}
  host: {{type: shell.command, config: {{methods: {{count: 'sleep 0.$((RANDOM % 5)); echo call >> {log}; echo $1'}}}}}}
  echo: {{type: console.process, config: {{command: [cat], raw: true}}}}
"""


def use(lease: RemoteLease, interface: type[I]) -> I:
    """The client that offers an interface."""
    return cast("I", lease.device.at(lease.device.find(interface)).client)


def claim(grace: float = 2.0) -> Claim:
    return Claim(role="dut", owner="tester", safe_state=[("power", "off")], grace=grace)


@asynccontextmanager
async def behind_relay(folder: Path) -> AsyncIterator[tuple[Served, OwnRemote, Relay]]:
    """A served bench, and a client that reaches it through a relay."""
    async with (
        served(folder, BENCH.format(log=folder / "log"), tcp=True) as exporter,
        Relay(exporter.endpoint.address.port).running() as relay,
    ):
        remote = exporter.remote()
        remote.endpoint = replace(exporter.endpoint, address=Address(host="127.0.0.1", port=relay.port))
        yield exporter, remote, relay


def nobody(owner: str, position: int) -> None:
    raise AssertionError(f"waiting for {owner}")


async def until_free(exporter: Served, within: float) -> None:
    with anyio.fail_after(within):
        while exporter.station.turn:
            await anyio.sleep(0.02)


def calls(folder: Path) -> list[str]:
    return (folder / "log").read_text().split() if (folder / "log").exists() else []


@pytest.mark.parametrize("seed", range(3))
def test_connections_that_break_lose_no_call_and_repeat_none(tmp_path: Path, seed: int) -> None:
    dice = random.Random(seed)
    answers: list[int] = []

    async def main() -> None:
        async with behind_relay(tmp_path) as (_, remote, relay), remote.leased(claim(), nobody) as lease:
            shell = use(lease, Shell)

            async def ask(number: int) -> None:
                out = b"".join([piece.stdout async for piece in shell.call_method("count", [str(number)])])
                answers.append(int(out))

            async with anyio.create_task_group() as tasks:
                for number in range(12):
                    tasks.start_soon(ask, number)
                for _ in range(4):
                    await anyio.sleep(dice.uniform(0.02, 0.25))
                    relay.cut()
            assert relay.connections > 1
            assert not lease.lost.is_set()

    anyio.run(main)
    assert sorted(answers) == list(range(12))
    assert calls(tmp_path).count("call") == 12


def test_a_console_loses_no_byte_when_its_connection_breaks(tmp_path: Path) -> None:
    sent = random.Random(1).randbytes(3_000_000)
    got = bytearray()

    async def main() -> None:
        async with behind_relay(tmp_path) as (_, remote, relay), remote.leased(claim(), nobody) as lease:
            async with use(lease, Console).connect() as stream, anyio.create_task_group() as tasks:
                tasks.start_soon(stream.send, sent)
                cuts = iter((300_000, 1_200_000, 2_500_000))
                cut = next(cuts)
                while len(got) < len(sent):
                    got.extend(await stream.receive())
                    if len(got) > cut:
                        relay.cut()
                        cut = next(cuts, len(sent))
            assert relay.connections == 4

    anyio.run(main)
    assert bytes(got) == sent


def test_silence_shorter_than_the_grace_changes_nothing(tmp_path: Path) -> None:
    async def main() -> None:
        async with behind_relay(tmp_path) as (exporter, remote, relay), remote.leased(claim(), nobody) as lease:
            await use(lease, Power).on()
            relay.go_silent()
            await anyio.sleep(1.2)
            relay.heal()
            await use(lease, Power).on()
            assert exporter.station.turn
            assert not lease.lost.is_set()

    anyio.run(main)
    assert calls(tmp_path) == ["on", "on"]


def test_silence_longer_than_the_grace_makes_the_device_safe_and_frees_it(tmp_path: Path) -> None:
    async def main() -> None:
        async with behind_relay(tmp_path) as (exporter, remote, relay):
            async with remote.leased(claim(1.0), nobody) as lease:
                power = use(lease, Power)
                await power.on()
                relay.go_silent()
                await until_free(exporter, 3.0)
                assert calls(tmp_path) == ["on", "off"]
                with anyio.fail_after(2.0):
                    await lease.lost.wait()
                relay.heal()
                with pytest.raises(BenchError) as raised:
                    await power.on()
                assert raised.value.blame == "lost"
                assert lease.reason
                assert "not heard of" in lease.reason
            assert calls(tmp_path) == ["on", "off"]
            async with remote.leased(claim(1.0), nobody) as lease:
                await use(lease, Power).on()

    anyio.run(main)
    assert calls(tmp_path) == ["on", "off", "on"]


CLIENT = """
import anyio, sys
from pathlib import Path
from flowrunner.device import Device
from flowrunner.interfaces.power import Power
from flowrunner.remote.address import Address
from flowrunner.remote.client.own import OwnRemote
from flowrunner.remote.client.remote import Claim
from flowrunner.remote.endpoint import Endpoint, Trust

async def main():
    device = Device("", "composite", children={"power": Device("power", "power.command", (Power,))})
    endpoint = Endpoint(address=Address.parse(sys.argv[1]), trust=Trust(insecure=True))
    remote = OwnRemote(endpoint, name="", labels={}, motd="", device=device, homes={})
    claim = Claim(role="dut", owner="client", safe_state=[("power", "off")], grace=float(sys.argv[2]))
    async with remote.leased(claim, print) as lease:
        await lease.device.at("power").client.on()
        print("on", flush=True)
        await anyio.sleep_forever()

anyio.run(main)
"""


@pytest.mark.parametrize(("tcp", "grace"), [(False, 60), (True, 1.5)], ids=["unix, at once", "tcp, after the grace"])
def test_a_client_that_is_killed_leaves_the_device_safe_and_free(tmp_path: Path, tcp: bool, grace: float) -> None:
    async def main() -> None:
        async with served(tmp_path, BENCH.format(log=tmp_path / "log"), tcp=tcp) as exporter:
            command = [sys.executable, "-c", CLIENT, str(exporter.endpoint.address), str(grace)]
            async with await anyio.open_process(command, stdin=None, stderr=None) as client:
                assert client.stdout
                assert await BufferedByteReceiveStream(client.stdout).receive_until(b"\n", 10) == b"on"
                assert exporter.station.turn
                client.send_signal(signal.SIGKILL)
                await until_free(exporter, 15)

    anyio.run(main)
    assert calls(tmp_path) == ["on", "off"]


def test_an_exporter_that_stops_makes_the_device_safe_and_tells_the_client(tmp_path: Path) -> None:
    async def main() -> None:
        async with anyio.create_task_group() as tasks:
            ready, stop = anyio.Event(), anyio.Event()
            found: list[Served] = []

            async def exporter() -> None:
                async with served(tmp_path, BENCH.format(log=tmp_path / "log")) as one:
                    found.append(one)
                    ready.set()
                    await stop.wait()

            tasks.start_soon(exporter)
            await ready.wait()
            async with found[0].remote().leased(claim(), nobody) as lease:
                await use(lease, Power).on()
                stop.set()
                with anyio.fail_after(3.0):
                    await lease.lost.wait()
                assert lease.reason == "the exporter was stopped"

    anyio.run(main)
    assert calls(tmp_path) == ["on", "off"]


def test_no_exporter_is_an_error_that_names_the_address(tmp_path: Path) -> None:
    async def main() -> None:
        async with served(tmp_path, BENCH.format(log=tmp_path / "log")) as exporter:
            remote = exporter.remote()
            remote.endpoint = replace(exporter.endpoint, address=Address(path=tmp_path / "nothing"))
            with pytest.raises(BenchError, match="nothing") as raised:
                async with remote.leased(claim(), nobody):
                    pass
            assert raised.value.blame == "infra"

    anyio.run(main)
