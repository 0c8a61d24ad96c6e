"""A screen behind TigerVNC, with real programs on it."""

import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest

from flowrunner.errors import BenchError
from flowrunner_drivers._rfb import screen as rfb
from flowrunner_drivers._rfb.login import answer
from flowrunner_drivers._rfb.session import Session
from flowrunner_drivers._rfb.wire import Wire
from flowrunner_drivers.network.tcp import TcpNetwork
from flowrunner_drivers.video.vnc import VncScreen
from tests.support.machines import picture
from tests.support.vnc import Desktop, desktop

pytestmark = [pytest.mark.anyio, pytest.mark.machine]


def screen(port: int, **config: Any) -> VncScreen:
    made = VncScreen.make(config, {"tcp": TcpNetwork.make({"host": "127.0.0.1", "port": port})})
    assert isinstance(made, VncScreen)
    return made


async def until(found: Callable[[], bool], within: float = 20.0) -> None:
    with anyio.fail_after(within):
        while not found():
            await anyio.sleep(0.02)


@asynccontextmanager
async def terminal(on: Desktop) -> AsyncIterator[Path]:
    """A terminal in the corner of the screen; gives the file with what was typed into it."""
    typed = on.folder / "typed"
    command = (
        "xterm",
        "-geometry",
        "60x20+0+0",
        "-fa",
        "",
        "-e",
        "sh",
        "-c",
        f"echo > {typed}; cat >> {typed}; echo ended >> {typed}; sleep 60",
    )
    async with on.program(*command):
        await until(typed.exists)
        yield typed


async def test_shows_what_is_on_the_screen(tmp_path: Path) -> None:
    async with desktop(tmp_path) as on:
        vnc = screen(on.port)
        assert await vnc.size() == (640, 480)
        empty = picture(await vnc.snapshot())
        assert empty.size == (640, 480)
        async with on.program("xsetroot", "-solid", "#20c040") as program:
            await program.wait()
        full = picture(await vnc.snapshot()).convert("RGB")
        assert {full.getpixel((x, y)) for x in (0, 320, 639) for y in (0, 479)} == {(0x20, 0xC0, 0x40)}


async def test_what_is_typed_arrives_with_capitals_and_signs(tmp_path: Path) -> None:
    said = 'Hello, World! ~|{}[]<>?/_-+= "it\'s" 100% A@b.c ü\n'
    async with desktop(tmp_path) as on, terminal(on) as typed:
        vnc = screen(on.port)
        await vnc.click(50, 50)
        await vnc.type(said, pace=0.002)
        await until(lambda: typed.read_text(encoding="latin-1").endswith("c \xfc\n") or "c ü" in typed.read_text())
        assert said.partition(" ü")[0] in typed.read_text(errors="replace")


async def test_chords_and_named_keys_arrive(tmp_path: Path) -> None:
    async with desktop(tmp_path) as on, terminal(on) as typed:
        vnc = screen(on.port)
        await vnc.click(50, 50)
        await vnc.press(["y", "shift-a", "B", "space", "minus", "enter", "ctrl-d"])
        await until(lambda: typed.read_text() == "\nyAB -\nended\n")


async def test_clicks_drags_and_wheels_arrive_where_they_were_aimed(tmp_path: Path) -> None:
    async with desktop(tmp_path) as on, on.program("xev", "-event", "button", "-geometry", "400x300+0+0"):
        log = tmp_path / "program.log"
        vnc = screen(on.port)

        async def aimed(at: str, button: int, times: int) -> None:
            def seen() -> bool:
                found = log.read_text().split("Button")[1:]
                return (
                    len([f for f in found if f.startswith("Press") and at in f and f"button {button}," in f]) == times
                )

            await until(seen)

        with anyio.fail_after(20):
            while "Button" not in log.read_text():
                await vnc.click(200, 200, "middle")
        await vnc.click(50, 60, count=2)
        await aimed("root:(50,60)", 1, 2)
        await vnc.click(70, 80, "right")
        await aimed("root:(70,80)", 3, 1)
        await vnc.scroll(90, 100, 3)
        await aimed("root:(90,100)", 5, 3)
        await vnc.scroll(91, 101, -1)
        await aimed("root:(91,101)", 4, 1)
        await vnc.drag(10, 20, 110, 120)
        await until(lambda: "root:(110,120)" in log.read_text())
        await aimed("root:(10,20)", 1, 1)


