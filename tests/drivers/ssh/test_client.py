"""The login at a real OpenSSH server: what lets in, what keeps out, and what an error says."""

import getpass
import logging
import os
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import anyio
import pytest

from flowrunner.errors import BenchError
from flowrunner.interfaces.ssh import SshLogin
from flowrunner_drivers.network.echo import EchoNetwork
from flowrunner_drivers.network.first import FirstNetwork
from flowrunner_drivers.network.tcp import TcpNetwork
from flowrunner_drivers.power.virtual import VirtualPower
from flowrunner_drivers.ssh.client import SshClient
from tests.support.ssh import ssh_client
from tests.support.sshd import Sshd, keygen, prepared, sshd

pytestmark = pytest.mark.anyio

ME = getpass.getuser()


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[Sshd]:
    async with sshd(tmp_path) as found:
        yield found


async def test_says_who_answered(server: Sshd) -> None:
    async with ssh_client(server.config) as ssh:
        found = await ssh.ready()
    assert found.version.startswith("SSH-2.0-OpenSSH")
    assert (found.username, found.host_key) == (ME, server.host_key)


async def test_logs_in_through_another_part_also_when_that_has_several_ways(server: Sshd) -> None:
    config = {key: value for key, value in server.config.items() if key not in ("host", "port")}
    dead, live = (TcpNetwork.make({"host": "127.0.0.1", "port": port}) for port in (9, server.port))
    async with ssh_client(config, tcp=FirstNetwork.make({}, {"a": dead, "b": live})) as ssh:
        assert (await ssh.execute("echo in")).stdout == b"in\n"


