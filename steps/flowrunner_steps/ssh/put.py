"""Send files to the device by SSH."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import anyio.to_thread
from pydantic import Field

from flowrunner.errors import BenchError
from flowrunner.interfaces.ssh_copying import Item, items, put
from flowrunner.model import Duration, Size
from flowrunner.step import Context, Outputs
from flowrunner_steps._paths import matches
from flowrunner_steps._ssh import AtSsh


class PutOutputs(Outputs):
    """What was sent."""

    path: str
    """Where the first entry is on the device."""

    files: int
    """How many files were sent."""

    bytes: Size
    """Their size."""

    seconds: Duration
    """How long it took."""


Mode = Annotated[str, Field(pattern=r"^0?[0-7]{3,4}$")]


class Put(AtSsh):
    """Send files and folders to the device by SSH (SFTP), with their permissions and symbolic links.

    A file gets its name when it is whole: one that breaks off leaves the old one. What is on the device is read back
    and compared. A `to` that ends with a slash is the folder that all goes into; else it is the new name of the one
    file or folder that is sent. Folders are made, and what is in them already stays.

    ```yaml
    steps:
      - ssh.put: {files: build/app, to: /opt/app/app, mode: "0755"}
      - ssh.put: {files: [build/*.so, config], to: /opt/app/}
    ```
    """

    kind = "setup"

    files: str | list[str]
    """The file or folder, or several, relative to the pipeline's folder; `*`, `?`, `[...]`, `**` are understood."""

    to: str = Field(min_length=1)
    """Where it goes on the device."""

    mode: Mode | None = None
    """The permissions of all files that are sent, in octal such as `"0755"`; left out, those that they have here."""

    verify: bool = True
    """Whether what is on the device is read back and compared."""

    async def run(self, context: Context) -> PutOutputs:
        wanted = await anyio.to_thread.run_sync(self._found, context)
        total = sum(item.source.stat().st_size for item in wanted if not item.folder and item.link is None)
        start, sent = context.now(), 0

        def progress(size: int) -> None:
            nonlocal sent
            sent += size
            context.progress(sent, total)

        mode = int(self.mode, 8) if self.mode else None
        async with self.logged_in(context) as (ssh, login):
            done = await put(ssh, wanted, mode=mode, verify=self.verify, login=login, progress=progress)
        return PutOutputs(
            path=wanted[0].target, files=done.files, bytes=Size(done.bytes), seconds=context.now() - start
        )

    def _found(self, context: Context) -> list[Item]:
        texts = [self.files] if isinstance(self.files, str) else self.files
        sources = [path for text in texts for path in matches(context.path(text), text, Path.exists)]
        if len(sources) != 1 and not self.to.endswith("/"):
            what = f"{len(sources)} files and folders cannot all be called '{self.to}'"
            raise BenchError(what, blame="config", help=f"to: {self.to}/ puts them into that folder")
        return [item for source in sources for item in items(source, self.to)]
