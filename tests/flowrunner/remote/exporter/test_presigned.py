"""Presigned requests against servers that behave in all the ways that servers do."""

from __future__ import annotations

import gzip
import ssl
import subprocess
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import anyio
import pytest
from anyio.abc import SocketStream
from anyio.streams.tls import TLSListener

from flowrunner.errors import BenchError
from flowrunner.remote.exporter.presigned import fetched, uploading
from flowrunner.remote.exporter.presigned_request import Request
from flowrunner.remote.exporter.resources import Resources
from tests.support.streams import listening
from tests.support.web import Asked, answer, web

pytestmark = pytest.mark.anyio

SECRET = "X-Amz-Signature=5ca1ab1e5ca1ab1e"


def get(url: str, headers: Mapping[str, str] | None = None) -> Request:
    return Request("GET", url, headers or {})


def put(url: str, headers: Mapping[str, str] | None = None) -> Request:
    return Request("PUT", url, headers or {})


async def all_of(request: Request, **more: Any) -> bytes:
    return b"".join([chunk async for chunk in fetched(request, **more)])


async def upload(request: Request, *pieces: bytes, **more: Any) -> None:
    async with uploading(request, **more) as send:
        for piece in pieces:
            await send(piece)


async def test_a_handle_is_fetched(tmp_path: Path) -> None:
    (tmp_path / "disk.img").write_bytes(bytes(3_000_000))
    handler = partial(SimpleHTTPRequestHandler, directory=str(tmp_path))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        try:
            url = f"http://127.0.0.1:{server.server_port}/disk.img?{SECRET}"
            handle = {"kind": "presigned_request", "url": url, "method": "GET", "headers": {}}
            data = b"".join([chunk async for chunk in Resources().read(handle)])
        finally:
            server.shutdown()
            thread.join()
    assert data == bytes(3_000_000)


async def test_a_handle_is_uploaded_in_chunks() -> None:
    async with web(lambda asked: None) as served:
        url = served.url(f"/bucket/dump?{SECRET}")
        handle = {"kind": "presigned_request", "url": url, "method": "PUT", "headers": {"x-amz-acl": "private"}}
        async with Resources().write(handle) as send:
            await send(b"one")
            await send(b"")
            await send(bytes(1_000_000))
    assert served.asked[0].body == b"one" + bytes(1_000_000)
    assert served.asked[0].target == f"/bucket/dump?{SECRET}"
    assert served.asked[0].headers["x-amz-acl"] == "private"


async def test_a_length_among_the_headers_is_the_framing() -> None:
    async with web(lambda asked: None) as served:
        await upload(put(served.url("/x"), {"Content-Length": "6"}), b"abc", b"def")
    assert served.asked[0].body == b"abcdef"
    assert "transfer-encoding" not in served.asked[0].headers


@pytest.mark.parametrize("pieces", [(b"abc",), (b"abcdef", b"g")])
async def test_content_of_another_length_than_announced_is_an_error(pieces: tuple[bytes, ...]) -> None:
    async with web(lambda asked: None) as served:
        with pytest.raises(BenchError, match=r"Too (little|much) data for declared Content-Length"):
            await upload(put(served.url("/x"), {"Content-Length": "6"}), *pieces)


async def test_percent_encoding_is_kept_as_it_is() -> None:
    target = "/a%2Fb%20c/%E2%82%AC+d?key=%2B%2f&e=1%3D&f=a/b?c"
    async with web(lambda asked: answer()) as served:
        await all_of(get(served.url(target)))
    assert served.asked[0].target == target


async def test_headers_go_along_and_those_about_the_connection_are_ours() -> None:
    given = {"Authorization": "Bearer t", "X-Ms-Version": "7", "Host": "elsewhere", "Connection": "keep-alive"}
    async with web(lambda asked: answer()) as served:
        await all_of(get(served.url("/"), given))
    headers = served.asked[0].headers
    assert (headers["authorization"], headers["x-ms-version"]) == ("Bearer t", "7")
    assert (headers["host"], headers["connection"]) == (f"127.0.0.1:{served.port}", "close")


