"""What goes wrong in the middle of something: the server dies, the disk is full, nothing answers any more."""

import os
import signal
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from pathlib import Path

import anyio
import pytest

from flowrunner.errors import BenchError
from flowrunner.interface import ByteStream, Direct
from flowrunner.interfaces.ssh import Ssh
from flowrunner_drivers.network.tcp import TcpNetwork
from flowrunner_drivers.ssh.client import SshClient
from tests.support.loops import small_disk
from tests.support.processes import alive, ended
from tests.support.ssh import ssh_client
from tests.support.sshd import Sshd, prepared, sshd

pytestmark = [pytest.mark.anyio, pytest.mark.machine]


@asynccontextmanager
async def up(server: Sshd, more: str = "") -> AsyncIterator[None]:
    server.start(more)
    try:
        await server.listening()
        yield
    finally:
        server.kill()
        (server.folder / "log").unlink()


class Muted(TcpNetwork):
    """A way to the server on which nothing is carried any more once it is `mute`: a cable that was pulled."""

    mute: anyio.Event

    @asynccontextmanager
    async def connect(self) -> AsyncIterator[ByteStream]:
        async with super().connect() as inner:
            yield _Cable(inner, self.mute)


class _Cable:
    def __init__(self, inner: ByteStream, mute: anyio.Event) -> None:
        self.inner, self.mute = inner, mute

    async def receive(self) -> bytes:
        data = await self.inner.receive()
        if self.mute.is_set():
            await anyio.sleep_forever()
        return data

    async def send(self, data: bytes, /) -> None:
        if not self.mute.is_set():
            await self.inner.send(data)


async def test_a_server_that_dies_in_mid_command_is_the_devices_fault_and_names_the_command(tmp_path: Path) -> None:
    async with sshd(tmp_path) as server, ssh_client(server.config) as ssh:
        with pytest.raises(BenchError) as error, anyio.fail_after(20):
            async for piece in ssh.run("echo $$; exec sleep 600"):
                server.kill()
                os.kill(int(piece.stdout), signal.SIGKILL)
    what = f"the SSH connection to '127.0.0.1:{server.port}' was lost while 'echo $$; exec sleep 600' ran"
    assert error.value.what.startswith(what)
    assert error.value.blame == "device"
    assert error.value.help == "did the device reboot, crash, or lose its network?"


async def test_the_connection_is_made_anew_behind_a_reboot(tmp_path: Path) -> None:
    server = prepared(tmp_path)
    async with ssh_client({**server.config, "within": 30}) as ssh:
        for _ in range(2):
            async with up(server):
                assert (await ssh.execute("echo up")).stdout == b"up\n"
                await ssh.upload(str(tmp_path / "a"), _pieces(b"x"))
        async with up(server):
            assert await ssh.digest(str(tmp_path / "a"))
        async with up(server):
            assert (await ssh.ready()).username
    assert (tmp_path / "a").read_bytes() == b"x"


async def test_a_cable_that_is_pulled_is_noticed_by_who_waits_and_by_who_comes_next(tmp_path: Path) -> None:
    async with sshd(tmp_path) as server:
        way = Muted.make({"host": "127.0.0.1", "port": server.port})
        assert isinstance(way, Muted)
        way.mute = anyio.Event()
        config = {
            **{k: v for k, v in server.config.items() if k not in ("host", "port")},
            "keepalive": 0.2,
            "timeout": 3,
        }
        async with ssh_client(config, tcp=way) as ssh:
            with pytest.raises(BenchError, match=r"was lost while 'echo \$\$; sleep 600' ran"), anyio.fail_after(30):
                async for piece in ssh.run("echo $$; sleep 600"):
                    pid = int(piece.stdout)
                    way.mute.set()
            os.killpg(pid, signal.SIGKILL)
            way.mute = anyio.Event()
            assert (await ssh.execute("echo again")).stdout == b"again\n"


async def test_a_dead_connection_without_keepalive_is_given_up_and_replaced(tmp_path: Path) -> None:
    async with sshd(tmp_path) as server:
        way = Muted.make({"host": "127.0.0.1", "port": server.port})
        assert isinstance(way, Muted)
        way.mute = anyio.Event()
        config = {**{k: v for k, v in server.config.items() if k not in ("host", "port")}, "keepalive": 0, "timeout": 2}
        async with ssh_client(config, tcp=way) as ssh:
            await ssh.ready()
            way.mute.set()
            way.mute = anyio.Event()
            with anyio.fail_after(30):
                assert (await ssh.execute("echo again")).stdout == b"again\n"


async def test_an_upload_that_is_cut_off_never_has_its_name(tmp_path: Path) -> None:
    target = tmp_path / "firmware"
    target.write_bytes(b"old")
    async with sshd(tmp_path) as server, ssh_client(server.config) as ssh:

        async def content() -> AsyncIterator[bytes]:
            yield b"x" * 9_000_000
            server.kill()
            yield b"y" * 9_000_000

        with pytest.raises(BenchError, match=f"was lost while '{target}' was written") as error, anyio.fail_after(30):
            await ssh.upload(str(target), content())
    assert error.value.blame == "device"
    assert target.read_bytes() == b"old"


