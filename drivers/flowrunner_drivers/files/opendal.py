"""A store of files: a folder, memory, a web server, WebDAV, S3, and what else opendal knows."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from flowrunner.driver import Config, Driver
from flowrunner.errors import BenchError
from flowrunner_drivers._files.opening import operator
from flowrunner_drivers._files.store import StoreFiles


class OpendalFilesConfig(Config):
    """Which store."""

    scheme: str
    """The service, by opendal's name: `fs`, `memory`, `http`, `webdav`, `s3`, `gcs`, `azblob`, `ghac`, ..."""

    kwargs: dict[str, str | int | bool] = {}
    """The keys of that service in opendal, such as `root`, `endpoint`, `bucket`. `fs` needs `root`."""

    remove_created_on_close: bool = False
    """Whether what was written or made through this part is deleted when the exporter closes it."""


class OpendalFiles(Driver[OpendalFilesConfig], StoreFiles):
    """Files beside the device, in any store that opendal knows.

    No path leads out of the root; below a folder of this host, neither does a link. Files of a folder are written
    beside and then renamed, so that a write that breaks off leaves the old ones. Copying and renaming work for every
    store that can be written: where it has no such operation, the content passes through the exporter.

    ```yaml
    export:
      images:
        type: files.opendal
        config: {scheme: fs, kwargs: {root: /srv/images}, remove_created_on_close: true}
      artifacts:
        type: files.opendal
        config:
          scheme: s3
          kwargs: {bucket: lab, region: eu-central-1, endpoint: "https://s3.example.com", root: board-7}
    ```

    Further reading: opendal's services and their keys. S3 finds credentials where AWS's own tools do.
    """

    aliases = ("jumpstarter_driver_opendal.driver.Opendal",)

    def __init__(self, config: OpendalFilesConfig, children: Mapping[str, Driver[Any]] | None = None) -> None:
        super().__init__(config, children)
        root = config.kwargs.get("root")
        if config.scheme == "fs" and not root:
            raise BenchError("a folder needs kwargs: {root: ...}", blame="config")
        self._root = Path(str(root)) if config.scheme == "fs" else None
        self._created: dict[str, None] = {}
        self._operator: Any = None

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[None]:
        self._operator = operator(self.config.scheme, self.config.kwargs)
        self._created.clear()
        try:
            yield
        finally:
            if self.config.remove_created_on_close:
                await self._clean_up()

    def operator(self) -> Any:
        return self._operator

    def root(self) -> Path | None:
        return self._root

    def made(self, paths: Sequence[str]) -> None:
        for path in paths:
            self._created.setdefault(path)

    def gone(self, path: str) -> None:
        for created in tuple(self._created):
            if created == path or created.startswith(f"{path}/"):
                del self._created[created]

    async def created(self) -> Sequence[str]:
        return list(self._created)

    async def register(self, path: str) -> None:
        self.made([self._in(path)])

    async def _clean_up(self) -> None:
        """Delete what was created, the last first; a folder that others put something into stays."""
        failed = []
        for path in reversed(await self.created()):
            try:
                if not await self._is_folder(path) or not await self.list(path):
                    await self.delete(path)
            except BenchError as error:
                failed.append(error.what)
        if failed:
            raise BenchError("not all that was created could be deleted: " + "; ".join(failed))