async def test_user_and_password_of_a_url_are_a_login() -> None:
    async with web(lambda asked: answer()) as served:
        await all_of(get(f"http://ann:s%40crt@127.0.0.1:{served.port}/"))
    assert served.asked[0].headers["authorization"] == "Basic YW5uOnNAY3J0"


@pytest.mark.parametrize("status", ["301 Moved", "302 Found", "303 See Other", "307 Temporary", "308 Permanent"])
async def test_redirects_are_followed(status: str) -> None:
    def reply(asked: Asked) -> bytes:
        return answer(b"here") if asked.target == "/to%20it?x=%2B" else answer(status=status, Location="/to%20it?x=%2B")

    async with web(reply) as served:
        assert await all_of(get(served.url("/from"))) == b"here"


@pytest.mark.parametrize("hops", [10, 11])
async def test_ten_redirects_are_followed_and_no_more(hops: int) -> None:
    def reply(asked: Asked) -> bytes:
        number = int(asked.target[1:])
        return answer(b"end") if number == hops else answer(status="302 Found", Location=f"/{number + 1}")

    async with web(reply) as served:
        if hops == 10:
            assert await all_of(get(served.url("/0"))) == b"end"
        else:
            with pytest.raises(BenchError, match="redirected more than 10 times"):
                await all_of(get(served.url("/0")))


PRIVATE = {"Authorization": "a", "Cookie": "b", "Proxy-Authorization": "c", "X-Amz-Token": "d", "x-ms-blob": "e",
           "X-Goog-Meta": "f", "X-Other": "g"}  # fmt: skip


@pytest.mark.parametrize(("host", "kept"), [("127.0.0.1", set(PRIVATE)), ("localhost", {"X-Other"})])
async def test_private_headers_stay_with_their_origin(host: str, kept: set[str]) -> None:
    def reply(asked: Asked) -> bytes:
        return answer() if asked.target == "/b" else answer(status="307 T", Location=f"http://{host}:{served.port}/b")

    async with web(reply) as served:
        await all_of(get(served.url("/a"), PRIVATE))
    assert {key.lower() for key in PRIVATE} <= served.asked[0].headers.keys()
    assert {key for key in PRIVATE if key.lower() in served.asked[1].headers} == kept


async def test_an_upload_is_redirected_before_its_content_is_sent() -> None:
    def reply(asked: Asked) -> bytes | None:
        return None if asked.target == "/b" else answer(status="307 Temporary", Location="/b")

    async with web(reply) as served:
        await upload(put(served.url("/a")), b"content")
    assert [(asked.target, asked.body) for asked in served.asked] == [("/a", b""), ("/b", b"content")]


async def test_an_upload_that_is_redirected_behind_its_content_is_an_error() -> None:
    def reply(asked: Asked) -> bytes | None:
        return answer(status="307 Temporary", Location="/b") if asked.body else None

    async with web(reply) as served:
        with pytest.raises(BenchError, match="answered with 307 Temporary"):
            await upload(put(served.url("/a")), b"content")


async def test_a_server_that_cannot_be_asked_first_is_sent_the_content_at_once() -> None:
    def reply(asked: Asked) -> bytes | None:
        return answer(status="417 Expectation Failed") if "expect" in asked.headers else None

    async with web(reply) as served:
        await upload(put(served.url("/a")), b"content")
    assert served.asked[-1].body == b"content"


@pytest.mark.parametrize(
    ("status", "blame"), [("403 Forbidden", "config"), ("404 Not Found", "config"), ("503 Slow Down", "infra")]
)
@pytest.mark.parametrize("method", ["GET", "PUT"])
async def test_a_refusal_shows_what_the_server_said(method: str, status: str, blame: str) -> None:
    said = b"<Error><Code>NoWay</Code></Error>" + b"x" * 10_000
    async with web(lambda asked: answer(said, status)) as served:
        with pytest.raises(
            BenchError, match=f"{method} 'http://127.0.0.1:{served.port}/it' was answered with {status}"
        ) as caught:
            await (all_of(get(served.url("/it"))) if method == "GET" else upload(put(served.url("/it")), b"x"))
    assert caught.value.said and caught.value.said.startswith("<Error><Code>NoWay</Code></Error>xxx")
    assert len(caught.value.said) <= 400
    assert caught.value.blame == blame


