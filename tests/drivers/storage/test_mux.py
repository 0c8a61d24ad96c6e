"""A mux whose medium is a real block device that comes and goes."""

import os
import shlex
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import anyio
import pytest

from flowrunner.errors import BenchError
from flowrunner.image import open_image
from flowrunner.image.connected import connected
from flowrunner.interface import Direct
from flowrunner.interfaces.storage import Extent, Image, StorageMuxFlasher
from flowrunner_drivers.storage.mux import MuxStorage
from tests.support.bench import execute
from tests.support.loops import empty_loop, needs_root
from tests.support.machines import BytesImage

pytestmark = pytest.mark.anyio

MIB = 1 << 20


@dataclass
class Card:
    """A card of 4 MiB: while it is at the host it is a loop device; `log` says where it was, in order."""

    folder: Path
    device: Path

    @property
    def config(self) -> dict[str, object]:
        """The config of its driver."""
        return {
            "path": self.device, "host": self.at("host", f"losetup {self.device} {self.file}"), "leeway": 0,
            "dut": self.at("dut", self.away), "off": self.at("off", self.away), "timeout": 10,
        }  # fmt: skip

    @property
    def file(self) -> Path:
        """What is on it."""
        return self.folder / "card"

    @property
    def away(self) -> str:
        """Take it from the host, wherever it is."""
        return f"losetup -d {self.device} 2>{self.folder}/away || true"

    def at(self, place: str, how: str) -> str:
        """The command that brings it somewhere."""
        return f"{how} && echo {place} >> {shlex.quote(str(self.folder / 'log'))}"

    @property
    def log(self) -> list[str]:
        """Where it was."""
        return (self.folder / "log").read_text().split()

    def attached(self) -> bool:
        """Whether the host has it."""
        return bool(subprocess.run(["losetup", "-j", self.file], capture_output=True, check=True).stdout)


@pytest.fixture
def card(tmp_path: Path) -> Iterator[Card]:
    (tmp_path / "card").write_bytes(b"\xaa" * 4 * MIB)
    with empty_loop() as device:
        yield Card(tmp_path, device)


def driver(card: Card, **config: object) -> tuple[MuxStorage, StorageMuxFlasher]:
    made = MuxStorage.make({**card.config, **config})
    assert isinstance(made, MuxStorage)
    return made, StorageMuxFlasher.client(Direct(made))


@needs_root
async def test_a_flash_goes_to_the_host_writes_and_goes_back(card: Card, tmp_path: Path) -> None:
    made, mux = driver(card)
    content = os.urandom(2 * MIB)
    (tmp_path / "image").write_bytes(content)
    async with made.opened():
        async with open_image("image", base=tmp_path) as image, connected(mux):
            await mux.flash(image)
        assert card.log == ["host", "dut"]
        assert card.file.read_bytes()[: 2 * MIB] == content
        async with connected(mux):
            assert b"".join([piece async for piece in mux.dump(length=2 * MIB)]) == content
    assert card.log == ["host", "dut", "host", "dut"]


@needs_root
async def test_a_medium_that_appears_late_is_awaited(card: Card) -> None:
    late = card.at("host", f"(sleep 0.5; losetup {card.device} {card.file}) >/dev/null 2>&1 &").replace("& &&", "&")
    made, mux = driver(card, host=late)
    async with made.opened(), connected(mux):
        assert (await mux.flash(BytesImage(b"late" * 1024))).size == 4096
    assert card.file.read_bytes()[:4] == b"late"


@needs_root
async def test_a_medium_that_does_not_appear_is_told_and_given_back(card: Card) -> None:
    made, mux = driver(card, host=card.at("host", "true"), timeout=0.2)
    with pytest.raises(BenchError, match=f"'{card.device}' did not appear within 200ms: No medium found") as error:
        async with made.opened(), connected(mux):
            await mux.flash(BytesImage(b"x"))
    assert error.value.blame == "device"
    assert card.log == ["host", "dut"]


@needs_root
async def test_an_image_that_is_larger_than_the_medium_is_told_and_the_medium_given_back(card: Card) -> None:
    made, mux = driver(card)
    for size_known in (True, False):
        with pytest.raises(BenchError, match=f"is larger than '{card.device}', which has 4MiB"):
            async with made.opened(), connected(mux):
                await mux.flash(BytesImage(os.urandom(5 * MIB), size_known=size_known))
        assert not card.attached()
    assert card.log == ["host", "dut"] * 2


@needs_root
async def test_a_medium_that_vanishes_while_it_is_written_is_told_and_given_back(card: Card) -> None:
    class Vanishing(BytesImage):
        async def extents(self) -> AsyncIterator[Extent]:
            yield Extent(0, MIB, os.urandom(MIB))
            os.truncate(card.file, 0)
            subprocess.run(["losetup", "-c", str(card.device)], check=True)
            yield Extent(MIB, MIB, os.urandom(MIB))

    made, mux = driver(card)
    with pytest.raises(BenchError, match=f"'{card.device}' (took no more|is gone or broken).* of data") as error:
        async with made.opened(), connected(mux):
            await mux.flash(Vanishing(bytes(2 * MIB)))
    assert error.value.blame == "device"
    assert card.log == ["host", "dut"]


