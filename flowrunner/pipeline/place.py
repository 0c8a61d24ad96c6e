"""Where an included file lies, and what it is called."""

from __future__ import annotations

import os.path
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Place:
    """A file at `disk`. What is shown of it is `origin` and `path`: `lib/boot.yaml`, `URL@v2:lib/boot.yaml`.

    With `root` it came from elsewhere: nothing outside that folder may be read on its behalf. `pinned` is the origin by
    what never moves, such as a commit.
    """

    disk: Path
    path: str
    origin: str = ""
    root: Path | None = None
    pinned: str = ""

    @property
    def name(self) -> str:
        """What spans call the file."""
        return self.origin + self.path

    def beside(self, text: str) -> Place:
        """The file that `text`, a path in this file, means."""
        path = text if self.root else str(Path(text).expanduser())
        disk = Path(os.path.normpath(self.disk.parent / path))
        shown = os.path.normpath(Path(self.path).parent / path)
        return Place(disk, shown, self.origin, self.root, self.pinned)

    def allowed(self) -> bool:
        """Whether it lies in its root, links followed."""
        return self.root is None or self.disk.resolve().is_relative_to(self.root.resolve())
