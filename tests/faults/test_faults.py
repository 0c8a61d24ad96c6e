"""What goes wrong in a lab: each fault gives one clear error, the right outcome, and leaves nothing behind."""

import gzip
import os
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from threading import Thread

import pytest

from tests.support.bench import BOARD, Done, execute
from tests.support.flow import Workplace

HEAD = "devices: {dut: board=any}\n"
MIB = 1 << 20


def flash(folder: Path, image: str, *, export: str = "", extra: str = "") -> Done:
    disk = folder / "disk.img"
    if not export:
        disk.write_bytes(bytes(MIB))
        export = f"{{storage: {{type: storage.file, config: {{path: {disk}, size: 1MiB}}}}}}"
    return execute(folder, HEAD + f"steps:\n  - flash: {{image: {image}{extra}}}\n  - log: never\n", export=export)


def expect_error(done: Done, path: str, outcome: str, blame: str | None, *words: str) -> None:
    record = done.record(path)
    told = f"{record['message']} {record['help']} {record['said']}"
    assert (record["outcome"], record["blame"]) == (outcome, blame), told
    assert done.finished.exit == {"failed": 1, "errored": 3}[outcome]
    assert record["where"]["file"].endswith("p.yaml") and record["where"]["line"] > 2
    for word in words:
        assert word in told
    assert not (done.finished.folder / "work").exists()
    assert len(done.of("lease.released")) == len(done.of("lease.acquired"))


def test_an_image_that_is_not_there(tmp_path: Path) -> None:
    expect_error(flash(tmp_path, "none.img"), "flash1", "errored", "config", "none.img")


