"""One exporter of Jumpstarter for all tests that only use it."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar, cast

import pytest

from flowrunner.interface import Interface
from flowrunner.remote.client.connect import connected
from flowrunner.remote.client.remote import Claim, LogLine, RemoteLease
from flowrunner.remote.endpoint import Endpoint
from tests.support.exporters import Exporter, exporter
from tests.support.peers import Peer, peer

I = TypeVar("I", bound=Interface)  # noqa: E741

EXPORT = """
    export:
      power: {{type: jumpstarter_driver_power.driver.MockPower}}
      loop: {{type: jumpstarter_driver_pyserial.driver.PySerial, config: {{url: "loop://"}}}}
      files: {{type: jumpstarter_driver_opendal.driver.Opendal, config: {{scheme: fs, kwargs: {{root: {files}}}}}}}
      echo: {{type: jumpstarter_driver_network.driver.EchoNetwork}}
      tcp: {{type: jumpstarter_driver_network.driver.TcpNetwork, config: {{host: 127.0.0.1, port: {tcp}}}}}
      udp: {{type: jumpstarter_driver_network.driver.UdpNetwork, config: {{host: 127.0.0.1, port: {udp}}}}}
      nobody: {{type: jumpstarter_driver_network.driver.TcpNetwork, config: {{host: 127.0.0.1, port: {nobody}}}}}
      shell:
        type: jumpstarter_driver_shell.driver.Shell
        config: {{methods: {{greet: 'echo "hello $1 $WHO"; echo careful >&2; exit 3'}}}}
      flasher: {{type: jumpstarter_driver_opendal.driver.MockFlasher}}
      card: {{type: jumpstarter_driver_opendal.driver.MockStorageMuxFlasher}}
      group:
        children:
          inner: {{type: jumpstarter_driver_power.driver.MockPower}}
      again: {{ref: group}}
      odd: {{type: parts.Odd}}
      camera: {{type: parts.Camera}}
      broken:
        children:
          missing: {{type: parts.Broken, config: {{error: NotImplementedError}}}}
          argument: {{type: parts.Broken, config: {{error: ValueError}}}}
          late: {{type: parts.Broken, config: {{error: TimeoutError}}}}
          gone: {{type: parts.Broken, config: {{error: ConnectionError}}}}
          system: {{type: parts.Broken, config: {{error: OSError}}}}
          other: {{type: parts.Broken, config: {{error: RuntimeError}}}}
"""

PARTS = """
    import base64
    import builtins
    from dataclasses import dataclass

    from jumpstarter_driver_power.driver import PowerInterface

    from jumpstarter.driver import Driver, export


    class Odd(Driver):
        @classmethod
        def client(cls):
            return "acme.relays.RelayClient"


    class Camera(Driver):
        @classmethod
        def client(cls):
            return "jumpstarter_driver_ustreamer.client.UStreamerClient"

        @export
        def snapshot(self):
            return base64.b64encode(bytes(range(256))).decode()


    @dataclass(kw_only=True)
    class Broken(PowerInterface, Driver):
        error: str

        @export
        async def on(self):
            raise getattr(builtins, self.error)("the relay is stuck")

        @export
        async def off(self):
            pass

        @export
        async def read(self):
            yield {"voltage": 1.0, "current": 0.5}
            raise getattr(builtins, self.error)("the meter is stuck")
"""


@dataclass(frozen=True)
class Theirs:
    """Their exporter; `files` is the root of its files, its networks connect to the sockets. Nobody listens on the last.

    The sockets are held from first to last, so that no other program gets their ports.
    """

    peer: Peer
    files: Path
    tcp: socket.socket
    udp: socket.socket
    nobody: socket.socket


@pytest.fixture(scope="session")
def theirs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Theirs]:
    files = tmp_path_factory.mktemp("files")
    kinds = (socket.SOCK_STREAM, socket.SOCK_DGRAM, socket.SOCK_STREAM)
    with ExitStack() as stack:
        held = [stack.enter_context(socket.socket(type=kind)) for kind in kinds]
        for each in held:
            each.bind(("127.0.0.1", 0))
        ports = {name: port(each) for name, each in zip(("tcp", "udp", "nobody"), held, strict=True)}
        found = stack.enter_context(peer(EXPORT.format(files=files, **ports), parts=PARTS))
        yield Theirs(found, files, *held)


def port(of: socket.socket) -> int:
    """The port that a socket has."""
    return int(of.getsockname()[1])


def nobody(owner: str, position: int) -> None:
    raise AssertionError(f"waiting for {owner}")


@asynccontextmanager
async def used(
    endpoint: Endpoint, log: list[LogLine] | None = None, *, grace: float = 30.0
) -> AsyncIterator[RemoteLease]:
    """A lease on an exporter."""
    claim = Claim(role="dut", owner="tester", grace=grace, on_log=log.append if log is not None else None)
    async with connected(endpoint) as remote, remote.leased(claim, nobody) as lease:
        yield lease


def part(lease: RemoteLease, path: str, interface: type[I]) -> I:
    """The client at a path, which offers an interface."""
    node = lease.device.at(path)
    assert node.offers(interface)
    return cast("I", node.client)


OURS = """
export:
  power: {{type: power.command, config: {{"on": "touch {folder}/lamp", "off": "rm -f {folder}/lamp", read: "echo 5 0.25"}}}}
  console: {{type: console.process, config: {{command: [sh, -c, "stty raw -echo; exec cat"]}}}}
  disk: {{type: storage.file, config: {{path: {folder}/disk.img, size: 4MiB}}}}
  card: {{type: storage.virtual, config: {{size: 4MiB}}}}
  host: {{type: shell.command, config: {{methods: {{greet: 'printf "hello $1 $WHO\\n"; echo careful >&2; exit 3', raw: 'printf "\\377ok"'}}}}}}
  net: {{type: network.tcp, config: {{host: 127.0.0.1, port: {port}}}}}
  echo: {{type: network.echo}}
  board: {{type: machine.virtual, config: {{boot_time: 0, storage: 1MiB, faults: [{{call: pause, fail: the clock is stuck}}]}}}}
  again: {{ref: power}}
"""


@dataclass(frozen=True)
class Ours:
    """Our exporter; `folder` is where its parts leave things, `listener` is what its network connects to."""

    exporter: Exporter
    folder: Path
    listener: socket.socket

    @property
    def lamp(self) -> bool:
        """Whether the power is on."""
        return (self.folder / "lamp").exists()


@pytest.fixture(scope="session")
def ours(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ours]:
    folder = tmp_path_factory.mktemp("ours")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        (folder / "exporter.yaml").write_text(OURS.format(folder=folder, port=port(listener)))
        with exporter(folder / "exporter.yaml", folder) as found:
            yield Ours(found, folder, listener)
