"""Files and commands by SSH beside OpenSSH's own scp and ssh, at one server."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

from benchmarks.harness import Row
from flowrunner.interface import Direct
from flowrunner.interfaces.ssh import Ssh
from flowrunner_drivers.ssh.client import SshClient
from tests.support.sshd import Sshd, sshd

SIZE = 256 << 20
RUNS = 5

Measure = Callable[[], Awaitable[float]]


def measure() -> Iterator[Row]:
    """Loopback, in memory where there is /dev/shm; ours and theirs in turns, after one turn that does not count."""
    if not (Path("/usr/sbin/sshd").exists() and shutil.which("scp")):
        print("needs openssh-server and openssh-client")
        return
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if os.access(memory, os.W_OK) else None) as folder:
        yield from asyncio.run(measured(Path(folder)))


async def measured(folder: Path) -> list[Row]:
    (folder / "file").write_bytes(os.urandom(SIZE))
    async with sshd(folder) as server:
        driver = SshClient.make(server.config)
        async with driver.opened():
            ssh = Ssh.client(Direct(driver))  # type: ignore[arg-type]
            return [
                await rate("put 256 MiB", timed(ours_put, ssh, folder, False), scp(server, folder, up=True)),
                await rate("put 256 MiB, read back and compared", timed(ours_put, ssh, folder, True)),
                await rate("get 256 MiB", timed(ours_get, ssh, folder, False), scp(server, folder, up=False)),
                await rate("get 256 MiB, compared", timed(ours_get, ssh, folder, True)),
                await span("log in, run true, leave", anew(server), command(server)),
                await span("run true once more", again(ssh)),
            ]


async def rate(name: str, ours: Measure, theirs: Measure | None = None) -> Row:
    own, peer = await contest(ours, theirs)
    mib = SIZE / (1 << 20)
    return Row(
        name, mib / own, "MiB/s", peer=mib / peer if peer else None, peer_name="scp", better="more",
        note=f"(best of {RUNS})",
    )  # fmt: skip


async def span(name: str, ours: Measure, theirs: Measure | None = None) -> Row:
    own, peer = await contest(ours, theirs)
    return Row(name, own * 1000, "ms", peer=peer * 1000 if peer else None, peer_name="ssh", note=f"(best of {RUNS})")


async def contest(ours: Measure, theirs: Measure | None) -> tuple[float, float | None]:
    """The best of each, in turns."""
    own, peer = [], []
    for turn in range(RUNS + 1):
        own.append((turn, await ours()))
        if theirs:
            peer.append((turn, await theirs()))
    best = [min(took for turn, took in times if turn) for times in (own, peer) if times]
    return best[0], best[1] if theirs else None


def timed(work: Callable[..., Awaitable[None]], *args: object) -> Measure:
    async def once() -> float:
        start = time.perf_counter()
        await work(*args)
        return time.perf_counter() - start

    return once


async def ours_put(ssh: Ssh, folder: Path, verify: bool) -> None:
    await ssh.put(folder / "file", f"{folder}/ours", verify=verify)


async def ours_get(ssh: Ssh, folder: Path, verify: bool) -> None:
    await ssh.get(f"{folder}/file", folder / "back", verify=verify)


def scp(server: Sshd, folder: Path, *, up: bool) -> Measure:
    there = f"127.0.0.1:{folder}/{'theirs' if up else 'file'}"
    here = str(folder / ("file" if up else "back"))
    return program("scp", *options(server), "-P", str(server.port), *((here, there) if up else (there, here)))


def command(server: Sshd) -> Measure:
    return program("ssh", *options(server), "-p", str(server.port), "127.0.0.1", "true")


def options(server: Sshd) -> list[str]:
    known = ("StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null", "LogLevel=ERROR")
    return ["-F", "none", "-q", "-i", str(server.key), *(word for option in known for word in ("-o", option))]


def program(*words: str) -> Measure:
    async def run() -> None:
        await asyncio.to_thread(subprocess.run, words, check=True, capture_output=True)

    return timed(run)


def anew(server: Sshd) -> Measure:
    async def work() -> None:
        driver = SshClient.make(server.config)
        async with driver.opened():
            await Ssh.client(Direct(driver)).execute("true")  # type: ignore[arg-type]

    return timed(work)


def again(ssh: Ssh) -> Measure:
    async def work() -> None:
        await ssh.execute("true")

    return timed(work)