async def test_a_refusal_in_the_middle_of_an_upload_is_told() -> None:
    async def serve(client: SocketStream) -> None:
        await client.receive()
        await client.send(b"HTTP/1.1 100 Continue\r\n\r\n")
        await client.receive()
        await client.send(answer(b"quota", "507 Full"))

    async with listening(serve) as port:
        with pytest.raises(BenchError, match=r"507 Full|the connection broke"):
            async with uploading(put(f"http://127.0.0.1:{port}/x")) as send:
                for _ in range(1000):
                    await send(bytes(1 << 18))


@pytest.mark.parametrize("framing", ["Content-Length: 100\r\n", "Transfer-Encoding: chunked\r\n"])
async def test_content_that_is_cut_short_is_an_error(framing: str) -> None:
    body = b"a" * 50 if "Length" in framing else b"32\r\n" + b"a" * 50 + b"\r\n"
    async with web(lambda asked: f"HTTP/1.1 200 OK\r\n{framing}\r\n".encode() + body) as served:
        with pytest.raises(BenchError, match=r"failed: peer (closed|unexpectedly)"):
            await all_of(get(served.url("/x")))


async def test_content_that_the_server_packed_unasked_is_unpacked() -> None:
    async with web(lambda asked: answer(gzip.compress(b"image" * 1000), Content_Encoding="gzip")) as served:
        assert await all_of(get(served.url("/x"))) == b"image" * 1000
    assert served.asked[0].headers["accept-encoding"] == "identity"


async def test_content_that_is_packed_in_an_unknown_way_is_an_error() -> None:
    async with web(lambda asked: answer(b"?", Content_Encoding="br")) as served:
        with pytest.raises(BenchError, match="the content is packed with 'br'"):
            await all_of(get(served.url("/x")))


async def test_a_server_that_stalls_is_given_up_at_the_end_of_the_time() -> None:
    async def serve(client: SocketStream) -> None:
        await client.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nsome")
        await anyio.sleep_forever()

    async with listening(serve) as port:
        with pytest.raises(BenchError, match="it took too long altogether"), anyio.fail_after(10):
            await all_of(get(f"http://127.0.0.1:{port}/"), timeout=0.3)


async def test_an_upload_that_fails_here_is_not_ended_there() -> None:
    got = bytearray()
    over = anyio.Event()

    async def serve(client: SocketStream) -> None:
        await client.receive()
        await client.send(b"HTTP/1.1 100 Continue\r\n\r\n")
        try:
            while True:
                got.extend(await client.receive())
        except (anyio.EndOfStream, anyio.BrokenResourceError):
            over.set()

    async with listening(serve) as port:
        with pytest.raises(ValueError, match="disk"):
            async with uploading(put(f"http://127.0.0.1:{port}/x")) as send:
                await send(b"half")
                raise ValueError("disk")
        with anyio.fail_after(10):
            await over.wait()
    assert b"half" in got
    assert not got.endswith(b"0\r\n\r\n")


