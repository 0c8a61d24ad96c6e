"""One language server for each file of tests, with this repository as the folder that the author has opened."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.editor.client import ROOT, Editor


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module")
async def editor(anyio_backend: str) -> AsyncIterator[Editor]:
    async with Editor.started(ROOT) as editor:
        yield editor
