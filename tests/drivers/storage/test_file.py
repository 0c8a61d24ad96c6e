import os
import subprocess
import threading
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from flowrunner.errors import BenchError
from flowrunner.image import open_image
from flowrunner.interface import Direct
from flowrunner.interfaces.storage import Extent, Flasher
from flowrunner_drivers.storage.file import FileStorage
from tests.support.loops import empty_loop, loop, needs_root, small_disk
from tests.support.machines import BytesImage

pytestmark = pytest.mark.anyio

MIB = 1 << 20


def storage(path: Path, **config: object) -> Flasher:
    driver = FileStorage.make({"path": path, "leeway": 0, **config})
    assert isinstance(driver, Flasher)
    return Flasher.client(Direct(driver))


async def flash(flasher: Flasher, content: bytes, folder: Path) -> None:
    (folder / "image").write_bytes(content)
    async with open_image("image", base=folder) as image:
        await flasher.flash(image)


async def dump(flasher: Flasher, length: int | None = None) -> bytes:
    return b"".join([piece async for piece in flasher.dump(length=length)])


async def test_a_file_is_made_and_read_back(tmp_path: Path) -> None:
    flasher = storage(tmp_path / "disk")
    content = os.urandom(3 * MIB)
    await flash(flasher, content, tmp_path)
    assert await dump(flasher) == content
    assert await dump(flasher, 5000) == content[:5000]
    await flash(flasher, b"short", tmp_path)
    assert await dump(flasher) == b"short"


async def test_a_file_of_a_size_is_a_medium_of_that_size(tmp_path: Path) -> None:
    flasher = storage(tmp_path / "disk", size="1MiB")
    await flash(flasher, b"x" * 100, tmp_path)
    assert await dump(flasher) == b"x" * 100 + bytes(MIB - 100)
    with pytest.raises(BenchError, match=r"is larger than .*, which has 1MiB"):
        await flash(flasher, b"x" * (MIB + 1), tmp_path)
    with pytest.raises(BenchError, match=f"has only {MIB} bytes, {MIB + 1} were asked for"):
        await dump(flasher, MIB + 1)


async def test_has_one_target_only(tmp_path: Path) -> None:
    with pytest.raises(BenchError, match="has no target 'root'") as error:
        await dump_target(storage(tmp_path / "disk"))
    assert error.value.blame == "config"


async def dump_target(flasher: Flasher) -> None:
    async for _ in flasher.dump("root"):
        pass


async def test_what_was_never_flashed_cannot_be_dumped(tmp_path: Path) -> None:
    with pytest.raises(BenchError, match=r"there is no '.*disk': nothing was flashed to it") as error:
        await dump(storage(tmp_path / "disk"))
    assert error.value.blame == "config"


async def test_a_folder_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(BenchError, match=r"there is no '.*/no/disk'"):
        await flash(storage(tmp_path / "no/disk"), b"x", tmp_path)


async def test_a_device_that_does_not_appear_is_told_in_time(tmp_path: Path) -> None:
    start = time.monotonic()
    with pytest.raises(BenchError, match="'/dev/no-such-reader' did not appear within 100ms: No such file") as error:
        await flash(storage(Path("/dev/no-such-reader"), timeout=0.1), b"x", tmp_path)
    assert time.monotonic() - start < 1
    assert error.value.blame == "device"


@needs_root
async def test_a_device_is_awaited_until_it_has_a_medium(tmp_path: Path) -> None:
    (tmp_path / "medium").write_bytes(b"\xaa" * MIB)
    with empty_loop() as device:
        later = threading.Timer(0.3, subprocess.run, [["losetup", str(device), str(tmp_path / "medium")]])
        later.start()
        await flash(storage(device, timeout=10), b"hello", tmp_path)
        later.join()
        assert device.read_bytes()[:6] == b"hello\xaa"


@needs_root
async def test_a_device_that_is_mounted_is_refused_and_said_where(tmp_path: Path) -> None:
    with loop(tmp_path / "medium", 4 * MIB) as device:
        subprocess.run(["mkfs.ext2", "-q", str(device)], check=True)
        folder = tmp_path / "my card"
        folder.mkdir()
        subprocess.run(["mount", str(device), str(folder)], check=True)
        try:
            with pytest.raises(BenchError, match=f"'{device}' is in use on the host: mounted at '{folder}'\n") as error:
                await flash(storage(device), b"x", tmp_path)
        finally:
            subprocess.run(["umount", str(folder)], check=True)
    assert error.value.blame == "infra"


