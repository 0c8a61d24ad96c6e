"""Each contract from both ends at once: what a driver of ours does survives Jumpstarter's protocol."""

from __future__ import annotations

import os
import pty
import tty
from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path
from uuid import uuid4

import anyio
import pytest

from flowrunner.errors import BenchError
from flowrunner.interface import ByteStream
from flowrunner.interfaces.console import Console
from flowrunner.interfaces.files import Files
from flowrunner.interfaces.network import Network
from flowrunner.interfaces.power import Power
from flowrunner.interfaces.serial import SerialLines
from flowrunner.interfaces.shell import Shell
from flowrunner.interfaces.storage import Flasher, StorageMuxFlasher
from flowrunner.interfaces.video import Video
from tests.flowrunner.remote.jumpstarter.conftest import Join
from tests.support.far_ends import tcp_echo, udp_echo
from tests.support.machines import BytesImage, read_until

pytestmark = pytest.mark.anyio


async def test_a_board_offers_the_same_parts_and_interfaces(join: Join) -> None:
    async with join("export: {board: {type: machine.virtual}, again: {ref: board.power}}") as both:
        found = {path: {each.name for each in node.interfaces} for path, node in both.lease.device.walk()}
        assert both.part("again", Power) is both.part("board.power", Power)
    assert found == {
        "": set(), "board": set(), "board.power": {"power"}, "board.console": {"console", "serial"},
        "board.storage": {"flasher"}, "board.video": {"video"}, "board.files": {"files"}, "board.shell": {"shell"},
        "again": {"power"},
    }  # fmt: skip


async def test_a_failure_keeps_its_words_and_gets_the_path_of_the_role(join: Join) -> None:
    async with join("export: {p: {type: power.virtual, config: {faults: [{call: off, fail: it is stuck}]}}}") as both:
        power = both.part("p", Power)
        await power.on()
        async with aclosing(power.read()) as readings:  # type: ignore[type-var]
            assert (await anext(readings)).voltage == 5.0
        with pytest.raises(BenchError, match="it is stuck") as raised:
            await power.off()
    assert (raised.value.driver, raised.value.call, raised.value.blame) == ("dut.p", "off", "device")


async def test_what_a_supply_cannot_do_is_told_as_such(join: Join) -> None:
    async with join("export: {p: {type: power.command, config: {on: 'true', off: 'true'}}}") as both:
        with pytest.raises(BenchError, match="cannot measure") as raised:
            await anext(both.part("p", Power).read())
    assert raised.value.blame == "config"


async def test_arguments_are_converted_where_they_nearly_fit_and_refused_where_not(join: Join) -> None:
    async with join("export: {p: {type: power.virtual}, f: {type: machine.virtual}}") as both:
        await both.peer("p").call("off", True)  # as the client of a virtual supply does
        for wrong in (("off", "perhaps"), ("off", True, 1), ("on", 1)):
            with pytest.raises(BenchError, match=r"cannot be called with this|takes other arguments") as raised:
                await both.peer("p").call(*wrong)
            assert raised.value.blame == "config"
        with pytest.raises(BenchError, match="cannot cross the wire"):
            await both.peer("p").call("off", float("nan"))


async def test_a_console_ends_when_somebody_closes_the_port(join: Join) -> None:
    async with join("export: {c: {type: console.process, config: {command: [cat]}}}") as both:
        console = both.part("c", Console)
        async with console.connect() as stream:
            await stream.send(b"hello\n")
            await read_until(stream, b"hello")
            await both.peer("c").call("close")
            with anyio.fail_after(5):
                await ended(stream)
        async with console.connect() as stream:
            await stream.send(b"again\n")
            await read_until(stream, b"again")


async def ended(stream: ByteStream) -> None:
    """Read until its end."""
    with pytest.raises(anyio.EndOfStream):
        while True:
            await stream.receive()


