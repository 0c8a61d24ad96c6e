"""An image behind a URL, through opendal: http(s), s3, gcs, webdav and what else opendal knows."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Generator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import unquote, urlsplit, urlunsplit

from flowrunner.errors import BenchError
from flowrunner.image.source import Source
from flowrunner.image.stop import Stop

READ = 1 << 20
SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
TOKEN = re.compile(r"[A-Za-z0-9._~+/-]{1,4096}=*")
"""Source: RFC 6750, section 2.1."""

ALIASES = {"gs": "gcs", "dav": "webdav"}


class RemoteSource(Source):
    """One streaming read of a URL. The reading runs on the event loop, so that it can be cancelled at any time."""

    blame = "infra"

    def __init__(self, url: str, file: Any, size: int | None, head: bytes, stop: Stop) -> None:
        self.name = public(url)
        self.size = size
        self.head = head
        self._file = file
        self._stop = stop
        self._loop = asyncio.get_running_loop()

    def chunks(self) -> Generator[bytes, None, None]:
        chunk = self.head
        while chunk:
            yield chunk
            self.position += len(chunk)
            chunk = self._read()
        if self.size is not None and self.position < self.size:
            raise self.damaged(f"ended after {self.position} of {self.size} bytes")

    def _read(self) -> bytes:
        self._stop.check()
        future = asyncio.run_coroutine_threadsafe(self._next(), self._loop)
        with self._stop.waking(future.cancel):
            try:
                return future.result()
            except OSError as error:
                raise self.damaged(f"broke off after {self.position} bytes: {reason(error)}") from error
            finally:
                self._stop.check()

    async def _next(self) -> bytes:
        return bytes(await self._file.read(READ))


@asynccontextmanager
async def open_remote(url: str, stop: Stop, token: str | None = None) -> AsyncIterator[RemoteSource]:
    """Open `url` and read its first bytes. `token` is for a web server that wants one (RFC 6750).

    Raises:
        BenchError: it is not there, not for us, or cannot be reached.
    """
    operator, path = _operator(url, token)
    failed: Exception | None = None
    try:
        size = (await operator.stat(path)).content_length
    except Exception as error:  # noqa: BLE001 - opendal has no common root; whether it matters, reading tells
        size, failed = None, error
    try:
        file = await operator.open(path, "rb")
        head = await file.read(READ)
    except Exception as error:
        raise unreadable(url, failed or error) from error
    try:
        yield RemoteSource(url, file, size, bytes(head), stop)
    finally:
        await file.close()


async def fetch(url: str, *, limit: int, token: str | None = None) -> bytes | None:
    """All of a small file; None when there is none.

    Raises:
        BenchError: it cannot be reached, or is larger than `limit` bytes.
    """
    operator, path = _operator(url, token)
    try:
        if (await operator.stat(path)).content_length > limit:
            raise BenchError(f"'{public(url)}' is larger than {limit} bytes", blame="config")
        return bytes(await operator.read(path))
    except BenchError:
        raise
    except Exception as error:
        hidden = type(error).__name__ in ("NotFound", "PermissionDenied") or "NotFound" in str(error)
        if hidden or _unknown_to_it(error):
            return None
        raise unreadable(url, error) from error


def of_the_same_server(token: str | None, url: str, other: str) -> str | None:
    """`token`, which `url` is read with, for `other`: nobody else gets to see it."""
    return token if urlsplit(url)[:2] == urlsplit(other)[:2] else None


def _operator(url: str, token: str | None) -> tuple[Any, str]:
    """The operator of opendal and the path in it."""
    import opendal  # takes 40 ms, and most pipelines flash a local file

    parts = urlsplit(url)
    scheme = ALIASES.get(parts.scheme.lower(), parts.scheme.lower())
    wrong = None if token is None else _unfit(token, scheme)
    if wrong:
        raise BenchError(f"image '{public(url)}' cannot be read with this token: {wrong}", blame="config")
    try:
        if scheme in ("http", "https"):
            known = {} if token is None else {"token": token}
            # The fragment swallows the path that opendal appends: the URL is asked for as it is, query and all.
            endpoint = urlunsplit(parts._replace(fragment="")) + "#"
            return opendal.AsyncOperator("http", endpoint=endpoint, **known), "image"
        root = urlunsplit((scheme, parts.netloc, "/", parts.query, ""))
        return opendal.AsyncOperator.from_uri(root), unquote(parts.path.lstrip("/"))
    except Exception as error:
        raise BenchError(f"image '{public(url)}' cannot be opened: {reason(error)}", blame="config") from error


def _unfit(token: str, scheme: str) -> str | None:
    if scheme not in ("http", "https"):
        return f"{scheme} has logins of its own"
    return None if TOKEN.fullmatch(token) else "it has characters that a token cannot have, or is empty"


def unreadable(url: str, error: Exception) -> BenchError:
    """Why a URL could not be read, and whose fault that is."""
    kind = type(error).__name__ + str(error).partition(" ")[0]
    if "NotFound" in kind:
        return BenchError(f"there is no image '{public(url)}'", blame="config")
    if "PermissionDenied" in kind or _unknown_to_it(error):
        what = f"the server does not let us read image '{public(url)}'"
        return BenchError(what, blame="config", help="set token, if it wants one" if url.startswith("http") else None)
    return BenchError(f"image '{public(url)}' could not be read: {reason(error)}", blame="infra")


def _unknown_to_it(error: Exception) -> bool:
    """Whether it is 401, for which opendal has no kind of error."""
    return "status: 401" in str(error)


def reason(error: Exception) -> str:
    """The part of opendal's message that says why."""
    text = str(error)
    cause = re.search(r"client error.*|status: \d+", text) or re.search(r"(?:=>|source:) (.*)", text)
    found = (
        cause.group(cause.lastindex or 0) if cause else text.splitlines()[0] if text else type(error).__name__
    ).strip()
    return found.rpartition(": ")[2] if found.startswith("client error") else found


def public(url: str) -> str:
    """A URL as it may be shown: without user, password, query."""
    parts = urlsplit(url)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))