async def test_content_that_is_not_what_was_sent_is_thrown_away(tmp_path: Path) -> None:
    tool = tmp_path / "bin/sha256sum"
    tool.parent.mkdir()
    tool.write_text(f"#!/bin/sh\necho {'0' * 64} -\n")
    tool.chmod(0o755)
    async with sshd(tmp_path, f"SetEnv PATH={tool.parent}:/usr/bin:/bin") as server, ssh_client(server.config) as ssh:
        with pytest.raises(BenchError, match="is not on the device what was sent: its SHA-256 is 0000") as error:
            await ssh.upload(str(tmp_path / "out/a"), _pieces(b"x"))
    assert error.value.blame == "device"
    assert os.listdir(tmp_path / "out") == []


async def test_a_device_without_a_tool_for_checksums_is_read_back(tmp_path: Path) -> None:
    async with sshd(tmp_path, "SetEnv PATH=/nowhere") as server, ssh_client({**server.config, "posix": False}) as ssh:
        written = await ssh.upload(str(tmp_path / "a"), _pieces(b"x" * 10_000_000))
        assert await ssh.digest(str(tmp_path / "a")) == written.sha256


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to mount")
async def test_a_full_disk_is_said_and_leaves_nothing(tmp_path: Path) -> None:
    async with sshd(tmp_path) as server, ssh_client(server.config) as ssh:
        with small_disk(tmp_path / "disk", 4 << 20) as disk:
            with pytest.raises(BenchError, match=f"'{disk}/x' could not be written") as error:
                await ssh.upload(f"{disk}/x", _pieces(b"x" * 6_000_000))
            assert os.listdir(disk) == []
    assert (error.value.blame, error.value.help) == ("device", "is the disk of the device full?")


async def test_a_server_without_sftp_says_what_to_install(tmp_path: Path) -> None:
    async with sshd(tmp_path, "Subsystem sftp2 internal-sftp") as server:
        text = (server.folder / "sshd_config").read_text().replace("Subsystem sftp internal-sftp", "")
        server.kill()
        (server.folder / "log").unlink()
        (server.folder / "sshd_config").write_text(text)
        server.start_again()
        await server.listening()
        async with ssh_client(server.config) as ssh:
            with pytest.raises(BenchError, match="has no SFTP") as error:
                await ssh.upload(str(tmp_path / "a"), _pieces(b"x"))
            assert "openssh-sftp-server" in (error.value.help or "")
            assert (await ssh.execute("echo on")).stdout == b"on\n"


async def test_a_server_with_no_room_for_another_session_is_the_benchs_fault(tmp_path: Path) -> None:
    async with sshd(tmp_path, "MaxSessions 1") as server, ssh_client(server.config) as ssh:
        async with aclosing(ssh.run("echo $$; sleep 600")) as pieces:
            pid = int((await anext(pieces)).stdout)
            with pytest.raises(BenchError, match="gives no further session") as error:
                await ssh.execute("echo two")
            assert alive(pid)
        assert ended(pid), "it was ended over another connection"
    assert error.value.blame == "infra"


async def test_a_server_that_is_no_posix_shell_gets_the_command_as_it_is(tmp_path: Path) -> None:
    async with sshd(tmp_path, 'ForceCommand echo "got: $SSH_ORIGINAL_COMMAND"; exit 3') as server:
        config = {**server.config, "posix": False}
        async with ssh_client(config) as ssh:
            ran = await ssh.execute("show version")
    assert (ran.stdout, ran.status) == (b"got: show version\n", 3)


async def test_what_the_shell_says_before_the_command_is_kept(tmp_path: Path) -> None:
    greeting = 'ForceCommand echo welcome >&2; eval "$SSH_ORIGINAL_COMMAND"'
    async with sshd(tmp_path, greeting) as server, ssh_client(server.config) as ssh:
        ran = await ssh.execute("echo out; echo err >&2")
    assert (ran.stdout, ran.stderr, ran.status) == (b"out\n", b"welcome\nerr\n", 0)


async def test_the_files_of_the_shell_are_read_once(tmp_path: Path) -> None:
    (tmp_path / ".bashrc").write_text("echo hello from bashrc\n")
    async with sshd(tmp_path, f"SetEnv HOME={tmp_path}") as server, ssh_client(server.config) as ssh:
        ran = await ssh.execute("echo out")
    assert ran.stdout == b"hello from bashrc\nout\n"


async def test_closing_the_bench_ends_what_still_runs(tmp_path: Path) -> None:
    async with sshd(tmp_path) as server:
        pid = 0
        driver = SshClient.make(server.config)
        assert isinstance(driver, Ssh)
        async with driver.opened():
            pieces = Ssh.client(Direct(driver)).run("echo $$; sleep 600")
            async for piece in pieces:
                pid = int(piece.stdout)
                break
            assert alive(pid)
            await pieces.aclose()
        assert not alive(pid)


async def _pieces(*pieces: bytes) -> AsyncIterator[bytes]:
    for piece in pieces:
        yield piece