@pytest.mark.parametrize("reply", [
    lambda asked: answer(f"<Sig>{SECRET[16:]}</Sig> for {SECRET} of Bearer-hunter2".encode(), "403 Forbidden"),
    lambda asked: b"nonsense\r\n\r\n",
    lambda asked: b"",
    lambda asked: answer(b"short", length=99),
    lambda asked: answer(status="302 Found", Location=f"ftp://host/?{SECRET}"),
    lambda asked: answer(status="302 Found"),
    lambda asked: answer(status="302 Found", Location="http://[5ca1ab1e/"),
    lambda asked: answer(status="302 Found", Location="http://h:5ca1ab1e/"),
    lambda asked: answer(status="302 Found", Location=f"/again?{SECRET}"),
    lambda asked: answer(b"?", Content_Encoding="gzip"),
])  # fmt: skip
async def test_no_error_shows_a_secret(reply: Callable[[Asked], bytes], caplog: pytest.LogCaptureFixture) -> None:
    async with web(reply) as served:
        for doing in (all_of(get(served.url(f"/x?{SECRET}"), {"Authorization": "Bearer-hunter2"})),
                      upload(put(served.url(f"/x?{SECRET}"), {"Authorization": "Bearer-hunter2"}), b"x")):  # fmt: skip
            with pytest.raises(BenchError) as caught:
                await doing
            error: BaseException | None = caught.value
            while error:
                assert "5ca1ab1e" not in f"{error!r} {error}" and "hunter2" not in f"{error!r} {error}"
                error = error.__cause__ or error.__context__
    assert "5ca1ab1e" not in caplog.text
    assert "5ca1ab1e" not in repr(get(f"http://h/x?{SECRET}"))


@pytest.mark.parametrize(("handle", "why"), [
    ({"url": "http://h/"}, "needs a URL, headers and a method"),
    ({"url": "http://h/", "method": "PUT", "headers": {}}, "needs a presigned GET, and got a PUT"),
    ({"url": "http://h/", "method": "GET", "headers": {"a": 1}}, "needs a URL, headers and a method"),
    ({"url": "file:///etc/passwd?x", "method": "GET", "headers": {}}, "'file:///etc/passwd' is no URL of HTTP"),
    ({"url": "http:///x", "method": "GET", "headers": {}}, "is no URL of HTTP"),
    ({"url": "http://h:99999/", "method": "GET", "headers": {}}, "has no valid URL"),
    ({"url": "http://h:5ca1ab1e/", "method": "GET", "headers": {}}, "has no valid URL$"),
    ({"url": "http://[::1/", "method": "GET", "headers": {}}, "has no valid URL"),
    ({"url": "http://127.0.0.1:1/", "method": "GET", "headers": {}}, "no connection: Connection refused"),
    ({"url": "http://127.0.0.1:1/", "method": "GET", "headers": {"a b": "c"}}, "no connection|Illegal"),
])  # fmt: skip
async def test_a_request_that_cannot_be_sent_is_an_error(handle: dict[str, Any], why: str) -> None:
    with pytest.raises(BenchError, match=why):
        await anext(Resources().read({"kind": "presigned_request", **handle}))


async def test_a_header_that_is_none_is_an_error() -> None:
    async with web(lambda asked: answer()) as served:
        with pytest.raises(BenchError, match="cannot be sent: Illegal header value"):
            await all_of(get(served.url("/"), {"x": "a\r\nb: c"}))


@asynccontextmanager
async def secure(folder: Path) -> AsyncIterator[tuple[int, ssl.SSLContext]]:
    """A server with a certificate of its own making; its port, and a context that trusts it."""
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
               "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-keyout", f"{folder}/key",
               "-out", f"{folder}/cert"]  # fmt: skip
    subprocess.run(command, check=True, capture_output=True)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(folder / "cert", folder / "key")

    async def serve(client: Any) -> None:
        with suppress(anyio.EndOfStream, anyio.BrokenResourceError):  # who does not trust us leaves
            async with client:
                await client.receive()
                await client.send(answer(b"secret image"))

    plain = await anyio.create_tcp_listener(local_host="127.0.0.1")
    port = plain.extra(anyio.abc.SocketAttribute.local_port)
    async with TLSListener(plain, context) as listener, anyio.create_task_group() as tasks:
        tasks.start_soon(listener.serve, serve)
        yield port, ssl.create_default_context(cafile=folder / "cert")
        tasks.cancel_scope.cancel()


async def test_https_is_spoken_to_whom_is_trusted_and_to_nobody_else(tmp_path: Path) -> None:
    async with secure(tmp_path) as (port, trusted):
        assert await all_of(get(f"https://localhost:{port}/x"), tls=trusted) == b"secret image"
        with pytest.raises(BenchError, match=r"no connection: .*(certificate|CERTIFICATE)"):
            await all_of(get(f"https://localhost:{port}/x"))
