"""Opendal's errors, as an exporter of Jumpstarter tells them, in the words that a store of ours has."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, aclosing
from typing import Any

from flowrunner.errors import BenchError
from flowrunner.interface import ByteStream
from flowrunner.remote.client.peer import Handle, Peer


class Worded(Peer):
    """A driver whose errors are opendal's: they say `KIND (permanent) at CALL => REASON`, then their context."""

    def __init__(self, inner: Peer) -> None:
        self._inner = inner

    async def call(self, method: str, *args: Any) -> Any:
        try:
            return await self._inner.call(method, *args)
        except BenchError as error:
            raise worded(error, args) from error

    async def iterate(self, method: str, *args: Any) -> AsyncGenerator[Any, None]:
        try:
            async with aclosing(self._inner.iterate(method, *args)) as answers:
                async for answer in answers:
                    yield answer
        except BenchError as error:
            raise worded(error, args) from error

    def stream(self, method: str = "connect", *, datagrams: bool = False) -> AbstractAsyncContextManager[ByteStream]:
        return self._inner.stream(method, datagrams=datagrams)

    def sending(
        self, chunks: AsyncIterator[bytes], *, encoding: str | None = None
    ) -> AbstractAsyncContextManager[Handle]:
        return self._inner.sending(chunks, encoding=encoding)

    def receiving(self) -> AbstractAsyncContextManager[tuple[Handle, AsyncIterator[bytes]]]:
        return self._inner.receiving()


def worded(error: BenchError, args: Sequence[Any]) -> BenchError:
    """The same error in the words that a store of ours has; `args` are those of the call, a path first."""
    found = re.match(r"(\w+) \(\w+\) at [\w:]+.* => (.+)", error.what)
    if not found:
        return error
    path = next((each for each in args if isinstance(each, str)), "")
    match found[1]:
        case "NotFound":
            return BenchError(f"there is no file '{path}'", blame="config")
        case "IsADirectory":
            return BenchError(f"'{path}' is a folder", blame="config")
        case "Unsupported" | "PermissionDenied":
            return BenchError(f"the store refused this for '{path}': {found[2]}", blame="config")
        case _:
            return BenchError(f"the store failed for '{path}': {found[2]}", blame="infra", said=error.said)