async def test_a_key_is_read_from_text_and_from_a_variable(server: Sshd, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAB_KEY", server.key.read_text())
    for key in (server.key.read_text(), {"env": "LAB_KEY"}):
        async with ssh_client({**server.config, "key": key}) as ssh:
            assert (await ssh.ready()).username == ME
    monkeypatch.delenv("LAB_KEY")
    async with ssh_client({**server.config, "key": {"env": "LAB_KEY"}}) as ssh:
        with pytest.raises(BenchError, match="the key should be in the variable LAB_KEY, which is not set"):
            await ssh.ready()


@pytest.mark.parametrize(
    "kind", ["ed25519", *(pytest.param(kind, marks=pytest.mark.machine) for kind in ("rsa", "ecdsa"))]
)
async def test_a_key_with_a_passphrase_opens_with_it_only(server: Sshd, tmp_path: Path, kind: str) -> None:
    keygen(tmp_path / "locked", "open sesame", kind)
    (server.folder / "authorized").write_text((tmp_path / "locked.pub").read_text())
    config = {**server.config, "key": {"file": tmp_path / "locked"}}
    async with ssh_client({**config, "passphrase": "open sesame"}) as ssh:
        assert (await ssh.ready()).username == ME
    for passphrase, why in (("wrong", "the passphrase of the key is wrong"), (None, "the key needs its passphrase")):
        async with ssh_client({**config, "passphrase": passphrase}) as ssh:
            with pytest.raises(BenchError, match=why) as error:
                await ssh.ready()
        assert error.value.blame == "config"
        assert "wrong'" not in str(error.value)


async def test_a_key_that_is_none_is_said_so(server: Sshd) -> None:
    async with ssh_client({**server.config, "key": "-----BEGIN NOTHING-----"}) as ssh:
        with pytest.raises(BenchError, match="the key cannot be read"):
            await ssh.ready()


@pytest.mark.machine
async def test_the_agent_has_the_keys(server: Sshd, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    config = {**server.config, "key": None, "agent": True}
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    async with ssh_client(config) as ssh:
        with pytest.raises(BenchError, match="there is no SSH agent"):
            await ssh.ready()
    place = tmp_path / "agent"
    agent = subprocess.Popen(["ssh-agent", "-D", "-a", place], stdout=subprocess.DEVNULL)
    try:
        with anyio.fail_after(20):
            while not place.exists():
                await anyio.sleep(0.01)
        monkeypatch.setenv("SSH_AUTH_SOCK", str(place))
        subprocess.run(["ssh-add", "-q", server.key], check=True)
        async with ssh_client(config) as ssh:
            assert (await ssh.ready()).username == ME
            with pytest.raises(BenchError, match="asks 'nobody' for a password or a key"):
                await ssh.ready(login=SshLogin(username="nobody"))
        (server.folder / "authorized").write_text("")
        async with ssh_client(config) as ssh:
            with pytest.raises(BenchError, match=f"refused the login of '{ME}' by the keys of the agent"):
                await ssh.ready()
    finally:
        agent.kill()
        agent.wait()


async def test_a_wrong_password_is_refused_and_shown_nowhere(tmp_path: Path) -> None:
    async with sshd(tmp_path, passwords=True) as server:
        config = {**server.config, "key": None, "password": "hun22 no"}
        async with ssh_client(config) as ssh:
            with pytest.raises(BenchError) as error:
                await ssh.ready(within=30)
    what = f"the SSH server at '127.0.0.1:{server.port}' refused the login of '{ME}' by password"
    assert (error.value.what, error.value.blame) == (what, "config")
    assert "hun22" not in f"{error.value!r} {error.value} {ssh!r}"


async def test_a_refused_key_and_no_key_at_all_are_told_apart(server: Sshd, tmp_path: Path) -> None:
    keygen(tmp_path / "other")
    async with ssh_client({**server.config, "key": {"file": tmp_path / "other"}}) as ssh:
        with pytest.raises(BenchError, match=f"refused the login of '{ME}' by key"):
            await ssh.ready()
    async with ssh_client({**server.config, "key": None}) as ssh:
        with pytest.raises(BenchError, match=f"asks '{ME}' for a password or a key, and there is none"):
            await ssh.ready()


async def test_a_login_of_the_jobs_own_stands_beside_the_configured_one(server: Sshd, tmp_path: Path) -> None:
    keygen(tmp_path / "other")
    (server.folder / "authorized").write_text((tmp_path / "other.pub").read_text())
    async with ssh_client(server.config) as ssh:
        with pytest.raises(BenchError, match="refused"):
            await ssh.ready()
        mine = SshLogin(username=ME, key=(tmp_path / "other").read_text())
        assert (await ssh.execute("echo in", login=mine)).stdout == b"in\n"
        with pytest.raises(BenchError, match="asks 'nobody' for a password or a key"):
            await ssh.ready(login=SshLogin(username="nobody"))


@pytest.mark.machine
async def test_a_host_key_that_is_known_lets_in_whatever_way_it_is_written(server: Sshd, tmp_path: Path) -> None:
    public = (server.folder / "host.pub").read_text().strip()
    (tmp_path / "known_hosts").write_text(f"# the board\n[10.0.0.7]:22 {public}\n")
    for known in (
        {"host_key": server.host_key}, {"host_key": public}, {"host_key": ["SHA256:" + "A" * 43, server.host_key]},
        {"host_key_file": tmp_path / "known_hosts"}, {"host_key_file": server.folder / "host.pub"},
    ):  # fmt: skip
        async with ssh_client({**server.config, **known}) as ssh:
            assert (await ssh.ready()).host_key == server.host_key


async def test_the_key_that_is_pinned_is_asked_for_where_the_server_has_several(tmp_path: Path) -> None:
    keygen(tmp_path / "rsa", kind="rsa")
    async with sshd(tmp_path, f"HostKey {tmp_path}/rsa") as server:
        config = {**server.config, "host_key": (tmp_path / "rsa.pub").read_text().strip()}
        async with ssh_client(config) as ssh:
            assert (await ssh.ready()).host_key != server.host_key


async def test_another_host_key_than_the_known_one_is_refused_with_both(server: Sshd, tmp_path: Path) -> None:
    keygen(tmp_path / "other")
    other = (tmp_path / "other.pub").read_text().strip()
    for known in ({"host_key": "SHA256:" + "A" * 43}, {"host_key": other}, {"host_key_file": tmp_path / "other.pub"}):
        async with ssh_client({**server.config, **known}) as ssh:
            with pytest.raises(BenchError) as error:
                await ssh.ready(within=30)
        assert (
            error.value.what == f"the host key of '127.0.0.1:{server.port}' is {server.host_key}, which is not trusted"
        )
        assert error.value.blame == "config"
        assert "trusted is SHA256:" in (error.value.help or "")


@pytest.mark.machine
async def test_the_first_host_key_of_a_lease_is_kept_until_it_is_to_be_forgotten(tmp_path: Path) -> None:
    server = prepared(tmp_path)
    server.start()
    await server.listening()
    try:
        async with ssh_client(server.config) as ssh:
            before = (await ssh.ready()).host_key
            server.kill()
            for file in ("host", "host.pub", "log"):
                (server.folder / file).unlink()
            keygen(server.folder / "host")
            server.start()
            await server.listening()
            with pytest.raises(BenchError, match="before in this lease") as error:
                await ssh.ready()
            assert before in error.value.what
            assert "forget" in (error.value.help or "")
            await ssh.forget()
            assert (await ssh.ready()).host_key == server.host_key != before
        async with ssh_client(server.config) as ssh:
            assert (await ssh.ready()).host_key == server.host_key
    finally:
        server.kill()


async def test_any_host_key_is_taken_with_a_warning(server: Sshd, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "flowrunner"):
        async with ssh_client({**server.config, "host_key": "any"}) as ssh:
            await ssh.ready()
    assert f"nobody checks who answers at '127.0.0.1:{server.port}': host_key is 'any'" in caplog.text


@pytest.mark.machine
async def test_waits_for_a_server_that_is_not_up_yet(tmp_path: Path) -> None:
    server = prepared(tmp_path)
    async with ssh_client(server.config) as ssh:
        with pytest.raises(BenchError, match="cannot be reached: Connection refused") as error:
            await ssh.ready()
        assert error.value.blame == "infra"
        with pytest.raises(BenchError, match=r"no SSH login within 500ms: .* Connection refused"):
            await ssh.ready(within=0.5)
        try:
            async with anyio.create_task_group() as tasks:

                async def boot() -> None:
                    await anyio.sleep(0.7)
                    server.start()

                tasks.start_soon(boot)
                assert (await ssh.ready(within=60)).username == ME
        finally:
            server.kill()


async def test_a_server_that_says_nothing_is_given_up_in_time(tmp_path: Path) -> None:
    silent = await anyio.create_tcp_listener(local_host="127.0.0.1")
    port = silent.extra(anyio.abc.SocketAttribute.local_port)
    async with silent, ssh_client({"host": "127.0.0.1", "port": port, "timeout": 0.4}) as ssh:
        with pytest.raises(BenchError, match="let nobody in within 400ms") as error:
            await ssh.ready()
    assert error.value.blame == "infra"


async def test_what_speaks_something_else_is_told_from_what_hangs_up(tmp_path: Path) -> None:
    async def web(stream: anyio.abc.SocketStream) -> None:
        async with stream:
            await stream.send(b"HTTP/1.1 400 Bad Request\r\nServer: x\r\n" + b"X-Y: z\r\n" * 2000 + b"\r\n")

    async def rude(stream: anyio.abc.SocketStream) -> None:
        await stream.aclose()

    for handler, why in (
        (web, r"what answers at .* speaks no SSH"),
        (rude, "closed the connection before the login"),
    ):
        listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
        port = listener.extra(anyio.abc.SocketAttribute.local_port)
        async with listener, anyio.create_task_group() as tasks:
            tasks.start_soon(listener.serve, handler)
            async with ssh_client({"host": "127.0.0.1", "port": port}) as ssh:
                with pytest.raises(BenchError, match=why):
                    await ssh.ready()
            tasks.cancel_scope.cancel()


@pytest.mark.machine
@pytest.mark.filterwarnings("ignore:.*:UserWarning")  # cryptography says of each that it is old
async def test_old_algorithms_have_to_be_allowed(tmp_path: Path) -> None:
    old = "KexAlgorithms diffie-hellman-group1-sha1\nHostKeyAlgorithms ssh-rsa\nCiphers 3des-cbc\nMACs hmac-sha1"
    keygen(tmp_path / "rsa", kind="rsa")
    async with sshd(tmp_path, f"HostKey {tmp_path}/rsa\n{old}") as server:
        async with ssh_client(server.config) as ssh:
            with pytest.raises(BenchError, match="knows none of our algorithms") as error:
                await ssh.ready()
            assert error.value.help == "old ones have to be allowed: legacy: true"
        async with ssh_client({**server.config, "legacy": True}) as ssh:
            assert (await ssh.execute("echo in")).stdout == b"in\n"


async def test_another_cipher_is_taken_first_and_one_that_is_none_is_refused(tmp_path: Path) -> None:
    async with sshd(tmp_path, "LogLevel DEBUG") as server:
        async with ssh_client({**server.config, "ciphers": "aes128-gcm@openssh.com"}) as ssh:
            await ssh.ready()
        assert "cipher: aes128-gcm@openssh.com" in (server.folder / "log").read_text()
        async with ssh_client({**server.config, "ciphers": "rot13"}) as ssh:
            with pytest.raises(BenchError, match=r"no SSH connection can be made like this: .*rot13") as error:
                await ssh.ready(within=9)
    assert error.value.blame == "config"


def test_a_config_that_cannot_be_is_refused() -> None:
    for config, children, why in (
        ({}, {}, "it has neither host nor a part 'tcp'"),
        ({"host": "x"}, {"tcp": EchoNetwork.make({})}, "host and a part 'tcp' exclude each other"),
        ({}, {"tcp": VirtualPower.make({})}, "its part 'tcp' is no network"),
    ):
        with pytest.raises(BenchError, match=why):
            SshClient.make(config, children)
    with pytest.raises(ValueError, match=r"'SHA1:abc' is no fingerprint \(SHA256:\.\.\.\)"):
        SshClient.make({"host": "x", "host_key": "SHA1:abc"})


async def test_a_host_key_file_without_a_key_is_refused_when_it_is_opened(tmp_path: Path) -> None:
    (tmp_path / "empty").write_text("# nothing\n")
    for path, why in ((tmp_path / "empty", "there is no public key in"), (tmp_path / "none", "No such file")):
        with pytest.raises(BenchError, match=why):
            async with ssh_client({"host": "x", "host_key_file": path}):
                pass


def test_takes_the_keys_of_jumpstarters_driver() -> None:
    made = SshClient.make(
        {"default_username": "pi", "ssh_identity_file": "k", "ssh_command": "ssh -v"}, {"tcp": EchoNetwork.make({})}
    )
    assert made.config.model_dump(include={"username", "share_key"}) == {"username": "pi", "share_key": True}
    assert str(made.config.key.file) == "k"


async def test_nothing_is_left_open_behind_it(server: Sshd) -> None:
    before = len(os.listdir("/proc/self/fd"))
    async with ssh_client(server.config) as ssh:
        await ssh.ready()
    assert len(os.listdir("/proc/self/fd")) == before
