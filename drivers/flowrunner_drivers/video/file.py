"""video.file: pictures from files, instead of a screen or a camera."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import anyio.to_thread

from flowrunner.driver import Config, Driver
from flowrunner.errors import BenchError
from flowrunner.interfaces.video import Video
from flowrunner.model import FilePath

SUFFIXES = (".png", ".jpg", ".jpeg")


class FileVideoConfig(Config):
    """Where the pictures are."""

    path: FilePath
    """A PNG or JPEG file, or a folder of them: its pictures come in turn, by name."""

    loop: bool = True
    """Whether the first picture of a folder follows the last one; otherwise the last one stays."""


class FileVideo(Driver[FileVideoConfig], Video):
    """A screen that shows a file, or the files of a folder in turn.

    Something else may write the file meanwhile, such as a camera's tool: it is read for each frame.

    ```yaml
    export:
      screen: {type: video.file, config: {path: ~/frames/latest.png}}
    ```
    """

    _next = 0

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[None]:
        self._next = 0
        await anyio.to_thread.run_sync(self._pictures)
        yield

    async def snapshot(self) -> bytes:
        pictures = await anyio.to_thread.run_sync(self._pictures)
        turn, self._next = self._next, self._next + 1
        path = pictures[turn % len(pictures) if self.config.loop else min(turn, len(pictures) - 1)]
        return await anyio.Path(path).read_bytes()

    def _pictures(self) -> list[Path]:
        """The files, by name.

        Raises:
            BenchError: there is none.
        """
        path = self.config.path.expanduser()
        if not path.is_dir():
            if not path.is_file():
                raise BenchError(f"there is no picture '{path}'", blame="config", help="name a PNG or JPEG file")
            return [path]
        found = sorted(file for file in path.iterdir() if file.suffix.lower() in SUFFIXES)
        if not found:
            raise BenchError(f"there is no picture in '{path}'", blame="config", help=f"known: {', '.join(SUFFIXES)}")
        return found