async def test_the_lines_of_a_port_reach_the_driver(join: Join) -> None:
    near, far = pty.openpty()
    tty.setraw(near)
    try:
        async with join(f"export: {{c: {{type: console.serial, config: {{url: {os.ttyname(far)}}}}}}}") as both:
            lines = both.part("c", SerialLines)
            for attempt, why in (
                (lines.set_dtr(False), "has no DTR line"), (lines.set_rts(True), "has no RTS line"),
                (lines.lines(), "cannot tell the lines"), (lines.send_break(), "cannot send a break"),
                (lines.set_baudrate(9600), "cannot set the speed"),
            ):  # fmt: skip
                with pytest.raises(BenchError, match=why):
                    await attempt
            assert "lines" in both.lease.device.at("c").interfaces[1].calls()
    finally:
        os.close(near)
        os.close(far)


@pytest.mark.parametrize("size_known", [True, False])
async def test_an_image_is_flashed_and_dumped(join: Join, tmp_path: Path, size_known: bool) -> None:
    content = b"begin" + bytes(1 << 20) + os.urandom(100_001)
    async with join(f"export: {{d: {{type: storage.file, config: {{path: {tmp_path}/disk, size: 2MiB}}}}}}") as both:
        flasher = both.part("d", Flasher)
        written = await flasher.flash(BytesImage(content, size_known=size_known))
        assert written.size == len(content)
        assert b"".join([piece async for piece in flasher.dump(length=len(content))]) == content
        with pytest.raises(BenchError, match="2MiB"):
            await flasher.flash(BytesImage(bytes(3 << 20)))
        with anyio.fail_after(10), pytest.raises(BenchError, match="no target 'nope'"):
            [piece async for piece in flasher.dump("nope")]


async def test_a_card_is_written_only_while_it_is_at_the_host(join: Join) -> None:
    content = os.urandom(1 << 20)
    async with join("export: {c: {type: storage.virtual, config: {size: 4MiB}}}") as both:
        card = both.part("c", StorageMuxFlasher)
        with pytest.raises(BenchError, match="connected to the target"):
            await card.flash(BytesImage(content))
        await card.host()
        await card.flash(BytesImage(content))
        assert b"".join([piece async for piece in card.dump(length=len(content))]) == content
        await card.off()
        with anyio.fail_after(10), pytest.raises(BenchError, match="nowhere"):
            [piece async for piece in card.dump()]


async def test_files_do_what_they_do_here(join: Join, tmp_path: Path) -> None:
    content = os.urandom(1_000_000)
    root = tmp_path / "root"
    root.mkdir()
    async with join(
        f"export: {{f: {{type: files.opendal, config: {{scheme: fs, kwargs: {{root: {root}}}}}}}}}"
    ) as both:
        files = both.part("f", Files)
        assert await files.write_bytes("a/b.bin", content) == len(content)
        assert (root / "a/b.bin").read_bytes() == content
        assert await files.read_bytes("/a/b.bin") == content
        assert b"".join([piece async for piece in files.read("a/b.bin", 5, 100)]) == content[5:105]
        await files.mkdir("a/c")
        assert [(e.path, e.directory) for e in await files.list("a")] == [("a/b.bin", False), ("a/c", True)]
        assert sorted([e.path async for e in files.scan()]) == ["a", "a/b.bin", "a/c"]
        await files.copy("a/b.bin", "copy")
        await files.rename("copy", "moved")
        assert [await files.exists(path) for path in ("a", "a/c", "copy", "moved")] == [True, True, False, True]
        assert await files.hash("moved", "md5") == await files.hash("a/b.bin", "md5")
        assert set(await files.created()) >= {"moved", "a/b.bin"}
        await files.remove_all("a")
        assert [e.path for e in await files.list()] == ["moved"]
        assert (await files.capability())["presign_read"] is False
        for asking in (files.stat, files.read_bytes, files.hash):
            with anyio.fail_after(10), pytest.raises(BenchError, match=r"no file 'nope'"):
                await asking("nope")


