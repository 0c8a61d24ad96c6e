import logging
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import anyio
import psutil
import pytest

from flowrunner.bench.bench import Bench
from flowrunner.bench.config import load_exporter
from flowrunner.driver import Driver
from flowrunner.errors import BenchError
from flowrunner.interface import Direct, has_borders
from flowrunner.interfaces.console import Console
from flowrunner.interfaces.machine import Machine
from flowrunner.interfaces.network import Network
from flowrunner.interfaces.power import Power
from flowrunner.interfaces.storage import Flasher
from flowrunner.interfaces.video import Video
from flowrunner_drivers.machine._qemu.folder import sweep
from flowrunner_drivers.machine._qemu.process import STILL_THERE, WITHOUT_SETPRIV
from flowrunner_drivers.machine.qemu import Qemu
from tests.support.machines import CHATTER, BytesImage, boots, echo_disk, machine, picture, read_until
from tests.support.processes import ended

pytestmark = [pytest.mark.anyio, pytest.mark.machine]


def part(qemu: Qemu, name: str) -> Any:
    """The client of one part."""
    kinds: dict[str, Any] = {"power": Power, "console": Console, "flasher": Flasher, "video": Video}
    return kinds.get(name, Network).client(Direct(qemu.children[name]))  # type: ignore[arg-type]


def running(qemu: Qemu) -> list[psutil.Process]:
    """Processes that hold the machine's folder in their arguments."""
    folder = str(qemu.core.folder)
    return [p for p in psutil.process_iter(["cmdline"]) if any(folder in a for a in p.info["cmdline"] or ())]


async def flashed(qemu: Qemu, data: bytes | None = None) -> None:
    await part(qemu, "flasher").flash(BytesImage(data or echo_disk()))


async def test_boots_what_was_flashed_and_answers_on_its_console() -> None:
    qemu = machine()
    async with qemu.opened(), part(qemu, "console").connect() as console:
        await flashed(qemu)
        await part(qemu, "power").on()
        assert await read_until(console, b"ready> ") == b"!ready> "
        await console.send(b"hello")
        assert await read_until(console, b"hello") == b"hello"
        assert await Machine.client(Direct(qemu)).state() == "running"


async def test_loses_no_byte_of_twenty_boots_with_one_stream() -> None:
    qemu = machine()
    async with qemu.opened(), part(qemu, "console").connect() as console:
        await flashed(qemu)
        power = part(qemu, "power")
        for _ in range(20):
            await power.on()
            assert await read_until(console, b"> ") == b"!ready> "
            await power.cycle(off_for=0)
            assert await read_until(console, b"> ") == b"!ready> "
            await power.off()


async def test_keeps_what_is_printed_before_anybody_connects() -> None:
    qemu = machine()
    async with qemu.opened():
        await flashed(qemu)
        await part(qemu, "power").on()
        async with part(qemu, "console").connect() as console:
            await read_until(console, b"!rea")
        async with part(qemu, "console").connect() as console:
            await console.send(b"again")
            assert (await read_until(console, b"again")).endswith(b"again")


