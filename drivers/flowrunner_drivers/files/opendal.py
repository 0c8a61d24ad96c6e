"""A store of files: a folder, memory, a web server, WebDAV, S3, and what else opendal knows."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from flowrunner.driver import Config, Driver
from flowrunner.errors import BenchError
from flowrunner_drivers._files.opening import operator
from flowrunner_drivers._files.tracked import TrackedFiles


class OpendalFilesConfig(Config):
    """Which store."""

    scheme: str
    """The service, by opendal's name: `fs`, `memory`, `http`, `webdav`, `s3`, `gcs`, `azblob`, `ghac`, ..."""

    kwargs: dict[str, str | int | bool] = {}
    """The keys of that service in opendal, such as `root`, `endpoint`, `bucket`. `fs` needs `root`."""

    remove_created_on_close: bool = False
    """Whether what was written or made through this part is deleted when the exporter closes it."""


class OpendalFiles(Driver[OpendalFilesConfig], TrackedFiles):
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
        self._operator: Any = None

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[None]:
        self._operator = operator(self.config.scheme, self.config.kwargs)
        self.track()
        try:
            yield
        finally:
            if self.config.remove_created_on_close:
                await self.clean_up()

    def operator(self) -> Any:
        return self._operator

    def root(self) -> Path | None:
        return self._root
