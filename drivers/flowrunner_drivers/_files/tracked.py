"""A store that knows what was made through it, and can delete that again."""

from __future__ import annotations

from collections.abc import Sequence

from flowrunner.errors import BenchError
from flowrunner_drivers._files.store import StoreFiles


class TrackedFiles(StoreFiles):
    """Files with a list of what was made since `track`."""

    _created: dict[str, None]

    def track(self) -> None:
        """Begin with an empty list."""
        self._created = {}

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

    async def clean_up(self) -> None:
        """Delete what was created, the last first; a folder that others put something into stays.

        Raises:
            BenchError: some of it could not be deleted.
        """
        failed = []
        for path in reversed(list(self._created)):
            try:
                if not await self._is_folder(path) or not await self.list(path):
                    await self.delete(path)
            except BenchError as error:
                failed.append(error.what)
        if failed:
            raise BenchError("not all that was created could be deleted: " + "; ".join(failed))
