"""What was made through a store since it was opened, and deleting that again."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from flowrunner.errors import BenchError
from flowrunner.interfaces.files import Files


class Created:
    """Paths of files and folders, in the order in which they were made."""

    def __init__(self) -> None:
        self._paths: dict[str, None] = {}

    def add(self, paths: Sequence[str]) -> None:
        """They were just made."""
        for path in paths:
            self._paths.setdefault(path)

    def gone(self, path: str) -> None:
        """`path` was deleted, or has another name now."""
        for created in tuple(self._paths):
            if created == path or created.startswith(f"{path}/"):
                del self._paths[created]

    def paths(self) -> list[str]:
        """All of them."""
        return list(self._paths)

    async def delete(self, files: Files, is_folder: Callable[[str], Awaitable[bool]]) -> None:
        """Delete them, the last first; a folder that others put something into stays.

        Raises:
            BenchError: some of it could not be deleted.
        """
        failed = []
        for path in reversed(self.paths()):
            try:
                if not await is_folder(path) or not await files.list(path):
                    await files.delete(path)
            except BenchError as error:
                failed.append(error.what)
        if failed:
            raise BenchError("not all that was created could be deleted: " + "; ".join(failed))