async def test_a_file_that_breaks_off_leaves_the_old_one(join: Join, tmp_path: Path) -> None:
    (tmp_path / "kept").write_bytes(b"old")

    async def torn() -> AsyncIterator[bytes]:
        yield b"new"
        raise BenchError("the source broke", blame="infra")

    async with join(
        f"export: {{f: {{type: files.opendal, config: {{scheme: fs, kwargs: {{root: {tmp_path}}}}}}}}}"
    ) as both:
        with anyio.fail_after(10), pytest.raises(BenchError, match="the source broke"):
            await both.part("f", Files).write("kept", torn())
        fd = await both.peer("f").call("open", "empty", "wb")
        await both.peer("f").call("file_close", fd)
        with pytest.raises(BenchError, match="was closed"):
            await both.peer("f").call("file_write", fd, {"kind": "client_stream", "uuid": str(uuid4())})
    assert (tmp_path / "kept").read_bytes() == b"old"
    assert (tmp_path / "empty").read_bytes() == b""


async def test_connections_are_connections(join: Join) -> None:
    async with tcp_echo() as where, udp_echo() as there:
        text = f"""
            export:
              tcp: {{type: network.tcp, config: {{host: 127.0.0.1, port: {where["port"]}}}}}
              udp: {{type: network.udp, config: {{host: 127.0.0.1, port: {there["port"]}}}}}
              nobody: {{type: network.tcp, config: {{host: 127.0.0.1, port: 1}}}}
              secret: {{type: network.tcp, config: {{host: 127.0.0.1, port: 1, enable_address: false}}}}
            """
        async with join(text) as both:
            assert await both.part("tcp", Network).request(b"x" * 1_000_000) == b"x" * 1_000_000
            async with both.part("udp", Network).connect() as stream:
                for size in (1, 2, 3):
                    await stream.send(b"x" * size)
                assert [len(await stream.receive()) for _ in range(3)] == [1, 2, 3]
            with pytest.raises(BenchError, match="Connection refused") as raised:
                await both.part("nobody", Network).check()
            with pytest.raises(BenchError, match="is not told") as hidden:
                await both.part("secret", Network).address()
    assert (raised.value.blame, hidden.value.blame) == ("infra", "config")


async def test_a_shell_gives_text_and_its_status(join: Join) -> None:
    methods = r"""{say: 'printf "h\303\244\377 $1 $WHO"; echo no >&2; exit 3'}"""
    async with join(f"export: {{s: {{type: shell.command, config: {{methods: {methods}}}}}}}") as both:
        shell = both.part("s", Shell)
        assert await shell.get_methods() == ["say"]
        pieces = [piece async for piece in shell.call_method("say", ["x"], {"WHO": "me"})]
        with pytest.raises(BenchError, match="nope"):
            [piece async for piece in shell.call_method("nope")]
    assert b"".join(piece.stdout for piece in pieces) == "hä\N{REPLACEMENT CHARACTER} x me".encode()
    assert (b"".join(piece.stderr for piece in pieces), pieces[-1].status) == (b"no\n", 3)


async def test_a_method_that_nobody_waits_for_any_more_is_ended(join: Join, tmp_path: Path) -> None:
    async with join(
        f"export: {{s: {{type: shell.command, config: {{methods: {{sleep: 'echo; trap \"touch {tmp_path}/ended\" TERM; sleep 60 & wait'}}}}}}}}"
    ) as both:
        with anyio.move_on_after(30) as scope:
            async for _ in both.part("s", Shell).call_method("sleep"):
                scope.cancel()
        with anyio.fail_after(10):
            while not (tmp_path / "ended").exists():
                await anyio.sleep(0.01)


async def test_a_picture_comes_whole(join: Join) -> None:
    async with join("export: {board: {type: machine.virtual, config: {boot_time: 0}}}") as both:
        await both.part("board.power", Power).on()
        assert (await both.part("board.video", Video).snapshot()).startswith(b"\x89PNG")
