"""Templates in a real registry."""

from __future__ import annotations

from pathlib import Path

from flowrunner.pipeline.oci import KIND
from flowrunner.registry.artifacts import Artifacts
from flowrunner.registry.reference import Access, Reference
from tests.support.registry import PASSWORD, USER, Registry

ACCESS = Access(USER, PASSWORD)


class Shelf:
    """A registry with templates, and an environment in which a pipeline includes from it."""

    def __init__(self, running: Registry, folder: Path) -> None:
        self.host = running.host
        self.blobs = running.blobs
        self.folder = folder
        self.environment = {"FLOW_CACHE_DIR": str(folder / "cache"), "HOME": str(folder)}

    def push(self, tag: str = "1.4", **files: str) -> str:
        """Push files, `_` standing for `.` in their names; returns the digest."""
        place = self.folder / f"pushed-{tag}"
        place.mkdir(exist_ok=True)
        for name, text in files.items():
            (place / name.replace("_", ".")).write_text(text)
        with Artifacts(Reference.parse(f"{self.host}/flows/oem:{tag}"), ACCESS, "library") as target:
            return target.push(place, KIND)

    def pipeline(self, what: str = ":1.4", more: str = "") -> str:
        return f"flow: 1\ninclude: {{a: {{oci: '{self.host}/flows/oem{what}'{more}}}}}\nsteps: [{{call: a.say}}]\n"
