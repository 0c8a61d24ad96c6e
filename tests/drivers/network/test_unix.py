"""Unix sockets: by path, abstract, missing, deserted, crowded."""

import asyncio
import socket
from pathlib import Path

import anyio
import pytest

from flowrunner.errors import BenchError
from flowrunner.interface import Direct
from flowrunner.interfaces.network import Network
from flowrunner_drivers.network.unix import UnixNetwork
from tests.support.far_ends import unix_echo

pytestmark = pytest.mark.anyio


def network(path: object, **config: object) -> Network:
    driver = UnixNetwork.make({"path": str(path), **config})
    assert isinstance(driver, Network)
    return Network.client(Direct(driver))


async def test_talks_to_a_socket_and_half_closes(tmp_path: Path) -> None:
    async with unix_echo(tmp_path / "s"):
        assert await network(tmp_path / "s").request(b"x" * 500_000) == b"x" * 500_000
        assert await network(tmp_path / "s").address() == f"unix:{tmp_path}/s"


async def test_talks_to_an_abstract_socket(tmp_path: Path) -> None:
    name = f"flowrunner-test-{tmp_path.name}"
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(f"\0{name}")
    listener.listen()

    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"hi")
        writer.close()

    server = await asyncio.start_unix_server(greet, sock=listener)
    async with network(f"@{name}").connect() as stream:
        assert await stream.receive() == b"hi"
    server.close()


async def test_says_what_is_wrong_with_a_socket(tmp_path: Path) -> None:
    with pytest.raises(BenchError, match=r"'.*/none' cannot be reached: No such file or directory") as error:
        await network(tmp_path / "none").check()
    assert error.value.blame == "infra"
    with socket.socket(socket.AF_UNIX) as deserted:
        deserted.bind(str(tmp_path / "deserted"))
        with pytest.raises(BenchError, match=r"'.*/deserted' cannot be reached: Connection refused"):
            await network(tmp_path / "deserted").check()


async def test_waits_where_too_many_wait_already(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "s"))
        listener.listen(0)
        first = socket.socket(socket.AF_UNIX)
        first.connect(str(tmp_path / "s"))
        with pytest.raises(BenchError, match=r"'.*/s' did not answer within 100ms"):
            await network(tmp_path / "s", timeout=0.1).check()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(network(tmp_path / "s").check)
            await anyio.sleep(0.05)
            listener.accept()[0].close()
        first.close()


def test_a_path_that_no_socket_can_have_is_refused() -> None:
    with pytest.raises(ValueError, match="at most 107"):
        UnixNetwork.make({"path": "/" + "x" * 107})
