"""What one run has all through: its plan, folder, clock, journal, lab."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from flowrunner.engine.chosen import Chosen
from flowrunner.engine.clock import Clock
from flowrunner.engine.halt import Halt
from flowrunner.engine.journal import JobJournal, Journal
from flowrunner.engine.lab import Lab, Owner
from flowrunner.engine.mask import Masker, StreamMask
from flowrunner.engine.past import Past
from flowrunner.engine.witness import Witness
from flowrunner.pipeline.plan import Plan

PIECE = 4096
"""Bytes of live output in one journal line."""

FINALLY = 180.0
"""Seconds that `rescue` and `finally` have each, unless the pipeline says otherwise."""


Turn = Callable[[str, str, Callable[[str, int], None]], AbstractAsyncContextManager[None]]
"""Makes whoever enters the only one of a group: its name, who asks, and what is told whose turn it is and the place."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How a run is to be done. `facts` go into the journal's first line; `hidden` are masked as secrets are.

    `left_out` are the paths in the plan of nodes that do not run, with the reason. `turn` keeps concurrency groups
    apart from those of other runs; without it only those of this run count. `witness` sees all that the run asks of the
    world. With `chosen` only a part of the jobs is run. With `images` the run is frozen: they are the digests of those
    from elsewhere.
    """

    update_snapshots: bool = False
    ci: bool = False
    fsync: bool = True
    environment: Mapping[str, str] = field(default_factory=dict)
    hidden: Sequence[str] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)
    turn: Turn | None = None
    left_out: Mapping[str, str] = field(default_factory=dict)
    witness: Witness | None = None
    chosen: Chosen | None = None
    images: Mapping[str, str] | None = None


@dataclass(slots=True, kw_only=True)
class Run:
    """One run. `body` stops the steps (first Ctrl-C), `last` stops finally as well (second).

    `job` is the path of the job at work, empty in a run without jobs; `past` is what an earlier runner
    of this run did; `groups` are the locks of concurrency groups.
    """

    id: str
    folder: Path
    plan: Plan
    options: Options
    clock: Clock
    masker: Masker
    journal: Journal
    lab: Lab
    owner: Owner
    body: Halt = field(default_factory=Halt)
    last: Halt = field(default_factory=Halt)
    job: str = ""
    past: Past | None = None
    groups: dict[str, asyncio.Lock] = field(default_factory=dict)
    _count: itertools.count[int] = field(default_factory=itertools.count)
    _streams: dict[tuple[str, str], StreamMask] = field(default_factory=dict)

    def inside(self, job: str) -> Run:
        """This run as the job with the path `job` sees it: what it writes says so."""
        return replace(self, journal=JobJournal(self.journal, job), job=job)

    def turn(self, group: str, path: str) -> AbstractAsyncContextManager[Any]:
        """Be the only one of `group`, in the order of asking; the job at `path` waits for it."""
        if self.options.turn is None:
            return self.groups.setdefault(group, asyncio.Lock())

        def waiting(owner: str, position: int) -> None:
            self.journal.write("turn.waiting", path=path, group=group, owner=owner, position=position)

        return self.options.turn(group, str(self.owner), waiting)

    @property
    def witness(self) -> Witness | None:
        """Who records this run, or answers in the world's place."""
        return self.options.witness

    @property
    def seed(self) -> str:
        """What chance is drawn from in this run."""
        return self.witness.seed if self.witness else self.id

    def scratch(self) -> Path:
        """A new folder for one attempt's files; the whole of it goes when the run ends."""
        path = self.folder / "work" / str(next(self._count))
        path.mkdir(parents=True)
        return path

    def artifact_path(self, name: str) -> Path:
        """A path among the artifacts that nothing has taken; slashes in `name` make no folders."""
        folder = self.folder / "artifacts"
        folder.mkdir(exist_ok=True)
        wanted = Path(name.replace("/", "_").lstrip(".") or "artifact")
        names = itertools.chain((wanted.name,), (f"{wanted.stem}-{n}{wanted.suffix}" for n in itertools.count(2)))
        path = next(folder / name for name in names if not (folder / name).exists())
        path.touch()
        return path

    def console_name(self, wanted: str) -> str:
        """`wanted`, or with a number behind it when an earlier lease of this run had a console of that name."""
        wanted = console_prefix(self.job) + wanted
        names = itertools.chain((wanted,), (f"{wanted}~{n}" for n in itertools.count(2)))
        return next(name for name in names if not (self.folder / f"{name}.log").exists())

    def output(self, path: str, data: bytes, stream: Literal["stdout", "stderr"]) -> None:
        """Journal live output of a step, masked over the borders of its pieces."""
        mask = self._streams.setdefault((path, stream), self.masker.stream())
        self._write_output(path, mask.feed(data), stream)

    def end_output(self, path: str) -> None:
        """Journal what the maskers of a step's output still hold back."""
        for key in [key for key in self._streams if key[0] == path]:
            self._write_output(path, self._streams.pop(key).flush(), key[1])

    def _write_output(self, path: str, data: bytes, stream: str) -> None:
        for start in range(0, len(data), PIECE):
            text = data[start : start + PIECE].decode("utf-8", "backslashreplace")
            self.journal.write("output", path=path, stream=stream, text=text)

    def mask_file(self, path: Path) -> None:
        """Mask secrets in a file that a step wrote."""
        if not self.masker.spellings:
            return
        data = path.read_bytes()
        masked = self.masker.stars(data)
        if masked != data:
            path.write_bytes(masked)


def console_prefix(job: str) -> str:
    """What the names of a job's consoles begin with: `smoke[0]` gives `smoke.0.`, no job nothing."""
    return job.replace("[", ".").replace("]", "") + "." if job else ""
