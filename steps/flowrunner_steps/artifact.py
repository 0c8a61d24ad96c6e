"""Keep files with the run."""

from __future__ import annotations

import shutil
from glob import has_magic
from pathlib import Path

import anyio.to_thread

from flowrunner.errors import ExpectationError
from flowrunner.step import Context, Outputs, Step


class ArtifactOutputs(Outputs):
    """What `artifact` leaves for later steps."""

    files: list[str]
    """The names of the files that were kept, in order."""


class Artifact(Step):
    """Copy files into the run's folder, where the report shows them.

    Paths start in the pipeline's folder; `*`, `?`, `[...]` and `**` are understood.

    ```yaml
    steps:
      - artifact: build/rootfs.manifest
      - artifact: {path: ["logs/*.txt", "coverage/**/*.xml"], optional: true}
    ```
    """

    shorthand = "path"
    outside = True

    path: str | list[str]
    """The file or files."""

    title: str | None = None
    """What the report calls them; the file's name when left out."""

    optional: bool = False
    """Whether finding none is fine."""

    async def run(self, context: Context) -> ArtifactOutputs:
        paths = [self.path] if isinstance(self.path, str) else self.path
        kept = [name for text in paths for name in await anyio.to_thread.run_sync(self._keep, context, text)]
        return ArtifactOutputs(files=kept)

    def _keep(self, context: Context, text: str) -> list[str]:
        found = _files(context.path(text))
        if not found and not self.optional:
            advice = "no file matches" if has_magic(text) else f"looked in {context.folder}"
            raise ExpectationError(f"there is no file '{text}' to keep", help=advice)
        kept = []
        for source in found:
            if source.is_dir():
                raise ExpectationError(f"'{text}' is a folder", help=f"name its files: {text.rstrip('/')}/**/*")
            target = context.artifact(source.name, title=self.title)
            shutil.copyfile(source, target)
            kept.append(target.name)
        return kept


def _files(path: Path) -> list[Path]:
    """What `path` stands for: itself, or the files that its pattern matches, by name."""
    if not has_magic(str(path)) or path.exists():
        return [path] if path.exists() else []
    fixed = [part for part in path.parts if not has_magic(part)]
    depth = next(i for i, part in enumerate(path.parts) if has_magic(part))
    start = Path(*fixed[:depth])
    return sorted(match for match in start.glob(str(Path(*path.parts[depth:]))) if match.is_file())
