import hashlib
import lzma
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import anyio
import pytest
from pydantic import ValidationError

from flowrunner.driver import Driver
from flowrunner.errors import BenchError, ExpectationError
from flowrunner.image import Medium, write_image
from flowrunner.interfaces.storage import Flasher, Image, StorageMuxFlasher, Written
from flowrunner_drivers.storage.file import FileStorage
from flowrunner_steps.flash import Flash
from tests.support.context import RecordingContext
from tests.support.devices import NoConfig, device

pytestmark = pytest.mark.anyio

MIB = 1 << 20


@pytest.fixture
def content(tmp_path: Path) -> bytes:
    """The content of `disk.img`: data, zeros, data."""
    data = os.urandom(100_000) + bytes(5 * MIB) + os.urandom(70_000)
    (tmp_path / "disk.img").write_bytes(data)
    return data


def disk(tmp_path: Path, **config: Any) -> tuple[Path, RecordingContext]:
    path = tmp_path / "target"
    return path, RecordingContext(tmp_path, device(storage=FileStorage.make({"path": path, **config})))


async def test_flashes_a_path_and_says_how_much_and_how_fast(tmp_path: Path, content: bytes) -> None:
    path, context = disk(tmp_path)
    outputs = await Flash(image="disk.img").run(context)
    assert path.read_bytes() == content
    assert outputs.image == str(tmp_path / "disk.img")
    assert outputs.bytes == len(content)
    assert outputs.written == len(content) or outputs.written < 250_000  # as the file system made no hole, or did
    assert outputs.digest is None
    assert outputs.rate == pytest.approx(len(content) / outputs.seconds, rel=0.1)
    assert context.told.progress[-1] == (len(content), len(content), "B")


async def test_the_digest_of_a_packed_image_is_that_of_its_file(tmp_path: Path, content: bytes) -> None:
    path, context = disk(tmp_path)
    stored = lzma.compress(content)
    (tmp_path / "disk.img.xz").write_bytes(stored)
    outputs = await Flash(image="disk.img.xz").run(context)
    assert path.read_bytes() == content
    assert outputs.digest == f"sha256:{hashlib.sha256(stored).hexdigest()}"
    assert outputs.written < 250_000
    assert context.told.progress[-1] == (len(stored), len(stored), "B")


async def test_a_wrong_checksum_is_a_miss_whose_fault_the_config_is(tmp_path: Path, content: bytes) -> None:
    _, context = disk(tmp_path)
    right, wrong = (f"sha256:{hashlib.sha256(data).hexdigest()}" for data in (content, b""))
    assert (await Flash(image="disk.img", checksum=right).run(context)).digest == right
    with pytest.raises(ExpectationError, match=f"has the checksum {right}, not {wrong}") as error:
        await Flash(image="disk.img", checksum=wrong).run(context)
    assert error.value.blame == "config"


def test_a_checksum_has_an_algorithm_and_its_digits() -> None:
    for text in ("abc", "sha256:abc", "md5:d41d8cd98f00b204e9800998ecf8427e"):
        with pytest.raises(ValidationError, match="pattern"):
            Flash(image="x", checksum=text)


async def test_verify_reads_back_all_that_was_written(tmp_path: Path, content: bytes) -> None:
    for config in ({}, {"size": "8MiB"}):
        _, context = disk(tmp_path, **config)
        await Flash(image="disk.img", verify=True).run(context)
        assert context.told.progress[-1] == (len(content), len(content), "B")


class Forgetful(Driver[NoConfig], Flasher):
    """A card that says it is larger than it is: it forgets from byte `memory` on."""

    def __init__(self, path: Path, memory: int) -> None:
        super().__init__(NoConfig())
        self.path = path
        self.memory = memory

    async def flash(self, image: Image, target: str | None = None) -> Written:
        with self.path.open("wb") as file:
            return await write_image(image, Medium(file.fileno(), "card"))

    async def dump(self, target: str | None = None, length: int | None = None) -> AsyncIterator[bytes]:
        data = self.path.read_bytes()[:length]
        yield data[: self.memory]
        yield b"\xff" * len(data[self.memory :])


async def test_verify_names_the_place_that_differs(tmp_path: Path, content: bytes) -> None:
    context = RecordingContext(tmp_path, device(storage=Forgetful(tmp_path / "card", 4 * MIB + 5)))
    with pytest.raises(BenchError, match=rf"bytes {4 * MIB} to {len(content)} differ") as error:
        await Flash(image="disk.img", verify=True).run(context)
    assert error.value.blame == "device"
    await Flash(image="disk.img").run(context)


