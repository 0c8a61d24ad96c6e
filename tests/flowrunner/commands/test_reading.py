"""What a word of the command line becomes."""

from collections.abc import AsyncIterable
from pathlib import Path

import pytest

from flowrunner.commands.reading import read
from flowrunner.errors import PipelineError

pytestmark = pytest.mark.anyio


async def content(word: str) -> bytes:
    return b"".join([piece async for piece in read(AsyncIterable[bytes], [word], "content")])


async def test_content_that_is_streamed_is_a_text_or_a_file(tmp_path: Path) -> None:
    data = bytes(range(256)) * 5000
    (tmp_path / "file").write_bytes(data)
    assert await content("text") == b"text"
    assert await content(f"@{tmp_path}/file") == data


def test_a_file_that_is_not_there_is_told_before_anything_is_sent() -> None:
    with pytest.raises(PipelineError, match="'/nowhere' could not be read: No such file"):
        read(AsyncIterable[bytes], ["@/nowhere"], "content")
