"""Our client on Jumpstarter's own exporter: what a job does there is what it does here."""

from __future__ import annotations

from contextlib import aclosing

import anyio
import pytest

from flowrunner.errors import BenchError, PipelineError
from flowrunner.interfaces.console import Console
from flowrunner.interfaces.files import Files
from flowrunner.interfaces.power import Power, PowerReading
from flowrunner.interfaces.serial import SerialLines
from flowrunner.interfaces.shell import Shell, ShellOutput
from flowrunner.interfaces.storage import Extent, Flasher, Image, StorageMuxFlasher
from flowrunner.interfaces.video import Video
from flowrunner.remote.client.connect import connected
from flowrunner.remote.client.remote import LogLine
from tests.flowrunner.remote.peer.conftest import Theirs, part, used
from tests.support.machines import BytesImage, read_until

pytestmark = [pytest.mark.anyio, pytest.mark.peer]


@pytest.mark.parametrize("way", ["unix", "tcp"])
async def test_the_report_becomes_a_tree_of_our_interfaces(theirs: Theirs, way: str) -> None:
    async with connected(getattr(theirs.peer, way)) as remote:
        found = {path: [each.name for each in node.interfaces] for path, node in remote.device.walk()}
        assert not remote.ours
        assert remote.device.type == "composite"
    assert found["power"] == ["power"]
    assert found["loop"] == ["console", "serial"]
    assert found["card"] == ["storage", "storage", "flasher"]
    assert found["group.inner"] == found["again.inner"] == ["power"]
    assert found["odd"] == found["group"] == []


async def test_power_is_switched_and_measured_as_long_as_somebody_wants(theirs: Theirs) -> None:
    log: list[LogLine] = []
    async with used(theirs.peer.unix, log) as lease:
        power = part(lease, "power", Power)
        await power.on()
        await power.off()
        async with aclosing(power.read()) as readings:  # type: ignore[type-var]
            first = [await anext(readings) for _ in range(3)]
        assert first == [PowerReading(voltage=v, current=c) for v, c in ((0, 0), (5, 2), (0, 0))]
        with anyio.fail_after(5):
            while not any(line.message == "power off" for line in log):
                await anyio.sleep(0.01)
    assert not lease.guarded
    assert [line.source for line in log if line.message in ("power on", "power off")] == ["driver", "driver"]


async def test_a_proxy_is_the_same_part(theirs: Theirs) -> None:
    async with used(theirs.peer.unix) as lease:
        assert part(lease, "again.inner", Power) is part(lease, "group.inner", Power)


async def test_a_console_carries_bytes_both_ways(theirs: Theirs) -> None:
    async with used(theirs.peer.unix) as lease, part(lease, "loop", Console).connect() as stream:
        for text in (b"hello", bytes(range(256)) * 1000):
            await stream.send(text)
            await read_until(stream, text[-20:])


async def test_the_lines_of_a_port_are_set_and_reading_them_says_that_theirs_cannot(theirs: Theirs) -> None:
    async with used(theirs.peer.unix) as lease:
        lines = part(lease, "loop", SerialLines)
        await lines.set_dtr(True)
        with pytest.raises(BenchError, match="cannot tell the lines") as raised:
            await lines.lines()
    assert raised.value.blame == "config"


async def test_a_shell_gives_output_and_status(theirs: Theirs) -> None:
    async with used(theirs.peer.unix) as lease:
        shell = part(lease, "shell", Shell)
        assert await shell.get_methods() == ["greet"]
        pieces = [piece async for piece in shell.call_method("greet", ["world"], {"WHO": "me"})]
        with pytest.raises(BenchError, match="'nope' not found") as raised:
            [piece async for piece in shell.call_method("nope")]
    whole = ShellOutput(
        stdout=b"".join(p.stdout for p in pieces), stderr=b"".join(p.stderr for p in pieces), status=pieces[-1].status
    )
    assert whole == ShellOutput(stdout=b"hello world me\n", stderr=b"careful\n", status=3)
    assert (raised.value.blame, raised.value.driver, raised.value.call) == ("config", "dut.shell", "call_method")


class Gaps(Image):
    """An image with a hole, zeros, and more size than content."""

    name = "gaps.img"
    size = 400_000

    async def extents(self):  # type: ignore[no-untyped-def]
        yield Extent(0, 5, b"start")
        yield Extent(100_000, 7, b"behind!")
        yield Extent(100_007, 100_000, None)
        yield Extent(300_000, 3, b"end")


async def test_an_image_with_gaps_goes_as_a_plain_stream(theirs: Theirs) -> None:
    plain = bytearray(400_000)
    plain[0:5], plain[100_000:100_007], plain[300_000:300_003] = b"start", b"behind!", b"end"
    async with used(theirs.peer.unix) as lease:
        flasher = part(lease, "flasher", Flasher)
        written = await flasher.flash(Gaps(), "root")
        content = b"".join([piece async for piece in flasher.dump("root")])
    assert content == plain
    assert (written.written, written.size) == (400_000, 400_000)


