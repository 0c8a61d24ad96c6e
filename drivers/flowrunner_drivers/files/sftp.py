"""Files of a host that is reached by SSH, such as the device itself."""

from __future__ import annotations

import posixpath
from collections.abc import AsyncIterable, AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from pydantic import Field

from flowrunner.driver import Config, Driver
from flowrunner.errors import BenchError
from flowrunner.ssh.over import SshOver
from flowrunner_drivers._files.created import Created
from flowrunner_drivers.files._sftp_looking import ReadSftp

if TYPE_CHECKING:
    from flowrunner_drivers.files._sftp_place import Place

SSH = "ssh"
"""The part that logs in."""


class SftpFilesConfig(Config):
    """Which folder."""

    root: str = Field(default="/", min_length=1)
    """The folder on that host, which no path leaves; a relative one starts in the home of who logs in."""

    remove_created_on_close: bool = False
    """Whether what was written or made through this part is deleted when the exporter closes it."""


class SftpFiles(Driver[SftpFilesConfig], ReadSftp):
    """Files of the device, or of a server in the lab, by SFTP over the login of its part `ssh`.

    No path leads out of the root, nor does a link. Files are written beside and then renamed, so that a write that
    breaks off leaves the old ones. Copies pass through the exporter.

    ```yaml
    export:
      ssh:
        type: ssh.client
        config: {host: 192.168.7.2, key: {file: keys/lab}}
      files:
        type: files.sftp
        config: {root: /var/lib/app, remove_created_on_close: true}
        children:
          ssh: {ref: ssh}
    ```

    It needs `flowrunner[ssh]`.
    """

    _created: Created

    def __init__(self, config: SftpFilesConfig, children: Mapping[str, Driver[Any]] | None = None) -> None:
        super().__init__(config, children)
        found = self.children.get(SSH)
        if not isinstance(found, SshOver):
            what = f"its part '{SSH}' is no login" if found else f"it has no part '{SSH}'"
            raise BenchError(what, blame="config", help="children: {ssh: {ref: ...}} names one of type ssh.client")
        self.ssh = found
        self._created = Created()

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[None]:
        self._created, self.place = Created(), None
        try:
            yield
        finally:
            if self.config.remove_created_on_close and self._created.paths():
                await self._created.delete(self, self._is_folder)

    def folder(self) -> str:
        return self.config.root

    async def write(self, path: str, content: AsyncIterable[bytes], append: bool = False) -> int:
        root = await self._root()
        place = await root.inside(path)
        await self._not_a_folder(place, path)
        above = await root.make(posixpath.dirname(place))
        size = await (root.append if append else root.write)(place, content)
        self._created.add([*above, place])
        return size

    async def mkdir(self, path: str) -> None:
        root = await self._root()
        place = await root.inside(path)
        if await root.exists(place, path) and not await root.is_folder(place):
            raise BenchError(f"'{path}' is there already and is no folder", blame="config")
        self._created.add(await root.make(place))

    async def delete(self, path: str) -> None:
        root, place = await self._deletable(path)
        if await root.is_leaf(place):
            await root.remove(place, path)
        elif await root.is_folder(place):
            if await root.entries(place, path):
                raise BenchError(f"'{path}' is a folder with something in it", blame="config", help="use remove_all")
            await root.remove(place, path, folder=True)
        self._created.gone(place)

    async def remove_all(self, path: str) -> None:
        root, place = await self._deletable(path)
        if await root.is_leaf(place):
            await root.remove(place, path)
        elif await root.is_folder(place):
            folders = [place]
            for folder in folders:  # which grows meanwhile
                for entry, _ in await root.entries(folder, path):
                    if entry.directory:
                        folders.append(entry.path)
                    else:
                        await root.remove(entry.path, path)
            for folder in reversed(folders):
                await root.remove(folder, path, folder=True)
        self._created.gone(place)

    async def copy(self, source: str, target: str) -> None:
        root = await self._root()
        place, goal = await self._both(await root.inside(source), source, target)
        await self.write(goal, self.read(place))

    async def rename(self, source: str, target: str) -> None:
        root = await self._root()
        place, goal = await self._both(await root.inside(source, last=False), source, target)
        above = await root.make(posixpath.dirname(goal))
        await root.move(place, goal)
        self._created.gone(place)
        self._created.add([*above, goal])

    async def created(self) -> Sequence[str]:
        return self._created.paths()

    async def register(self, path: str) -> None:
        self._created.add([await (await self._root()).inside(path)])

    async def _deletable(self, path: str) -> tuple[Place, str]:
        root = await self._root()
        place = await root.inside(path, last=False)
        if not place:
            raise BenchError("the root itself cannot be deleted", blame="config")
        return root, place

    async def _both(self, place: str, source: str, target: str) -> tuple[str, str]:
        """The places of both, which must be fit for a copy."""
        root = await self._root()
        if (await root.stat(place, source)).directory:
            raise BenchError(f"'{source}' is a folder", blame="config")
        goal = await root.inside(target)
        if goal == place:
            raise BenchError(f"'{source}' and '{target}' are the same file", blame="config")
        await self._not_a_folder(goal, target)
        return place, goal
