"""One event loop for all tests of the wire."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """The one backend: grpc.aio needs asyncio."""
    return "asyncio"


@pytest.fixture(scope="session", autouse=True)
async def one_loop(anyio_backend: str) -> AsyncIterator[None]:
    """Keep the event loop from test to test.

    grpc.aio has one queue in a process. What an rpc that was cancelled still owes to a loop that is closed by then
    ends in the loop of the next test, as an error that also holds back what is behind it in the queue.
    """
    yield
