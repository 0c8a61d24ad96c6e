"""A store that knows what was made through it, and can delete that again."""

from __future__ import annotations

from collections.abc import Sequence

from flowrunner_drivers._files.created import Created
from flowrunner_drivers._files.store import StoreFiles


class TrackedFiles(StoreFiles):
    """Files with a list of what was made since `track`."""

    _created: Created

    def track(self) -> None:
        """Begin with an empty list."""
        self._created = Created()

    def made(self, paths: Sequence[str]) -> None:
        self._created.add(paths)

    def gone(self, path: str) -> None:
        self._created.gone(path)

    async def created(self) -> Sequence[str]:
        return self._created.paths()

    async def register(self, path: str) -> None:
        self.made([self._in(path)])

    async def clean_up(self) -> None:
        """Delete what was created, the last first; a folder that others put something into stays.

        Raises:
            BenchError: some of it could not be deleted.
        """
        await self._created.delete(self, self._is_folder)
