"""Files below one folder of this host."""

from __future__ import annotations

import os
from abc import abstractmethod
from collections.abc import Sequence
from typing import Any

from flowrunner_drivers._files.opening import operator
from flowrunner_drivers._files.store import StoreFiles


class RootFiles(StoreFiles):
    """Files below `root`, which no path can leave."""

    @abstractmethod
    def user(self) -> int | None:
        """The id of whom new files belong to; None for us."""

    def operator(self) -> Any:
        return operator("fs", {"root": str(self.root())})

    def made(self, paths: Sequence[str]) -> None:
        root, user = self.root(), self.user()
        for path in paths if root and user is not None else ():
            os.chown(f"{root}/{path}", user if user is not None else -1, -1)

    async def created(self) -> Sequence[str]:
        raise NotImplementedError("say what was created: it forgets all when it is closed")

    async def register(self, path: str) -> None:
        raise NotImplementedError("keep track of files: it forgets all when it is closed")
