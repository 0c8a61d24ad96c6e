import gzip
import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import anyio
import pytest
from aiohttp import web

from flowrunner.errors import BenchError, ExpectationError
from flowrunner.model import Duration, Size
from flowrunner_drivers.network.tcp import TcpNetwork
from flowrunner_steps.http import Http
from tests.support.context import RecordingContext
from tests.support.devices import device

pytestmark = pytest.mark.anyio


@dataclass
class Site:
    """A web server, and what it was asked."""

    port: int = 0
    asked: list[tuple[str, str, dict[str, str], bytes]] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


@asynccontextmanager
async def site() -> AsyncIterator[Site]:
    """Serve some paths."""
    found = Site()

    async def answer(request: web.Request) -> web.StreamResponse:
        found.asked.append((request.method, request.path_qs, dict(request.headers), await request.read()))
        match request.path:
            case "/json":
                return web.json_response({"state": "up", "count": 3})
            case "/lies":
                return web.Response(text="{", content_type="application/json")
            case "/teapot":
                return web.Response(status=418, text="short and stout")
            case "/moved":
                raise web.HTTPFound("/json")
            case "/packed":
                return web.Response(body=gzip.compress(b"x" * 100_000), headers={"Content-Encoding": "gzip"})
            case "/hangs":
                await anyio.sleep_forever()
            case "/breaks":
                response = web.StreamResponse(headers={"Content-Length": "1000"})
                await response.prepare(request)
                await response.write(b"half")
                assert request.transport
                request.transport.close()
                return response
        return web.Response(text=f"you asked for {request.path}")

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    try:
        place = web.TCPSite(runner, "127.0.0.1", 0)
        await place.start()
        found.port = runner.addresses[0][1]
        yield found
    finally:
        await runner.cleanup()


async def test_gives_status_headers_and_body(tmp_path: Path) -> None:
    async with site() as server:
        outputs = await Http(url=f"{server.url}/json?a=1").run(RecordingContext(tmp_path))
    assert (outputs.status, outputs.parsed) == (200, {"state": "up", "count": 3})
    assert json.loads(outputs.body) == outputs.parsed
    assert outputs.headers["content-type"].startswith("application/json")
    assert outputs.bytes == len(outputs.body)
    assert server.asked[0][:2] == ("GET", "/json?a=1")


async def test_sends_headers_and_json(tmp_path: Path) -> None:
    async with site() as server:
        step = Http(url=server.url, method="POST", headers={"Authorization": "Bearer x"}, body={"user": "ci"})
        await step.run(RecordingContext(tmp_path))
    method, _, headers, body = server.asked[0]
    assert (method, json.loads(body), headers["Authorization"]) == ("POST", {"user": "ci"}, "Bearer x")
    assert headers["Content-Type"] == "application/json"


async def test_sends_text_and_files_as_they_are(tmp_path: Path) -> None:
    (tmp_path / "config.bin").write_bytes(bytes(range(256)) * 4000)
    async with site() as server:
        await Http(url=server.url, method="PUT", body="plain ä").run(RecordingContext(tmp_path))
        await Http(url=server.url, method="PUT", file="config.bin").run(RecordingContext(tmp_path))
    assert [asked[3] for asked in server.asked] == ["plain ä".encode(), bytes(range(256)) * 4000]


async def test_saves_the_body_unpacked_as_an_artifact(tmp_path: Path) -> None:
    context = RecordingContext(tmp_path)
    async with site() as server:
        outputs = await Http(url=f"{server.url}/packed", save="log.txt").run(context)
    assert (outputs.body, outputs.file, outputs.bytes) == ("", "log.txt", 100_000)
    assert context.told.artifacts[0].read_bytes() == b"x" * 100_000
    assert outputs.digest.startswith("sha256:")


@pytest.mark.parametrize(
    ("path", "expected", "passes"),
    [("/teapot", None, False), ("/teapot", 418, True), ("/teapot", [200, 418], True), ("/", 204, False)],
)
async def test_the_status_decides(tmp_path: Path, path: str, expected: int | list[int] | None, passes: bool) -> None:
    async with site() as server:
        step = Http(url=server.url + path, expect_status=expected)
        if passes:
            await step.run(RecordingContext(tmp_path))
        else:
            with pytest.raises(ExpectationError, match=r"answered (418|200, expected 204)") as caught:
                await step.run(RecordingContext(tmp_path))
            assert caught.value.said in ("short and stout", "you asked for /")


async def test_follows_redirects_unless_it_is_told_not_to(tmp_path: Path) -> None:
    async with site() as server:
        there = await Http(url=f"{server.url}/moved").run(RecordingContext(tmp_path))
        here = await Http(url=f"{server.url}/moved", follow=False).run(RecordingContext(tmp_path))
    assert (there.status, there.url) == (200, f"{server.url}/json")
    assert (here.status, here.headers["location"]) == (302, "/json")


async def test_json_that_is_none_is_a_miss(tmp_path: Path) -> None:
    async with site() as server:
        with pytest.raises(ExpectationError, match="says that it is JSON, and is not"):
            await Http(url=f"{server.url}/lies").run(RecordingContext(tmp_path))


async def test_silence_is_a_miss_in_time(tmp_path: Path) -> None:
    async with site() as server:
        with pytest.raises(ExpectationError, match="did not answer within 200ms") as caught:
            await Http(url=f"{server.url}/hangs", within=Duration(0.2)).run(RecordingContext(tmp_path))
    assert caught.value.cause == "timeout"


@pytest.mark.parametrize("path", ["/breaks", None])
async def test_a_broken_answer_and_no_answer_are_misses(tmp_path: Path, path: str | None) -> None:
    async with site() as server:
        url = server.url + path if path else "http://127.0.0.1:9/"
        with pytest.raises(ExpectationError, match="could not be asked"):
            await Http(url=url).run(RecordingContext(tmp_path))


async def test_a_body_beyond_the_limit_is_a_miss_that_says_what_to_do(tmp_path: Path) -> None:
    async with site() as server:
        with pytest.raises(ExpectationError, match="more than 1KiB") as caught:
            await Http(url=f"{server.url}/packed", limit=Size(1024)).run(RecordingContext(tmp_path))
    assert "save it" in (caught.value.help or "")


async def test_a_file_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(BenchError, match="gone' could not be read: No such file"):
        await Http(url="http://127.0.0.1:9/", method="PUT", file="gone").run(RecordingContext(tmp_path))


async def test_goes_through_the_network_of_the_device(tmp_path: Path) -> None:
    async with site() as server:
        web_port = TcpNetwork.make({"host": "127.0.0.1", "port": server.port})
        context = RecordingContext(tmp_path, device(web=web_port))
        outputs = await Http(url="http://dut.internal/moved", via="web").run(context)
    assert (outputs.status, outputs.parsed["state"]) == (200, "up")
    assert server.asked[0][2]["Host"] == "dut.internal"


async def test_a_network_that_leads_nowhere_says_where(tmp_path: Path) -> None:
    context = RecordingContext(tmp_path, device(web=TcpNetwork.make({"host": "127.0.0.1", "port": 9})))
    with pytest.raises(BenchError, match=r"127\.0\.0\.1:9.* cannot be reached"):
        await Http(url="http://dut/", via="web").run(context)


async def test_without_its_package_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "flowrunner_steps._http", raising=False)
    monkeypatch.setitem(sys.modules, "aiohttp", None)
    with pytest.raises(BenchError, match="needs the package 'aiohttp'") as caught:
        await Http(url="http://127.0.0.1:9/").run(RecordingContext(tmp_path))
    assert caught.value.help == "pip install 'flowrunner[http]'"