@needs_root
async def test_a_device_of_which_a_part_is_mounted_is_refused_and_said_where(tmp_path: Path) -> None:
    with loop(tmp_path / "medium", 8 * MIB, partition=True) as device:
        part = Path(f"{device}p1")
        if not part.exists():
            pytest.skip("this kernel reads no partition tables of loop devices")
        subprocess.run(["mkfs.ext2", "-q", str(part)], check=True)
        (tmp_path / "boot").mkdir()
        subprocess.run(["mount", str(part), str(tmp_path / "boot")], check=True)
        try:
            with pytest.raises(BenchError, match=f"'{device}' is in use on the host: mounted at '{tmp_path}/boot'"):
                await flash(storage(device), b"x", tmp_path)
        finally:
            subprocess.run(["umount", str(tmp_path / "boot")], check=True)


@needs_root
async def test_a_device_that_somebody_else_writes_is_refused(tmp_path: Path) -> None:
    with loop(tmp_path / "medium", MIB) as device:
        other = os.open(device, os.O_RDWR | os.O_EXCL)
        try:
            with pytest.raises(BenchError, match=f"'{device}' is in use on the host\n") as error:
                await flash(storage(device), b"x", tmp_path)
        finally:
            os.close(other)
    assert f"fuser -v {device}" in (error.value.help or "")


@needs_root
async def test_a_dump_reads_the_medium_and_not_what_the_host_remembers(tmp_path: Path) -> None:
    with loop(tmp_path / "medium", MIB) as device:
        flasher = storage(device)
        await flash(flasher, b"a" * 4096, tmp_path)
        assert (await dump(flasher, 4096)) == b"a" * 4096
        with (tmp_path / "medium").open("r+b") as file:
            file.write(b"b")
        assert (await dump(flasher, 2)) == b"ba"


@needs_root
async def test_a_device_is_left_alone_for_a_while_after_it_was_written(tmp_path: Path) -> None:
    with loop(tmp_path / "medium", MIB) as device:
        start = time.monotonic()
        await flash(storage(device, leeway=0.2), b"x", tmp_path)
    assert time.monotonic() - start >= 0.2


@needs_root
async def test_a_medium_that_fails_is_the_fault_of_the_device(tmp_path: Path) -> None:
    content = os.urandom(4 * MIB)
    with (
        small_disk(tmp_path / "disk", MIB) as disk,
        loop(disk / "medium", 8 * MIB, blank=True) as device,
        pytest.raises(BenchError, match=f"'{device}' (is gone or broken|took no more).* of data") as error,
    ):
        await flash(storage(device), content, tmp_path)
    assert error.value.blame == "device"


@needs_root
async def test_a_medium_that_cannot_be_read_is_the_fault_of_the_device(tmp_path: Path) -> None:
    with loop(tmp_path / "medium", 2 * MIB) as device:
        os.truncate(tmp_path / "medium", MIB)
        with pytest.raises(
            BenchError, match=f"'{device}' could not be read at byte {MIB}: Input/output error"
        ) as error:
            await dump(storage(device))
    assert error.value.blame == "device"


async def test_targets_are_media_of_their_own(tmp_path: Path) -> None:
    flasher = storage(tmp_path / "disk", targets={"boot0": tmp_path / "boot0"})
    for name, target in (("disk", None), ("boot0", "boot0")):
        (tmp_path / "image").write_bytes(name.encode())
        async with open_image("image", base=tmp_path) as image:
            await flasher.flash(image, target)
    assert (tmp_path / "boot0").read_bytes() == b"boot0"
    assert b"".join([piece async for piece in flasher.dump("boot0")]) == b"boot0"
    assert await dump(flasher) == b"disk"
    with pytest.raises(BenchError, match="has no target 'boot1'") as error:
        await flasher.flash(BytesImage(b""), "boot1")
    assert error.value.help == "did you mean 'boot0'?"


@needs_root
async def test_a_medium_that_vanishes_is_the_fault_of_the_device(tmp_path: Path) -> None:
    class Vanishing(BytesImage):
        async def extents(self) -> AsyncIterator[Extent]:
            yield Extent(0, MIB, os.urandom(MIB))
            os.truncate(tmp_path / "medium", 0)
            subprocess.run(["losetup", "-c", str(device)], check=True)
            yield Extent(MIB, MIB, os.urandom(MIB))

    with loop(tmp_path / "medium", 4 * MIB) as device:
        with pytest.raises(BenchError, match=f"'{device}' (took no more|is gone or broken).* of data") as error:
            await storage(device).flash(Vanishing(bytes(2 * MIB)))
        assert error.value.blame == "device"
        with pytest.raises(BenchError, match=f"'{device}' did not appear within 100ms: No medium found"):
            await dump(storage(device, timeout=0.1))