def test_an_image_that_is_cut_off(tmp_path: Path) -> None:
    packed = gzip.compress(os.urandom(200_000))
    (tmp_path / "a.img.gz").write_bytes(packed[: len(packed) // 2])
    expect_error(flash(tmp_path, "a.img.gz"), "flash1", "errored", "config", "a.img.gz", "truncated")


def test_an_image_that_is_damaged(tmp_path: Path) -> None:
    packed = bytearray(gzip.compress(os.urandom(200_000)))
    packed[100_000] ^= 0xFF
    packed[-6] ^= 0xFF
    (tmp_path / "a.img.gz").write_bytes(packed)
    expect_error(flash(tmp_path, "a.img.gz"), "flash1", "errored", "config", "a.img.gz", "damaged")


def test_a_wrong_checksum(tmp_path: Path) -> None:
    (tmp_path / "a.img").write_bytes(b"x" * 5000)
    done = flash(tmp_path, "a.img", extra=f", checksum: 'sha256:{'0' * 64}'")
    expect_error(done, "flash1", "errored", "config", "checksum", "0" * 64)


def test_an_image_that_is_larger_than_the_disk(tmp_path: Path) -> None:
    (tmp_path / "a.img").write_bytes(os.urandom(2 * MIB))
    loop = attach(tmp_path, MIB)
    try:
        export = f"{{storage: {{type: storage.file, config: {{path: {loop}}}}}}}"
        expect_error(flash(tmp_path, "a.img", export=export), "flash1", "errored", "device", "larger", "1MiB")
    finally:
        detach(loop)


def test_a_disk_that_is_full(tmp_path: Path, small: Path) -> None:
    (tmp_path / "a.img").write_bytes(os.urandom(3 * MIB))
    export = f"{{storage: {{type: storage.file, config: {{path: {small / 'disk.img'}}}}}}}"
    done = flash(tmp_path, "a.img", export=export)
    expect_error(done, "flash1", "errored", "infra", "No space left")


def test_a_medium_that_is_not_there(tmp_path: Path) -> None:
    (tmp_path / "a.img").write_bytes(b"x" * 5000)
    export = "{storage: {type: storage.file, config: {path: /dev/none, timeout: 0.3}}}"
    expect_error(flash(tmp_path, "a.img", export=export), "flash1", "errored", "device", "/dev/none")


def test_a_prompt_that_never_comes(tmp_path: Path) -> None:
    done = execute(tmp_path, HEAD + "steps:\n  - power: on\n  - expect: {prompt: 'never: ', within: 500ms}\n")
    expect_error(done, "expect2", "failed", None, "'never: '", "not seen within 500ms", "login:")


def test_a_console_that_closes_in_the_middle(tmp_path: Path) -> None:
    server = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        far, _ = server.accept()
        server.close()
        far.sendall(b"booting\n")
        time.sleep(0.3)
        far.close()

    Thread(target=serve).start()
    url = f"socket://127.0.0.1:{server.getsockname()[1]}"
    export = f"{{console: {{type: console.serial, config: {{url: '{url}', check_present: false}}}}}}"
    done = execute(tmp_path, HEAD + "steps:\n  - expect: {pattern: never, within: 60s}\n", export=export)
    expect_error(done, "expect1", "errored", "infra", "was lost and does not come back")


def test_a_serial_port_that_is_not_there(tmp_path: Path) -> None:
    export = "{console: {type: console.serial, config: {url: /dev/ttyNONE0}}}"
    done = execute(tmp_path, HEAD + "steps:\n  - expect: x\n", export=export)
    assert (done.outcome, done.finished.result.blame, done.finished.exit) == ("errored", "device", 3)
    assert "/dev/ttyNONE0" in str(done.finished.result.message)
    assert done.record("expect1")["outcome"] == "skipped"


def test_a_power_command_that_fails_says_what_it_said(tmp_path: Path) -> None:
    export = "{power: {type: power.command, config: {'on': 'echo no relay >&2; exit 4', 'off': 'true'}}}"
    done = execute(tmp_path, HEAD + "steps:\n  - power: on\n", export=export)
    expect_error(done, "power1", "errored", "device", "4", "no relay")


def test_qemu_that_is_not_installed(tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    for tool in ("bash", "sh"):
        (tmp_path / "bin" / tool).symlink_to(f"/bin/{tool}")
    place = Workplace(tmp_path)
    (tmp_path / "lab.yaml").write_text(
        "exporters: {q: {labels: {board: lamp}, export: {vm: {type: machine.qemu, config: {accel: tcg}}}}}\n"
    )
    place.write("steps:\n  - power: on\n")
    done = place.flow("run", "p.yaml", PATH=str(tmp_path / "bin"))
    assert done.returncode == 3, done.stdout
    assert b"apt-get install" in done.stdout and b"qemu-system-x86" in done.stdout


def test_a_runs_folder_that_cannot_be_written(tmp_path: Path) -> None:
    place = Workplace(tmp_path)
    place.write("steps:\n  - power: on\n")
    (tmp_path / "file").touch()
    done = place.flow("run", "p.yaml", "--runs", "file/runs")
    assert done.returncode == 3
    assert b"could not be made" in done.stderr and b"--runs" in done.stderr
    assert not place.lamp.exists()


def test_a_runs_folder_that_is_full(tmp_path: Path, small: Path) -> None:
    place = Workplace(tmp_path)
    place.write("steps:\n  - power: on\n  - run: head -c 9000000 /dev/zero | base64\n")
    done = place.flow("run", "p.yaml", "--runs", str(small))
    assert done.returncode == 3, (done.stdout[-500:], done.stderr)
    assert b"No space left" in done.stdout + done.stderr
    assert b"Traceback" not in done.stderr
    assert not place.lamp.exists()
    assert b"no device" in place.flow("leases").stdout


def test_no_exporter_fits(tmp_path: Path) -> None:
    place = Workplace(tmp_path)
    (tmp_path / "p.yaml").write_text("flow: 1\nname: x\ndevices: {dut: board=lmap}\nsteps:\n  - power: on\n")
    done = place.flow("run", "p.yaml")
    assert done.returncode == 2
    assert b"p.yaml:3:" in done.stderr and b"lamp" in done.stderr


def test_an_exporter_lacks_what_the_steps_use(tmp_path: Path) -> None:
    place = Workplace(tmp_path)
    place.write("steps:\n  - expect: 'login: '\n")
    done = place.flow("run", "p.yaml")
    assert done.returncode == 2
    assert b"console" in done.stderr and b"p.yaml:" in done.stderr


def test_an_action_that_breaks_ends_only_itself(tmp_path: Path) -> None:
    done = execute(
        tmp_path, HEAD + "steps:\n  - driver: {call: dut.board.power.read, with: {volts: 3}}\n", export=BOARD
    )
    assert done.finished.exit in (2, 3)
    assert len(done.of("run.finished")) == 1


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """A file system of 2 MiB."""
    folder = tmp_path / "small"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(folder)], check=True)
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def attach(folder: Path, size: int) -> str:
    backing = folder / "loop.img"
    backing.write_bytes(bytes(size))
    found = subprocess.run(["losetup", "--find", "--show", str(backing)], check=True, capture_output=True, text=True)
    return found.stdout.strip()


def detach(loop: str) -> None:
    subprocess.run(["losetup", "--detach", loop], check=True)
