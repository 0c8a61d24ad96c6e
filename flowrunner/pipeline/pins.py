"""What the moving names of includes stand for: a branch for a commit, a tag of a registry for a digest."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from flowrunner.errors import PipelineError, Span
from flowrunner.pipeline.lock import Lock
from flowrunner.pipeline.pinned import Pinned
from flowrunner.pipeline.vendored import vendored


class Pins:
    """The pins of one pipeline, by name, such as `URL@v2` and `registry.example.com/flows:1.4`.

    `locked` are those that the lock names; when it is `frozen` there are no others. `vendored` is content that lies
    beside the pipeline. `found` is all that was used.
    """

    def __init__(self, lock: Lock | None, *, frozen: bool, vendored: Mapping[str, Pinned]) -> None:
        self._locked = {name: include.pin for name, include in lock.includes.items()} if lock else {}
        self._frozen = frozen
        self._vendored = vendored
        self.found: dict[str, Pinned] = {}

    @classmethod
    def of(cls, folder: Path, lock: Lock | None = None) -> Pins:
        """Those of a pipeline in `folder`: what is vendored there, and what `lock` says, which is frozen."""
        return cls(lock, frozen=lock is not None, vendored=vendored(folder))

    def locked(self, name: str, where: Span) -> str | None:
        """What the lock says that `name` is.

        Raises:
            PipelineError: it does not know it, and nothing else is good.
        """
        if self._frozen and name not in self._locked:
            what, advice = f"'{name}' is not in flow.lock", "look at it, and write it down with 'flow lock'"
            raise PipelineError(what, code="not-locked", where=where, help=advice)
        return self._locked.get(name)

    def vendored(self, name: str, where: Span) -> Pinned | None:
        """What lies beside the pipeline under that name.

        Raises:
            PipelineError: it is not what the lock says.
        """
        locked, kept = self.locked(name, where), self._vendored.get(name)
        if kept and locked not in (None, kept.pin):
            what = f"flow-vendor has {kept.pin} of '{name}', and flow.lock says {locked}"
            raise PipelineError(what, code="digest-mismatch", where=where, help="fetch it anew with 'flow vendor'")
        return kept
