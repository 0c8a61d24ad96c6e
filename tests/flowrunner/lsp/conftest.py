"""One server for each file of tests."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.support.editor import Editor


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module")
async def editor(anyio_backend: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Editor]:
    async with Editor.started(tmp_path_factory.mktemp("editor")) as editor:
        yield editor