async def test_a_place_off_the_screen_and_a_key_that_does_not_exist_are_refused(tmp_path: Path) -> None:
    async with desktop(tmp_path) as on:
        vnc = screen(on.port)
        with pytest.raises(BenchError, match="640,10 is not on the screen, which has 640x480 pixels"):
            await vnc.move(640, 10)
        with pytest.raises(BenchError, match="there is no key 'ctrl-entr'") as caught:
            await vnc.press(["a", "ctrl-entr"])
        assert caught.value.help == "did you mean 'enter'?"


async def test_a_password_opens_the_screen_and_a_viewer_behind_us_needs_none(tmp_path: Path) -> None:
    async with desktop(tmp_path, password="s3cret!!") as on:
        vnc = screen(on.port, password="s3cret!!")
        assert picture(await vnc.snapshot()).size == (640, 480)
        async with vnc.connect() as stream:
            session = Session(Wire(stream))
            await session.begin(None)
            assert session.size == (640, 480)
            assert picture(await session.picture()).size == (640, 480)


@pytest.mark.parametrize(
    ("password", "why"),
    [(None, "the VNC server wants a password"), ("wrong", "the VNC server refused us: Auth.* fail")],
)
async def test_without_the_right_password_it_says_so(tmp_path: Path, password: str | None, why: str) -> None:
    async with desktop(tmp_path, password="s3cret!!") as on:
        with pytest.raises(BenchError, match=why) as caught:
            await screen(on.port, password=password).snapshot()
        assert caught.value.blame == "config"
        assert "s3cret" not in str(caught.value)


async def test_a_server_with_other_logins_only_is_told_by_their_names(tmp_path: Path) -> None:
    async with desktop(tmp_path, "-SecurityTypes", "TLSNone,VeNCrypt") as on:
        with pytest.raises(BenchError, match="offers no login that is known here: VeNCrypt"):
            await screen(on.port).snapshot()


async def test_the_screen_may_change_its_size(tmp_path: Path) -> None:
    async with desktop(tmp_path, "-AcceptSetDesktopSize=1") as on:
        vnc = screen(on.port)
        async with on.program("xrandr", "-s", "800x600") as program:
            await program.wait()
        assert picture(await vnc.snapshot()).size == (800, 600)


async def test_a_server_that_is_not_there_names_where_it_should_be() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        with pytest.raises(BenchError, match=r"'127\.0\.0\.1:\d+' cannot be reached: Connection refused"):
            await screen(free.getsockname()[1]).snapshot()


@asynccontextmanager
async def saying(what: bytes, *, stay: bool = False) -> AsyncIterator[int]:
    """Somebody who says `what` to whoever connects, and hangs up, or says no more."""

    async def serve(stream: anyio.abc.SocketStream) -> None:
        async with stream:
            await stream.send(what)
            if stay:
                await anyio.sleep_forever()

    async with await anyio.create_tcp_listener(local_host="127.0.0.1") as listener, anyio.create_task_group() as tasks:
        tasks.start_soon(listener.serve, serve)
        yield listener.extra(anyio.abc.SocketAttribute.local_port)
        tasks.cancel_scope.cancel()


@pytest.mark.parametrize(
    ("said", "why"),
    [
        (b"SSH-2.0-OpenSSH_9.2\r\n", "that is no VNC server: it said b'SSH-2.0-Open'"),
        (b"RFB 003", "the VNC server hung up"),
        (b"RFB 003.008\n\0\0\0\0\x08too many", "the VNC server refused us: too many"),
        (b"RFB 003.003\n\0\0\0\1\xff\xff\xff\xff" + bytes(20), "has a screen of 65535x65535 pixels"),
    ],
)
async def test_what_is_no_good_server_is_told_in_a_sentence(said: bytes, why: str) -> None:
    async with saying(said, stay=len(said) > 30) as port:
        with pytest.raises(BenchError, match=why):
            await screen(port).snapshot()


async def test_a_server_that_says_nothing_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rfb, "LIMIT", 0.2)
    async with saying(b"RFB", stay=True) as port:
        with pytest.raises(BenchError, match="the VNC server did not answer within 200ms"):
            await screen(port).size()


async def test_it_needs_one_way_to_its_server() -> None:
    with pytest.raises(BenchError, match="needs one way to its VNC server, got 0"):
        VncScreen.make({})


def test_the_answer_to_a_challenge_is_that_of_vnc() -> None:
    challenge = bytes(range(16))
    assert answer(challenge, "password").hex() == answer(challenge, "password and more").hex()
    assert answer(challenge, "other").hex() != answer(challenge, "password").hex()
