"""Compare the screen, or a text, with a golden."""

from __future__ import annotations

import difflib
import os
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal, Self

import anyio
import anyio.to_thread
from pydantic import AfterValidator, Field, model_validator

from flowrunner.errors import ExpectationError
from flowrunner.interface import Interface
from flowrunner.interfaces.video import Video
from flowrunner.model import Duration
from flowrunner.step import Context, Outputs, Step
from flowrunner_steps import _pictures as pictures

Verdict = Literal["passed", "failed", "updated"]
PAUSE = 0.25
"""Seconds between two looks at the screen."""


def _visible(region: pictures.Region) -> pictures.Region:
    x, y, width, height = region
    if min(x, y) < 0 or min(width, height) < 1:
        raise ValueError("needs [left, top, width, height] in pixels, the last two at least 1")
    return region


Region = Annotated[tuple[int, int, int, int], AfterValidator(_visible)]


class SnapshotOutputs(Outputs):
    """What `snapshot` leaves for later steps."""

    distance: int
    """How far the golden was: bits of the hash, pixels, or lines of a text."""

    path: str
    """The file with what was seen."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """What a comparison found; `diff` is the content of a file that shows it, None when there is nothing to show."""

    distance: int
    unit: str
    diff: bytes | None


class Snapshot(Step):
    """Compare the screen with a golden picture, or a text with a golden text.

    The golden is `snapshots/NAME.png` (`.txt` for a text) beside the pipeline. A golden that is missing is a failure;
    `flow run --update-snapshots` writes it from what is seen. What was seen and what differs are kept with the run.
    The picture's hash has `hash_size` squared bits (42 for colorhash), and `tolerance` of them may differ. A hash sees
    shapes, not letters: use `hash: pixels` where the screen is exactly the same each time.

    ```yaml
    steps:
      - snapshot: login-screen
      - snapshot: {name: menu, hash: phash, tolerance: 4, within: 5s, mask: [[600, 0, 120, 16]]}
      - id: modules
        shell: lsmod
      - snapshot: {name: modules, text: "${{ steps.modules.outputs.stdout }}"}
    ```
    """

    shorthand = "name"
    interfaces = (Video,)

    name: str = Field(pattern=r"^[A-Za-z0-9_][\w.-]*(/[A-Za-z0-9_][\w.-]*)*$")
    """The golden's name, without its ending."""

    text: str | None = None
    """A text to compare instead of the screen, line by line; how lines end means nothing."""

    video: str | None = None
    """Which screen, when the device has several."""

    hash: pictures.Hash = "average"
    """How pictures are compared: by a perceptual hash, or pixel by pixel."""

    hash_size: int = Field(default=8, ge=2, le=64)
    """The hash's side in bits; whash needs a power of two."""

    tolerance: int = Field(default=1, ge=0)
    """How many bits of the hash, or pixels, may differ; or lines of a text, where the default is none."""

    region: Region | None = None
    """Compare only this part: [left, top, width, height] in pixels."""

    mask: list[Region] = []
    """Parts that do not matter, such as a clock: each [left, top, width, height] in pixels."""

    within: Duration = Duration(0)
    """How long to look again while the screen differs; 0s looks once."""

    @model_validator(mode="after")
    def _whash_needs_a_power_of_two(self) -> Self:
        if self.hash == "whash" and self.hash_size & (self.hash_size - 1):
            raise ValueError(f"whash needs a hash_size that is a power of two, got {self.hash_size}")
        return self

    @classmethod
    def wants(cls, given: Collection[str]) -> tuple[type[Interface], ...]:
        return () if "text" in given else cls.interfaces

    async def run(self, context: Context) -> SnapshotOutputs:
        golden = context.home / f"snapshots/{self.name}{'.png' if self.text is None else '.txt'}"
        wanted = await anyio.to_thread.run_sync(_content, golden)
        if context.update_snapshots:
            return await self._update(context, golden, await self._look(context))
        if wanted is None:
            await self._record(context, golden, None, await self._look(context), None, "failed")
            raise ExpectationError(
                f"there is no golden '{_short(context, golden)}'", help="write it: flow run --update-snapshots"
            )
        seen, found = await self._settled(context, wanted)
        verdict: Verdict = "passed" if found.distance <= self._tolerance else "failed"
        path = await self._record(context, golden, wanted, seen, found, verdict)
        if verdict == "failed":
            noun = "the screen" if self.text is None else "the text"
            raise ExpectationError(
                f"{noun} differs from '{_short(context, golden)}' by {found.distance} {found.unit}, "
                f"{self._tolerance} allowed",
                help=f"look at {path}; if it is right: flow run --update-snapshots",
            )
        return SnapshotOutputs(distance=found.distance, path=path)

    @property
    def _tolerance(self) -> int:
        """The tolerance in force: a text must be the same unless the author says otherwise."""
        return 0 if self.text is not None and "tolerance" not in self.model_fields_set else self.tolerance

    async def _look(self, context: Context) -> bytes:
        """What there is to compare, as a file's content."""
        if self.text is not None:
            return ("\n".join(self.text.splitlines()) + "\n").encode()
        return await context.use(Video, path=self.video).snapshot()

    async def _settled(self, context: Context, wanted: bytes) -> tuple[bytes, Judgement]:
        """The first look that is good enough, or the last one in time."""
        end = anyio.current_time() + self.within
        while True:
            seen = await self._look(context)
            found = await anyio.to_thread.run_sync(self._judge, wanted, seen)
            if found.distance <= self._tolerance or self.text is not None or anyio.current_time() >= end:
                return seen, found
            await anyio.sleep(min(PAUSE, max(0.0, end - anyio.current_time())))

    def _judge(self, wanted: bytes, seen: bytes) -> Judgement:
        if self.text is not None:
            return _compare_texts(wanted.decode(errors="replace"), seen.decode())
        golden = pictures.part(pictures.read(wanted, "the golden", "config"), self.region, self.mask)
        actual = pictures.part(pictures.read(seen, "what the screen gave", "device"), self.region, self.mask)
        distance = pictures.distance(golden, actual, self.hash, self.hash_size)
        unit = "pixels" if self.hash == "pixels" else f"bits of its {self.hash}"
        diff = pictures.png(pictures.difference(golden, actual)) if distance > self._tolerance else None
        return Judgement(distance, unit, diff)

    async def _update(self, context: Context, golden: Path, seen: bytes) -> SnapshotOutputs:
        """Write the golden from what was seen."""
        content = seen if self.text is not None else pictures.png(pictures.read(seen, "what the screen gave", "device"))
        await anyio.to_thread.run_sync(_replace, golden, content)
        path = await self._record(context, golden, content, seen, Judgement(0, "", None), "updated")
        context.log(f"wrote {_short(context, golden)}")
        return SnapshotOutputs(distance=0, path=path)

    async def _record(
        self, context: Context, golden: Path, wanted: bytes | None, seen: bytes, found: Judgement | None,
        verdict: Verdict,
    ) -> str:  # fmt: skip
        """Keep the pictures with the run, and tell the reports; returns the file with what was seen."""
        text = self.text is not None
        suffix = ".txt" if text else pictures.suffix(seen)
        files = {"golden": (wanted, golden.suffix), "actual": (seen, suffix)}
        files["diff"] = (found.diff if found else None, ".diff" if text else ".png")
        kept: dict[str, str | None] = {}
        for kind, (content, ending) in files.items():
            kept[kind] = await self._keep(context, kind, content, ending) if content is not None else None
        context.snapshot(
            {"name": self.name, **kept, "distance": found.distance if found else None, "tolerance": self._tolerance,
             "verdict": verdict}
        )  # fmt: skip
        return kept["actual"] or ""

    async def _keep(self, context: Context, kind: str, content: bytes, suffix: str) -> str:
        path = context.artifact(f"{self.name.replace('/', '-')}-{kind}{suffix}", title=f"{self.name}, {kind}")
        await anyio.Path(path).write_bytes(content)
        folder = context.environment.get("FLOW_RUN_DIR")
        return str(path.relative_to(folder)) if folder else str(path)


def _compare_texts(wanted: str, seen: str) -> Judgement:
    before, after = wanted.splitlines(), seen.splitlines()
    lines = list(difflib.unified_diff(before, after, "golden", "actual", lineterm=""))
    changed = [line[0] for line in lines[2:] if line[0] in "+-"]
    distance = max(changed.count("+"), changed.count("-"))
    return Judgement(
        distance, "lines" if distance != 1 else "line", "\n".join([*lines, ""]).encode() if lines else None
    )


def _content(golden: Path) -> bytes | None:
    return golden.read_bytes() if golden.is_file() else None


def _replace(golden: Path, content: bytes) -> None:
    golden.parent.mkdir(parents=True, exist_ok=True)
    fresh = golden.with_name(f".{golden.name}.{os.getpid()}")
    fresh.write_bytes(content)
    fresh.replace(golden)


def _short(context: Context, golden: Path) -> str:
    return str(golden.relative_to(context.home))
