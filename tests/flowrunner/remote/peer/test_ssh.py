"""SSH between us and the real Jumpstarter, both ways, at a real server."""

from __future__ import annotations

import getpass
import os
from collections.abc import Iterator
from contextlib import aclosing
from pathlib import Path

import pytest

from flowrunner.errors import BenchError
from flowrunner.interfaces.network import Network
from flowrunner.interfaces.ssh import Ssh, SshLogin
from tests.flowrunner.remote.peer.conftest import part, used
from tests.support.exporters import exporter
from tests.support.peers import j, peer
from tests.support.processes import alive, ended
from tests.support.sshd import Sshd, running_sshd

pytestmark = [pytest.mark.anyio, pytest.mark.peer]

OURS = """
export:
  ssh: {{type: ssh.client, config: {{host: 127.0.0.1, port: {port}, username: {me}, key: {{file: {key}}}, share_key: true}}}}
  kept: {{type: ssh.client, config: {{username: {me}, key: {{file: {key}}}}}, children: {{tcp: {{ref: ssh.tcp}}}}}}
"""

THEIRS = """
export:
  ssh:
    type: jumpstarter_driver_ssh.driver.SSHWrapper
    config: {{default_username: {me}, ssh_identity_file: {key}}}
    children:
      tcp: {{type: jumpstarter_driver_network.driver.TcpNetwork, config: {{host: 127.0.0.1, port: {port}}}}}
  bare:
    type: jumpstarter_driver_ssh.driver.SSHWrapper
    config: {{default_username: {me}}}
    children: {{tcp: {{ref: ssh.tcp}}}}
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sshd]:
    with running_sshd(tmp_path_factory.mktemp("ssh")) as found:
        yield found


def written(text: str, server: Sshd) -> str:
    return text.format(port=server.port, me=getpass.getuser(), key=server.key)


def test_their_j_ssh_runs_commands_through_our_exporter(server: Sshd, tmp_path: Path) -> None:
    (tmp_path / "exporter.yaml").write_text(written(OURS, server))
    with exporter(tmp_path / "exporter.yaml", tmp_path) as ours:
        done = j(ours.unix, "ssh", "echo out; echo err >&2; exit 7")
        assert (done.stdout, done.stderr, done.returncode) == (b"out\n", b"err\n", 7)
        assert j(ours.tcp, "ssh", "cat", send=bytes(range(256)) * 99).stdout == bytes(range(256)) * 99


def test_a_key_that_is_not_shared_stays_with_the_bench(server: Sshd, tmp_path: Path) -> None:
    (tmp_path / "exporter.yaml").write_text(written(OURS, server))
    with exporter(tmp_path / "exporter.yaml", tmp_path) as ours:
        done = j(ours.unix, "kept", "-o", "BatchMode=yes", "true")
    assert done.returncode == 255
    assert b"Permission denied" in done.stderr


async def test_our_client_runs_commands_and_moves_files_through_their_driver(server: Sshd, tmp_path: Path) -> None:
    data = os.urandom(1_000_000)
    (tmp_path / "here").write_bytes(data)
    with peer(written(THEIRS, server)) as theirs:
        async with used(theirs.unix) as lease:
            ssh = part(lease, "ssh", Ssh)
            assert (await ssh.ready()).username == getpass.getuser()
            ran = await ssh.execute("cat; echo err >&2; exit 7", stdin=bytes(range(256)))
            assert (ran.stdout, ran.stderr, ran.status) == (bytes(range(256)), b"err\n", 7)
            assert (await ssh.put(tmp_path / "here", f"{tmp_path}/there", 0o640)).bytes == len(data)
            assert (tmp_path / "there").stat().st_mode & 0o777 == 0o640
            await ssh.get(f"{tmp_path}/there", tmp_path / "back")
            assert (tmp_path / "back").read_bytes() == data
            async with aclosing(ssh.run("echo $$; sleep 600")) as pieces:
                pid = int((await anext(pieces)).stdout)
                assert alive(pid)
            assert ended(pid)


async def test_our_client_brings_its_own_login_where_theirs_has_no_key(server: Sshd) -> None:
    with peer(written(THEIRS, server)) as theirs:
        async with used(theirs.unix) as lease:
            bare = part(lease, "bare", Ssh)
            assert part(lease, "ssh.tcp", Network)
            with pytest.raises(BenchError, match=r"asks .* for a password or a key") as error:
                await bare.execute("true")
            assert (error.value.blame, error.value.driver) == ("config", "dut.bare")
            mine = SshLogin(username=getpass.getuser(), key=server.key.read_text())
            assert (await bare.execute("echo in", login=mine)).stdout == b"in\n"