async def test_a_dump_ends_where_it_is_told_to_and_its_failure_is_told(theirs: Theirs) -> None:
    data = bytes(range(256)) * 16384
    async with used(theirs.peer.unix) as lease:
        flasher = part(lease, "flasher", Flasher)
        await flasher.flash(BytesImage(data, size_known=False))
        assert b"".join([piece async for piece in flasher.dump(length=100_001)]) == data[:100_001]
        with anyio.fail_after(10), pytest.raises(BenchError, match="No such file") as raised:
            [piece async for piece in flasher.dump("nope")]
    assert (raised.value.driver, raised.value.call) == ("dut.flasher", "dump")


async def test_an_image_that_cannot_be_read_is_no_image_there(theirs: Theirs) -> None:
    class Torn(BytesImage):
        async def extents(self):  # type: ignore[no-untyped-def]
            yield Extent(0, 5, b"start")
            raise BenchError("the download broke", blame="infra")

    async with used(theirs.peer.unix) as lease:
        with anyio.fail_after(10), pytest.raises(BenchError, match="the download broke") as raised:
            await part(lease, "flasher", Flasher).flash(Torn(b""), "torn")
    assert raised.value.blame == "infra"


async def test_a_card_behind_a_mux_is_switched_written_and_read(theirs: Theirs) -> None:
    data = bytes(range(256)) * 4096
    async with used(theirs.peer.unix) as lease:
        card = part(lease, "card", StorageMuxFlasher)
        await card.host()
        await card.flash(BytesImage(data))
        assert b"".join([piece async for piece in card.dump()]) == data
        await card.dut()
        with pytest.raises(BenchError, match="no target 'boot'"):
            await card.flash(BytesImage(data), "boot")


async def test_files_are_written_read_listed_and_deleted(theirs: Theirs) -> None:
    data = bytes(range(256)) * 8192
    async with used(theirs.peer.unix) as lease:
        files = part(lease, "files", Files)
        assert await files.write_bytes("a/b/c.bin", data) == len(data)
        assert (theirs.files / "a/b/c.bin").read_bytes() == data
        assert await files.read_bytes("a/b/c.bin") == data
        assert b"".join([piece async for piece in files.read("a/b/c.bin", 300, 10)]) == data[300:310]
        assert [(e.path, e.directory) for e in await files.list("a")] == [("a/b", True)]
        assert sorted([e.path async for e in files.scan()]) == ["a", "a/b", "a/b/c.bin"]
        assert (await files.stat("a/b/c.bin")).size == len(data)
        await files.copy("a/b/c.bin", "copy.bin")
        await files.rename("copy.bin", "moved.bin")
        assert [await files.exists(path) for path in ("moved.bin", "copy.bin", "a")] == [True, False, True]
        assert await files.hash("moved.bin") == await files.hash("a/b/c.bin")
        await files.mkdir("empty")
        await files.remove_all("a")
        await files.delete("moved.bin")
        assert [e.path for e in await files.list()] == ["empty"]
        assert (await files.capability())["rename"] is True


async def test_a_file_that_is_not_there_is_told_as_by_our_own_store(theirs: Theirs) -> None:
    async with used(theirs.peer.unix) as lease:
        files = part(lease, "files", Files)
        for asking in (files.stat, files.read_bytes, files.hash):
            with anyio.fail_after(10), pytest.raises(BenchError, match=r"^there is no file 'nope'$") as raised:
                await asking("nope")
            assert raised.value.blame == "config"


async def test_a_picture_comes_whole(theirs: Theirs) -> None:
    async with used(theirs.peer.unix) as lease:
        assert await part(lease, "camera", Video).snapshot() == bytes(range(256))


async def test_a_part_of_an_unknown_class_is_named_when_a_step_wants_something_of_it(theirs: Theirs) -> None:
    async with used(theirs.peer.unix) as lease:
        with pytest.raises(PipelineError) as raised:
            lease.device.find(Power, path="odd")
    assert raised.value.help
    assert "acme.relays.RelayClient" in raised.value.help


@pytest.mark.parametrize(
    ("which", "blame", "words"),
    [
        ("missing", "config", "jumpstarter_driver_power.client.PowerClient cannot on"),
        ("argument", "config", "the relay is stuck"),
        (
            "late",
            "device",
            "jumpstarter_driver_power.client.PowerClient did not answer 'on' in time: the relay is stuck",
        ),
        ("gone", "device", "the relay is stuck"),
        ("system", "device", "the relay is stuck"),
        ("other", "device", "the relay is stuck"),
    ],
)
async def test_what_a_driver_there_raises_is_told_as_if_it_were_here(
    theirs: Theirs, which: str, blame: str, words: str
) -> None:
    async with used(theirs.peer.unix) as lease:
        power = part(lease, f"broken.{which}", Power)
        with pytest.raises(BenchError) as raised:
            await power.on()
        with pytest.raises(BenchError) as reading:
            [each async for each in power.read()]
        assert not lease.lost.is_set()
    assert (raised.value.what, raised.value.blame) == (words, blame)
    assert (raised.value.driver, raised.value.call) == (f"dut.broken.{which}", "on")
    assert reading.value.blame == blame