async def test_verify_looks_only_at_what_a_block_map_names(tmp_path: Path) -> None:
    (tmp_path / "disk.img").write_bytes(os.urandom(12288))
    (tmp_path / "disk.img.bmap").write_text(
        '<bmap version="2.0"><ImageSize>12288</ImageSize><BlockSize>4096</BlockSize><BlockMap><Range>1</Range></BlockMap></bmap>'
    )
    path, context = disk(tmp_path, size="12288B")
    path.write_bytes(b"\xaa" * 12288)
    outputs = await Flash(image="disk.img", verify=True).run(context)
    assert outputs.written == 4096
    assert path.read_bytes()[:4096] == path.read_bytes()[8192:] == b"\xaa" * 4096
    assert path.read_bytes()[4096:8192] == (tmp_path / "disk.img").read_bytes()[4096:8192]


class Muxed(Driver[NoConfig], StorageMuxFlasher):
    """A card behind a mux; remembers what was asked of it."""

    def __init__(self, *, fail: str | None = None) -> None:
        super().__init__(NoConfig())
        self.asked: list[str] = []
        self.fail = fail

    async def host(self) -> None:
        self.note("host")

    async def dut(self) -> None:
        self.note("dut")

    async def off(self) -> None:
        self.note("off")

    async def flash(self, image: Image, target: str | None = None) -> Written:
        self.note("flash")
        if self.fail == "hang":
            await anyio.sleep_forever()
        return Written(written=1, size=1)

    async def dump(self, target: str | None = None, length: int | None = None) -> AsyncIterator[bytes]:
        self.note("dump")
        yield b"x" * (length or 1)

    def note(self, name: str) -> None:
        self.asked.append(name)
        if name == self.fail:
            raise BenchError(f"{name} broke")


@pytest.mark.parametrize(
    ("fail", "asked"),
    [
        (None, ["host", "flash", "dut"]),
        ("flash", ["host", "flash", "dut"]),
        ("host", ["host", "dut"]),
        ("dut", ["host", "flash", "dut"]),
    ],
)
async def test_a_medium_behind_a_mux_goes_to_the_host_and_always_back(
    tmp_path: Path, content: bytes, fail: str | None, asked: list[str]
) -> None:
    mux = Muxed(fail=fail)
    context = RecordingContext(tmp_path, device(storage=mux))
    if fail:
        with pytest.raises(BenchError, match=f"{fail} broke"):
            await Flash(image="disk.img").run(context)
    else:
        await Flash(image="disk.img").run(context)
    assert mux.asked == asked


async def test_a_cancelled_flash_gives_the_medium_back(tmp_path: Path, content: bytes) -> None:
    mux = Muxed(fail="hang")
    with anyio.move_on_after(0.05):
        await Flash(image="disk.img").run(RecordingContext(tmp_path, device(storage=mux)))
    assert mux.asked == ["host", "flash", "dut"]


async def test_several_images_go_to_their_targets_one_after_the_other(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "root.img.xz").write_bytes(lzma.compress(b"root"))
    path, context = disk(tmp_path, targets={"main": tmp_path / "main", "root": tmp_path / "root"})
    images = {"main": "disk.img", "root": {"image": "root.img.xz", "compression": "xz"}}
    outputs = await Flash.model_validate({"images": images, "verify": True}).run(context)
    assert (tmp_path / "main").read_bytes() == content
    assert (tmp_path / "root").read_bytes() == b"root"
    assert not path.exists()
    assert outputs.image == f"{tmp_path}/disk.img, {tmp_path}/root.img.xz"
    assert outputs.bytes == len(content) + 4
    assert outputs.digest is None
    stored = hashlib.sha256((tmp_path / "root.img.xz").read_bytes()).hexdigest()
    assert outputs.digests == [None, f"sha256:{stored}"]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({}, "needs image, or images"),
        ({"image": "a", "images": {"root": "b"}}, "image and images exclude each other"),
        ({"images": {"root": "b"}, "target": "root"}, "target is said of each of images, not of all"),
        ({"images": {}}, "at least 1 item"),
    ],
)
def test_one_image_or_several_are_named(given: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        Flash.model_validate(given)
