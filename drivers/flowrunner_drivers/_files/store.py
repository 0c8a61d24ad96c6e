"""Changing files, over an operator of opendal."""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import AsyncIterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path

import anyio.to_thread

from flowrunner.errors import BenchError
from flowrunner_drivers._files.faults import NoSuchFileError, told
from flowrunner_drivers._files.looking import ReadFiles
from flowrunner_drivers._files.writing import append as append_to
from flowrunner_drivers._files.writing import write as write_to


class StoreFiles(ReadFiles):
    """Files in a store that can be read and written, as far as the store lets us."""

    def made(self, paths: Sequence[str]) -> None:
        """Told of files and folders that were just made."""

    def gone(self, path: str) -> None:
        """Told that `path` was deleted, or has another name now."""

    async def write(self, path: str, content: AsyncIterable[bytes], append: bool = False) -> int:
        place = self._in(path)
        await self._not_a_folder(place, path)
        above = self._paths().missing(place)
        operator, root = self.operator(), self.root()
        if append:
            size = await append_to(operator, place, content)
        else:
            with _same_owner_and_mode(root / place) if root else nullcontext():
                size = await write_to(operator, place, content, atomic=root is not None)
        self.made([*above, place])
        return size

    async def mkdir(self, path: str) -> None:
        place = self._in(path)
        new = [*self._paths().missing(place), *([] if await self.exists(place) else [place])]
        with told("made", path):
            if place:
                await self.operator().create_dir(f"{place}/")
        self.made(new)

    async def delete(self, path: str) -> None:
        place = self._deletable(path)
        if await self._is_folder(place):
            if await self.list(place):
                raise BenchError(f"'{path}' is a folder with something in it", blame="config", help="use remove_all")
            place += "/"
        with suppress(NoSuchFileError), told("deleted", path):
            await self.operator().delete(place)
        self.gone(place.rstrip("/"))

    async def remove_all(self, path: str) -> None:
        place = self._deletable(path)
        folder, root = await self._is_folder(place), self.root()
        if folder and root and not (root / place).is_symlink():
            await anyio.to_thread.run_sync(_remove_tree, root / place, path)
        else:
            with suppress(NoSuchFileError), told("deleted", path):
                await self.operator().remove_all(f"{place}/" if folder and not root else place)
        self.gone(place)

    async def copy(self, source: str, target: str) -> None:
        place, above = await self._both(self._in(source), source, target)
        operator = self.operator()
        if operator.capability().copy:
            with told("copied", source):
                await operator.copy(self._in(source), place)
        else:
            await write_to(operator, place, self.read(source), atomic=False)
        self.made([*above, place])

    async def rename(self, source: str, target: str) -> None:
        origin = self._in(source, last=False)
        place, above = await self._both(origin, source, target)
        operator = self.operator()
        if operator.capability().rename:
            with told("renamed", source):
                await operator.rename(origin, place)
        else:
            await self.copy(source, target)
            await self.delete(source)
        self.gone(origin)
        self.made([*above, place])

    def _deletable(self, path: str) -> str:
        place = self._in(path, last=False)
        if not place:
            raise BenchError("the root itself cannot be deleted", blame="config")
        return place

    async def _both(self, place: str, source: str, target: str) -> tuple[str, Sequence[str]]:
        """The place of `target`, and the folders that are to be made for it; both must be fit for a copy."""
        if (await self._stat(place, source)).directory:
            raise BenchError(f"'{source}' is a folder", blame="config")
        goal = self._in(target)
        if goal == place:
            raise BenchError(f"'{source}' and '{target}' are the same file", blame="config")
        await self._not_a_folder(goal, target)
        return goal, self._paths().missing(goal)


@contextmanager
def _same_owner_and_mode(path: Path) -> Iterator[None]:
    """Let the file that takes the place of `path` be run and read by whom the old one was."""
    old = path.stat() if path.exists() else None
    yield
    if old:
        with suppress(PermissionError):
            os.chown(path, old.st_uid, old.st_gid)
        path.chmod(stat.S_IMODE(old.st_mode))


def _remove_tree(folder: Path, path: str) -> None:
    """Delete a folder, without following links as opendal would."""
    try:
        shutil.rmtree(folder)
    except OSError as error:
        raise BenchError(f"'{path}' could not be deleted: {error.strerror}", blame="infra") from error
