"""A bench in plain pytest, without an event loop."""

import socket
from pathlib import Path

import pytest

from flowrunner.adapters.blocking import blocking
from flowrunner.adapters.forward import tcp_port
from flowrunner.adapters.pexpect import pexpect_on
from flowrunner.errors import BenchError
from flowrunner.interfaces.console import Console
from flowrunner.interfaces.network import Network
from flowrunner.interfaces.power import Power
from flowrunner.lab.access import Access
from tests.support.exporters import exporter

BENCH = """
export:
  power: {{type: power.command, config: {{"on": "touch {folder}/lamp", "off": "rm -f {folder}/lamp"}}}}
  console: {{type: console.process, config: {{command: [cat], raw: true}}}}
  echo: {{type: network.echo}}
  nobody: {{type: network.tcp, config: {{host: 127.0.0.1, port: 9}}}}
"""


@pytest.mark.parametrize("place", ["here", pytest.param("remote", marks=pytest.mark.machine)])
def test_calls_block_and_adapters_are_entered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str) -> None:
    monkeypatch.setenv("FLOW_LOCK_DIR", str(tmp_path / "locks"))
    file = tmp_path / "bench.yaml"
    file.write_text(BENCH.format(folder=tmp_path))
    if place == "here":
        exercise(file, tmp_path)
    else:
        with exporter(file, tmp_path) as served:
            exercise(served.tcp, tmp_path)
    assert not (tmp_path / "lamp").exists()


def exercise(where: Path | str, folder: Path) -> None:
    with blocking(where, access=Access(insecure=True) if isinstance(where, str) else None) as bench:
        bench.call(bench.part(Power).cycle, off_for=0.0)
        assert (folder / "lamp").exists()
        with bench.enter(pexpect_on(bench.part(Console), timeout=20)) as child:
            child.sendline("marco")
            child.expect("marco")
        with bench.enter(tcp_port(bench.part(Network, "echo"))) as door:
            connection = socket.create_connection((door.host, door.port))
            with connection:
                connection.sendall(b"polo")
                assert connection.recv(4) == b"polo"
        with pytest.raises(BenchError, match="Connection refused"):
            bench.call(bench.part(Network, "nobody").check)
