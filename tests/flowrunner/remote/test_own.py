"""Our own protocol from end to end: what a job does over it is what it does in one process."""

from __future__ import annotations

import socket
import struct
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from pathlib import Path
from typing import TypeVar, cast

import anyio
import pytest
from anyio.abc import SocketAttribute, SocketStream

from flowrunner.errors import BenchError
from flowrunner.interface import Interface
from flowrunner.interfaces.console import Console
from flowrunner.interfaces.network import Network
from flowrunner.interfaces.power import Power, PowerReading
from flowrunner.interfaces.shell import Shell
from flowrunner.interfaces.storage import Flasher
from flowrunner.remote.client.remote import Claim, RemoteLease
from tests.support.machines import BytesImage, read_until
from tests.support.processes import ended
from tests.support.served import Served, served

I = TypeVar("I", bound=Interface)  # noqa: E741

RESET = struct.pack("ii", 1, 0)
"""SO_LINGER: closing resets the connection."""

BOARD = """
export:
  board: {type: machine.virtual, config: {boot_time: 0, storage: 8MiB}}
  again: {ref: board}
  host: {type: shell.command, config: {methods: {sh: 'eval "$1"'}}}
"""


def nobody(owner: str, position: int) -> None:
    raise AssertionError(f"waiting for {owner}")


def use(lease: RemoteLease, interface: type[I], path: str = "board") -> I:
    """The client at or below `path` that offers an interface."""
    return cast("I", lease.device.at(lease.device.find(interface, path=path)).client)


def working(
    folder: Path, work: Callable[[RemoteLease, Served], Awaitable[None]], *, text: str = BOARD, tcp: bool = False,
    claim: Claim | None = None,
) -> None:  # fmt: skip
    """Do `work` with a lease of a served board."""

    async def main() -> None:
        mine = claim or Claim(role="dut", owner="tester")
        async with served(folder, text, tcp=tcp) as exporter, exporter.remote().leased(mine, nobody) as lease:
            await work(lease, exporter)

    anyio.run(main)


@pytest.mark.parametrize("tcp", [False, True], ids=["unix", "tcp"])
def test_calls_answer_with_the_types_of_the_interface(tmp_path: Path, tcp: bool) -> None:
    async def work(lease: RemoteLease, exporter: Served) -> None:
        power = use(lease, Power)
        await power.on()
        async with aclosing(power.read()) as readings:  # type: ignore[type-var]
            reading = await anext(readings)
        assert isinstance(reading, PowerReading)
        assert reading.voltage > 0
        shell = use(lease, Shell, "host")
        assert use(lease, Power, "again") is power
        status = None
        out = b""
        async for piece in shell.call_method("sh", ["printf '\\xff\\x00'; exit 3"]):
            out, status = out + piece.stdout, piece.status
        assert (out, status) == (b"\xff\x00", 3)

    working(tmp_path, work, tcp=tcp)


def test_errors_keep_class_fields_and_the_path_of_the_role(tmp_path: Path) -> None:
    text = """
        export:
          board:
            type: machine.virtual
            config: {faults: [{call: on, fail: the relay is stuck}]}
        """

    async def work(lease: RemoteLease, exporter: Served) -> None:
        with pytest.raises(BenchError, match="the relay is stuck") as raised:
            await use(lease, Power).on()
        assert (raised.value.driver, raised.value.call, raised.value.blame) == ("dut.board.power", "on", "device")

    working(tmp_path, work, text=text)


def test_an_image_is_read_here_and_written_there(tmp_path: Path) -> None:
    content = bytes(range(256)) * 4096 * 3

    async def work(lease: RemoteLease, exporter: Served) -> None:
        flasher = use(lease, Flasher)
        written = await flasher.flash(BytesImage(content))
        assert written.size == len(content)
        assert b"".join([piece async for piece in flasher.dump(length=len(content))]) == content

    working(tmp_path, work)


def test_a_console_carries_bytes_both_ways(tmp_path: Path) -> None:
    async def work(lease: RemoteLease, exporter: Served) -> None:
        async with use(lease, Console).connect() as stream:
            await use(lease, Power).on()
            await read_until(stream, b"login: ")
            await stream.send(b"root\n")
            await read_until(stream, b"# ")

    working(tmp_path, work)


def test_what_nobody_waits_for_any_more_ends_there(tmp_path: Path) -> None:
    async def work(lease: RemoteLease, exporter: Served) -> None:
        shell = use(lease, Shell, "host")
        marker = tmp_path / "marker"
        with anyio.move_on_after(0.5):
            async for _ in shell.call_method("sh", [f"echo $$ > {marker}; sleep 1000"]):
                pass
        assert ended(int(marker.read_text()))

    working(tmp_path, work)


def test_who_sends_to_a_device_that_stops_taking_is_told_when_it_goes(tmp_path: Path) -> None:
    async def silent(stream: SocketStream) -> None:
        async with stream:
            await anyio.sleep(0.3)
            stream.extra(SocketAttribute.raw_socket).setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)

    async def work(lease: RemoteLease, exporter: Served) -> None:
        async with use(lease, Network).connect() as stream:
            with pytest.raises(anyio.BrokenResourceError), anyio.fail_after(10):
                while True:
                    await stream.send(bytes(1024 * 1024))

    async def main() -> None:
        listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
        port = listener.extra(SocketAttribute.local_port)
        text = f"export:\n  board: {{type: network.tcp, config: {{host: 127.0.0.1, port: {port}}}}}\n"
        async with listener, anyio.create_task_group() as tasks, served(tmp_path, text) as exporter:
            tasks.start_soon(listener.serve, silent)
            async with exporter.remote().leased(Claim(role="dut", owner="tester"), nobody) as lease:
                await work(lease, exporter)
            tasks.cancel_scope.cancel()

    anyio.run(main)


def test_the_second_client_waits_for_the_first_and_is_told_for_whom(tmp_path: Path) -> None:
    told: list[tuple[str, int]] = []

    async def main() -> None:
        async with served(tmp_path, BOARD) as exporter:
            async with anyio.create_task_group() as tasks:

                async def second() -> None:
                    claim = Claim(role="dut", owner="second")
                    async with exporter.remote().leased(claim, lambda owner, place: told.append((owner, place))):
                        told.append(("mine", 0))

                async with exporter.remote().leased(Claim(role="dut", owner="first"), nobody):
                    tasks.start_soon(second)
                    while not told:
                        await anyio.sleep(0.01)
            assert told == [("first", 1), ("mine", 0)]

    anyio.run(main)