class Endless(Image):
    """An image that stops coming."""

    name = "endless.img"
    size = 4 * MIB

    def __init__(self) -> None:
        self.stopped = anyio.Event()

    async def extents(self) -> AsyncIterator[Extent]:
        yield Extent(0, MIB, os.urandom(MIB))
        self.stopped.set()
        await anyio.sleep_forever()


async def cancelled(flashing: Callable[[Image], Awaitable[object]]) -> None:
    """Cancel a flash in the middle."""
    image = Endless()

    async def flash() -> None:
        await flashing(image)

    with anyio.fail_after(20):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(flash)
            await image.stopped.wait()
            tasks.cancel_scope.cancel()


@needs_root
async def test_a_flash_that_is_cancelled_gives_the_medium_back(card: Card) -> None:
    made, mux = driver(card)

    async def flash(image: Image) -> None:
        async with connected(mux):
            await mux.flash(image)

    async with made.opened():
        await cancelled(flash)
        assert card.log == ["host", "dut"]
        assert not card.attached()
        async with connected(mux):
            await mux.flash(BytesImage(b"again"))
    assert card.file.read_bytes()[:5] == b"again"


@needs_root
async def test_a_job_that_went_away_while_it_wrote_leaves_the_medium_at_the_target(card: Card) -> None:
    made, mux = driver(card)
    async with made.opened():
        await mux.host()
        await cancelled(mux.flash)
        assert card.attached()
    assert card.log == ["host", "dut"]
    assert not card.attached()


@needs_root
async def test_what_is_connected_to_the_host_by_hand_stays_there(card: Card) -> None:
    made, mux = driver(card)
    async with made.opened():
        await mux.host()
    assert card.log == ["host"]
    assert card.attached()


@needs_root
async def test_a_switch_to_the_host_that_fails_leaves_the_medium_at_the_target(card: Card) -> None:
    made, mux = driver(card, host=f"losetup {card.device} {card.file}; echo the hub is stuck >&2; exit 3")
    async with made.opened():
        with pytest.raises(BenchError, match="exited with 3") as error:
            await mux.host()
        assert error.value.said == "the hub is stuck"
        assert card.log == ["dut"]
        assert not card.attached()
        with pytest.raises(BenchError, match="is connected to the target, so it cannot be used by the host") as error:
            await mux.flash(BytesImage(b"x"))
        assert (error.value.blame, error.value.help) == ("config", "switch it before: storage: host")


async def test_the_first_failure_is_the_one_that_is_told(tmp_path: Path) -> None:
    made = MuxStorage.make({"path": tmp_path / "card", "host": "exit 3", "dut": "exit 4"})
    assert isinstance(made, MuxStorage)
    async with made.opened():
        with pytest.raises(BenchError, match="exited with 3") as error:
            await made.host()
        assert any("could not be given back" in note and "exited with 4" in note for note in error.value.__notes__)
        with pytest.raises(BenchError, match="was switched by nobody"):
            await made.flash(BytesImage(b"x"))
        with pytest.raises(BenchError, match="was switched by nobody"):
            async for _ in made.dump():
                pass


def plain(folder: Path, **more: str) -> str:
    """The export of a mux that only notes where its medium is, which is a file."""
    log = folder / "log"
    commands = {to: f"echo {to} >> {log}" for to in ("host", "dut", "off")} | more
    listed = ", ".join(f"'{name}': '{command}'" for name, command in commands.items())
    return f"{{card: {{type: storage.mux, config: {{path: {folder}/card, {listed}}}}}}}"


def test_a_pipeline_flashes_and_switches_and_its_safe_state_is_the_target(tmp_path: Path) -> None:
    (tmp_path / "a.img").write_bytes(b"x" * 5000)
    done = execute(
        tmp_path,
        "devices: {dut: {selector: board=any, safe_state: {storage: dut}}}\nsteps:\n"
        "  - flash: {image: a.img, verify: true}\n  - storage: 'off'\n  - storage: host\n",
        export=plain(tmp_path),
    )
    assert done.outcome == "passed"
    assert (tmp_path / "log").read_text().split() == ["host", "dut", "off", "host", "dut"]
    assert (tmp_path / "card").read_bytes() == b"x" * 5000


def test_a_flash_that_fails_gives_the_medium_back(tmp_path: Path) -> None:
    (tmp_path / "a.img").write_bytes(b"x" * 5000)
    wrong = f"sha256:{'0' * 64}"
    done = execute(
        tmp_path,
        f"devices: {{dut: board=any}}\nsteps:\n  - flash: {{image: a.img, checksum: '{wrong}'}}\n",
        export=plain(tmp_path),
    )
    assert done.outcome == "errored"
    assert (tmp_path / "log").read_text().split()[-1] == "dut"


def test_a_mux_that_cannot_connect_its_medium_to_neither_says_so(tmp_path: Path) -> None:
    done = execute(
        tmp_path, "devices: {dut: board=any}\nsteps:\n  - storage: 'off'\n",
        export=f"{{card: {{type: storage.mux, config: {{path: {tmp_path}/card, host: 'true', dut: 'true'}}}}}}",
    )  # fmt: skip
    assert "cannot connect its medium to neither: its config has no 'off'" in done.record("storage1")["message"]
