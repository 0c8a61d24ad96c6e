"""One exporter of Jumpstarter for all tests that only use it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar, cast

import pytest

from flowrunner.interface import Interface
from flowrunner.remote.client.connect import connected
from flowrunner.remote.client.remote import Claim, LogLine, RemoteLease
from flowrunner.remote.endpoint import Endpoint
from tests.support.exporters import Exporter, exporter
from tests.support.peers import Peer, free_port, peer

I = TypeVar("I", bound=Interface)  # noqa: E741

EXPORT = """
    export:
      power: {{type: jumpstarter_driver_power.driver.MockPower}}
      loop: {{type: jumpstarter_driver_pyserial.driver.PySerial, config: {{url: "loop://"}}}}
      files: {{type: jumpstarter_driver_opendal.driver.Opendal, config: {{scheme: fs, kwargs: {{root: {files}}}}}}}
      echo: {{type: jumpstarter_driver_network.driver.EchoNetwork}}
      tcp: {{type: jumpstarter_driver_network.driver.TcpNetwork, config: {{host: 127.0.0.1, port: {port}}}}}
      udp: {{type: jumpstarter_driver_network.driver.UdpNetwork, config: {{host: 127.0.0.1, port: {port}}}}}
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
    """Their exporter; `files` is the root of its files, `port` where its networks connect to."""

    peer: Peer
    files: Path
    port: int


@pytest.fixture(scope="session")
def theirs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Theirs]:
    files, port = tmp_path_factory.mktemp("files"), free_port()
    with peer(EXPORT.format(files=files, port=port), parts=PARTS) as found:
        yield Theirs(found, files, port)


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
    """Our exporter; `folder` is where its parts leave things, `port` where its network connects to."""

    exporter: Exporter
    folder: Path
    port: int

    @property
    def lamp(self) -> bool:
        """Whether the power is on."""
        return (self.folder / "lamp").exists()


@pytest.fixture(scope="session")
def ours(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ours]:
    folder, port = tmp_path_factory.mktemp("ours"), free_port()
    (folder / "exporter.yaml").write_text(OURS.format(folder=folder, port=port))
    with exporter(folder / "exporter.yaml", folder) as found:
        yield Ours(found, folder, port)