async def test_a_console_that_nobody_reads_keeps_its_newest_bytes_and_does_not_stop_the_machine(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("flowrunner_drivers.machine._qemu.console.LIMIT", 1 << 12)
    monkeypatch.setattr("flowrunner_drivers.machine._qemu.console.PIECE", 1 << 10)
    qemu = machine()
    async with qemu.opened():
        await flashed(qemu, boots(CHATTER))
        await part(qemu, "power").on()
        with caplog.at_level(logging.WARNING), anyio.fail_after(10):
            while "oldest bytes were dropped" not in caplog.text:
                await anyio.sleep(0.01)
        async with part(qemu, "console").connect() as console:
            assert len(await read_until(console, b"x" * 2048)) <= 2 << 12


async def test_a_second_reader_and_a_send_to_a_machine_that_is_off_are_refused() -> None:
    qemu = machine()
    async with qemu.opened(), part(qemu, "console").connect() as console:
        with pytest.raises(BenchError, match="has a reader already"):
            async with part(qemu, "console").connect():
                pass
        with pytest.raises(BenchError, match="the machine is off"):
            await console.send(b"hello")


async def test_the_stream_ends_when_the_bench_closes() -> None:
    qemu = machine()
    async with qemu.opened():
        stream = part(qemu, "console").connect()
        console = await stream.__aenter__()
    with pytest.raises(anyio.EndOfStream):
        await console.receive()
    await stream.__aexit__(None, None, None)


async def test_on_and_off_are_idempotent_and_off_leaves_no_process() -> None:
    qemu = machine(display="none", vnc=True, disk_size="1MiB")
    power = part(qemu, "power")
    async with qemu.opened():
        await power.off()
        await power.on()
        first = running(qemu)
        await power.on()
        assert running(qemu) == first
        assert len(first) == 1
        await power.off()
        await power.off()
        assert running(qemu) == []
        assert await Machine.client(Direct(qemu)).state() == "off"


async def test_closing_powers_off_and_removes_the_folder() -> None:
    qemu = machine(disk_size="1MiB")
    async with qemu.opened():
        folder = qemu.core.folder
        await part(qemu, "power").on()
        process = running(qemu)[0]
    assert not folder.exists()
    assert not process.is_running()


async def test_pauses_resumes_resets_and_passes_monitor_commands() -> None:
    qemu = machine()
    client = Machine.client(Direct(qemu))
    async with qemu.opened(), part(qemu, "console").connect() as console:
        await flashed(qemu)
        await part(qemu, "power").on()
        await read_until(console, b"> ")
        await client.pause()
        assert await client.state() == "paused"
        await client.resume()
        await client.reset()
        assert await read_until(console, b"> ") == b"!ready> "
        assert (await client.qmp("query-name"))["name"] == "flowrunner"
        with pytest.raises(BenchError, match="QEMU refused 'fly'"):
            await client.qmp("fly")


async def test_a_machine_that_is_off_says_so() -> None:
    qemu = machine()
    async with qemu.opened():
        for call in (Machine.client(Direct(qemu)).reset, part(qemu, "video").snapshot):
            with pytest.raises(BenchError, match="the machine is off") as caught:
                await call()
            assert caught.value.help == "power it on first"


async def test_a_machine_that_is_killed_is_off_says_how_and_starts_again() -> None:
    qemu = machine()
    client = Machine.client(Direct(qemu))
    async with qemu.opened(), part(qemu, "console").connect() as console:
        await flashed(qemu)
        await part(qemu, "power").on()
        await read_until(console, b"> ")
        process = running(qemu)[0]
        process.kill()
        assert await anyio.to_thread.run_sync(ended, process.pid)
        assert await client.state() == "off"
        with pytest.raises(BenchError, match="the machine is off: QEMU was killed by SIGKILL"):
            await client.pause()
        await part(qemu, "power").on()
        assert await read_until(console, b"> ") == b"!ready> "


async def test_a_machine_that_hangs_is_killed_in_the_end() -> None:
    qemu = machine(stop_timeout=0.2, disk_size="1MiB")
    async with qemu.opened():
        await part(qemu, "power").on()
        process = running(qemu)[0]
        process.suspend()
        await part(qemu, "power").off()
        assert not process.is_running()


async def test_an_argument_that_qemu_does_not_know_is_told_in_its_words() -> None:
    qemu = machine(args=["-nonsense"])
    async with qemu.opened():
        with pytest.raises(BenchError, match="QEMU did not start: QEMU ended with status 1") as caught:
            await part(qemu, "power").on()
        assert "-nonsense: invalid option" in (caught.value.said or "")
        assert await Machine.client(Direct(qemu)).state() == "off"


async def test_a_missing_qemu_names_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    qemu = machine()
    async with qemu.opened():
        with pytest.raises(BenchError, match="qemu-system-x86_64 is not installed") as caught:
            await part(qemu, "power").on()
        assert (caught.value.blame, caught.value.help) == ("infra", "apt-get install qemu-system-x86")


async def test_a_qemu_that_does_not_answer_in_time_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake = tmp_path / "qemu-system-x86_64"
    fake.write_text("#!/bin/sh\necho thinking\nexec sleep 60\n")
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    qemu = machine(start_timeout=0.3)
    async with qemu.opened():
        with pytest.raises(BenchError, match=r"did not answer within 0\.3s") as caught:
            await part(qemu, "power").on()
        assert caught.value.said == "thinking"


async def test_forwards_ports_and_takes_free_ones() -> None:
    qemu = machine(hostfwd={"ssh": {"guestport": 22}, "dns": {"protocol": "udp", "guestport": 53}})
    async with qemu.opened():
        ssh, dns = part(qemu, "ssh"), part(qemu, "dns")
        with pytest.raises(BenchError, match="nobody is behind 'ssh': the machine is off"):
            await ssh.check()
        await part(qemu, "power").on()
        ports = [await qemu.core.port(name) for name in ("ssh", "dns")]
        assert await ssh.address() == f"tcp://127.0.0.1:{ports[0]}"
        assert await dns.address() == f"udp://127.0.0.1:{ports[1]}"
        await ssh.check()
        async with dns.connect() as stream:
            assert has_borders(stream)


async def test_a_forwarded_port_cannot_have_the_name_of_a_part() -> None:
    with pytest.raises(BenchError, match="a port cannot be called 'power'"):
        machine(hostfwd={"power": {"guestport": 22}})


async def test_shows_the_screen() -> None:
    qemu = machine()
    async with qemu.opened(), part(qemu, "console").connect() as console:
        await flashed(qemu)
        await part(qemu, "power").on()
        await read_until(console, b"> ")
        shot = await part(qemu, "video").snapshot()
        assert len(list(qemu.core.folder.glob("*.ppm"))) == 0
    assert shot.startswith(b"\x89PNG")
    assert picture(shot).size == (720, 400)
    assert picture(shot).convert("L").getextrema() == (0, 168), "the firmware has written something"


async def test_a_disk_of_another_machine_is_refused_in_qemus_words(tmp_path: Path) -> None:
    first, second = (machine(disk=str(tmp_path / "disk"), disk_size="1MiB") for _ in range(2))
    async with first.opened(), second.opened():
        await part(first, "power").on()
        with pytest.raises(BenchError, match="QEMU did not start") as caught:
            await part(second, "power").on()
        assert 'Failed to get "write" lock' in (caught.value.said or "")


async def test_works_as_an_exporters_part_with_children_of_its_own(tmp_path: Path) -> None:
    file = tmp_path / "qemu.yaml"
    file.write_text("export:\n  dut: {type: jumpstarter_driver_qemu.driver.Qemu, config: {mem: 32M, accel: tcg}}\n")
    bench = Bench(load_exporter(file), "lab")
    async with bench.opened():
        device = bench.device()
        assert device.find(Power) == "dut.power"
        power = device.at("dut.power").client
        assert isinstance(power, Power)
        await power.on()
        with pytest.raises(BenchError, match=r"machine\.qemu cannot measure"):
            async for _ in power.read():
                pass


KILLED = """
import anyio, sys
from tests.support.machines import machine
async def main():
    qemu = machine(disk_size="1MiB", tpm=True)
    async with qemu.opened():
        await qemu.children["power"].on()
        print(qemu.core._started.process.pid, qemu.core.folder, flush=True)
        await anyio.sleep_forever()
anyio.run(main)
"""


@pytest.mark.parametrize("tool", ["setpriv", "python"])
async def test_a_process_whose_starter_is_gone_already_never_becomes_qemu(tmp_path: Path, tool: str) -> None:
    guard = {
        "setpriv": ["setpriv", "--pdeathsig", "KILL", "--", "sh", "-c", STILL_THERE],
        "python": [sys.executable, "-ISc", WITHOUT_SETPRIV],
    }[tool]
    for starter, runs in ((os.getpid(), True), (os.getppid(), False)):
        mark = tmp_path / f"{starter}"
        subprocess.run([*guard, str(starter), "touch", str(mark)], check=False)
        assert mark.exists() == runs


async def test_works_without_setpriv(monkeypatch: pytest.MonkeyPatch) -> None:
    which = shutil.which
    monkeypatch.setattr(shutil, "which", lambda name: None if name == "setpriv" else which(name))
    qemu = machine()
    async with qemu.opened(), part(qemu, "console").connect() as console:
        await flashed(qemu)
        await part(qemu, "power").on()
        assert await read_until(console, b"> ") == b"!ready> "


async def test_kill_9_of_the_parent_leaves_no_machine_and_the_next_one_sweeps_its_folder(tmp_path: Path) -> None:
    root = Path(__file__).parents[3]
    environment = {**os.environ, "TMPDIR": str(tmp_path), "PYTHONPATH": str(root)}
    parent = subprocess.Popen([sys.executable, "-c", KILLED], stdout=subprocess.PIPE, text=True, env=environment)
    assert parent.stdout
    pid, folder = parent.stdout.readline().split()
    child = psutil.Process(int(pid))
    assert "qemu-system" in child.name()
    children = psutil.Process(parent.pid).children(recursive=True)
    assert sorted(each.name() for each in children) == [child.name(), "swtpm"]
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    parent.stdout.close()
    gone, alive = psutil.wait_procs(children, timeout=5)
    assert (len(gone), alive) == (2, [])
    assert Path(folder).is_dir()
    sweep(tmp_path)
    assert Path(folder).is_dir(), "a young folder may be somebody's"
    sweep(tmp_path, young=0)
    assert not Path(folder).exists()


def test_is_a_driver_with_the_parts_of_a_board() -> None:
    qemu: Driver[Any] = machine(display="none")
    assert sorted(qemu.children) == ["console", "flasher", "power"]
