"""noVNC, served on this machine: its files, its secret, and a real screen in a real browser."""

from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import anyio
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from flowrunner.errors import BenchError, FlowrunnerError
from flowrunner.net.novnc import find_novnc, serve_novnc
from flowrunner_drivers.network.unix import UnixNetwork
from tests.drivers.video.test_vnc import screen
from tests.support.browser import CHROMIUM, page
from tests.support.far_ends import unix_echo
from tests.support.machines import BytesImage, boots, machine, read_until
from tests.support.vnc import KEYS, desktop

pytestmark = pytest.mark.anyio


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Something like noVNC's folder, with a secret beside it."""
    site = tmp_path / "site"
    (site / "app").mkdir(parents=True)
    (site / "vnc.html").write_text("<title>noVNC</title>")
    (site / "app/ui.js").write_text("export default 1;")
    (tmp_path / "secret").write_text("secret")
    monkeypatch.setenv("FLOW_NOVNC", str(site))
    return site


async def fetched(url: str, path: str) -> tuple[int, dict[str, str], bytes]:
    """A file as a browser asks for it: the path is sent as it is."""
    parts = urlsplit(url)
    async with await anyio.connect_tcp(parts.hostname or "", parts.port or 0) as stream:
        await stream.send(f"GET {path} HTTP/1.1\r\nHost: {parts.netloc}\r\nConnection: close\r\n\r\n".encode())
        data = b"".join([piece async for piece in stream])
    head, _, body = data.partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    return int(first.split()[1]), {k.lower(): v for k, _, v in (line.partition(": ") for line in lines)}, body


def echo(folder: Path) -> Any:
    return UnixNetwork.make({"path": str(folder / "s")})


async def test_serves_its_files_to_who_knows_the_url(folder: Path) -> None:
    async with serve_novnc(echo(folder).connect) as url:
        parts = urlsplit(url)
        assert parts.hostname == "127.0.0.1"
        root = parts.path.removesuffix("vnc.html")
        status, headers, body = await fetched(url, parts.path)
        assert (status, body) == (200, b"<title>noVNC</title>")
        assert headers["content-type"].startswith("text/html")
        assert headers["referrer-policy"] == "no-referrer"
        status, headers, body = await fetched(url, f"{root}app/ui.js")
        assert (status, body, "javascript" in headers["content-type"]) == (200, b"export default 1;", True)


async def test_tells_nothing_to_who_does_not_know_it_and_nothing_beside_its_folder(folder: Path) -> None:
    async with serve_novnc(echo(folder).connect) as url:
        root = urlsplit(url).path.removesuffix("vnc.html")
        wrong = f"/{'x' * (len(root) - 2)}/"
        for path in (
            "/",
            "/vnc.html",
            f"{wrong}vnc.html",
            f"{root}../secret",
            f"{root}%2e%2e/secret",
            f"{root}app",
            root,
        ):
            status, _, body = await fetched(url, path)
            assert status == 404, path
            assert b"secret" not in body or b"has no" in body
        port = urlsplit(url).port
        for path in ("/websockify", f"{wrong}websockify"):
            with pytest.raises(InvalidStatus, match="404"):
                async with connect(f"ws://127.0.0.1:{port}{path}"):
                    pass


async def test_its_socket_carries_bytes_both_ways(folder: Path, tmp_path: Path) -> None:
    async with unix_echo(tmp_path / "s"), serve_novnc(echo(tmp_path).connect) as url:
        address = url.replace("http:", "ws:").partition("vnc.html")[0] + "websockify"
        async with connect(address) as one, connect(address) as other:
            await one.send(b"RFB 003.008\n")
            await other.send(b"x" * 100_000)
            assert await one.recv() == b"RFB 003.008\n"
            got = b""
            while len(got) < 100_000:
                got += bytes(await other.recv(decode=False))


async def test_a_far_end_that_is_not_there_is_told_and_the_page_stays(folder: Path, tmp_path: Path) -> None:
    told: list[FlowrunnerError] = []
    async with serve_novnc(echo(tmp_path).connect, on_error=told.append) as url:
        address = url.replace("http:", "ws:").partition("vnc.html")[0] + "websockify"
        async with connect(address) as one:
            await one.wait_closed()
        assert "cannot be reached" in told[0].what
        assert (await fetched(url, urlsplit(url).path))[0] == 200


async def test_a_novnc_that_is_missing_says_where_it_comes_from(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("FLOW_NOVNC", str(tmp_path))
    with pytest.raises(BenchError, match=r"noVNC is not in '.*', which FLOW_NOVNC names"):
        find_novnc()
    monkeypatch.delenv("FLOW_NOVNC")
    monkeypatch.setattr("flowrunner.net.novnc.PLACES", ())
    with pytest.raises(BenchError, match="noVNC is not installed") as caught:
        find_novnc()
    assert "apt-get install novnc" in (caught.value.help or "")


CONNECTED = "!!document.documentElement?.classList.contains('noVNC_connected') && !!document.querySelector('canvas')"
LIT = """(() => { const c = document.querySelector('#noVNC_container canvas');
  const d = c.getContext('2d').getImageData(0, 0, c.width, c.height).data; let n = 0;
  for (let i = 0; i < d.length; i += 4) n += d[i] + d[i + 1] + d[i + 2] > 300; return [c.width, c.height, n]; })()"""


@pytest.mark.browser
@pytest.mark.skipif(CHROMIUM is None, reason="needs chromium (apt-get install chromium)")
async def test_a_browser_shows_the_screen_of_a_machine_and_its_keys_reach_that(tmp_path: Path) -> None:
    qemu = machine()
    async with qemu.opened(), qemu.children["console"].connect() as console:  # type: ignore[attr-defined]
        await qemu.children["flasher"].flash(BytesImage(boots(KEYS)))  # type: ignore[attr-defined]
        await qemu.children["power"].on()  # type: ignore[attr-defined]
        await read_until(console, b"!")
        async with serve_novnc(qemu.children["vnc"].connect) as url, page(url, tmp_path) as shown:  # type: ignore[attr-defined]
            await shown.until(CONNECTED)
            await shown.until(f"{LIT}[2] > 100")
            assert (await shown.value(LIT))[:2] == [720, 400]
            await shown.press("k", "KeyK")
            assert await read_until(console, b"k") == b"k"


@pytest.mark.browser
@pytest.mark.skipif(CHROMIUM is None, reason="needs chromium (apt-get install chromium)")
async def test_a_browser_needs_no_password_for_a_server_that_wants_one(tmp_path: Path) -> None:
    async with desktop(tmp_path, password="s3cret!!") as on, on.program("xsetroot", "-solid", "white") as program:
        await program.wait()
        vnc = screen(on.port, password="s3cret!!")
        async with serve_novnc(vnc.connect) as url, page(url, tmp_path) as shown:
            await shown.until(CONNECTED)
            await shown.until(f"{LIT}[2] > 300000")
