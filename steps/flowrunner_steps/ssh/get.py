"""Fetch files from the device by SSH."""

from __future__ import annotations

import posixpath
import tarfile
from pathlib import Path

import anyio.to_thread
from pydantic import Field

from flowrunner.interfaces.ssh_copying import get, inside
from flowrunner.model import Duration, Size
from flowrunner.step import Context, Outputs
from flowrunner_steps._ssh import AtSsh


class GetOutputs(Outputs):
    """What was fetched."""

    path: str
    """Where it is now."""

    files: int
    """How many files were fetched."""

    bytes: Size
    """Their size."""

    seconds: Duration
    """How long it took."""


class Get(AtSsh):
    """Fetch a file or a folder from the device by SSH (SFTP).

    Without `to` it is an artifact of the run: a file as it is, a folder packed (`.tar.gz`). A file gets its name when
    it is whole, and is compared with what the device has.

    ```yaml
    steps:
      - ssh.get: /var/log/messages
      - ssh.get: {path: /var/crash, save: crash}
      - ssh.get: {path: /etc/app.conf, to: build/app.conf}
    finally:
      - ssh.get: /var/log
        on_failure: continue
    ```
    """

    shorthand = "path"
    kind = "setup"

    path: str = Field(min_length=1)
    """The file or folder on the device."""

    to: str | None = None
    """Where it goes, relative to the pipeline's folder: the new name, or a folder that is there."""

    save: str | None = None
    """What the artifact is called; the name on the device when left out."""

    verify: bool = True
    """Whether files are compared with what the device has; what a log has grown meanwhile does not count."""

    async def run(self, context: Context) -> GetOutputs:
        start, fetched = context.now(), 0
        name = posixpath.basename(self.path.rstrip("/")) or "root"
        target = inside(self.path, context.path(self.to)) if self.to else context.work / name

        def progress(size: int) -> None:
            nonlocal fetched
            fetched += size
            context.progress(fetched)

        async with self.logged_in(context) as (ssh, login):
            done = await get(ssh, self.path, target, verify=self.verify, login=login, progress=progress)
        kept = target if self.to else await anyio.to_thread.run_sync(self._keep, context, target, self.save or name)
        return GetOutputs(path=str(kept), files=done.files, bytes=Size(done.bytes), seconds=context.now() - start)

    def _keep(self, context: Context, found: Path, name: str) -> Path:
        """Make an artifact of what was fetched."""
        if not found.is_dir():
            return found.replace(context.artifact(name, title=self.path))
        place = context.artifact(name if name.endswith(".tar.gz") else f"{name}.tar.gz", title=self.path)
        with tarfile.open(place, "w:gz") as archive:
            archive.add(found, arcname=found.name)
        return place
