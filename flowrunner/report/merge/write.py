"""The folder of a joined run: a journal, a plan, and the files that the journal names."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from flowrunner.engine.folder import LOCK
from flowrunner.engine.lines import Event, seal
from flowrunner.engine.run import new_id
from flowrunner.errors import BenchError, PipelineError
from flowrunner.report.merge.join import join
from flowrunner.report.merge.parts import find_parts, read_wanted
from flowrunner.report.runs import JOURNAL
from flowrunner.report.writer import write_reports

FILES = ("file", "golden", "actual", "diff")
"""Fields of events that name files of the run's folder."""


def merge(places: Sequence[Path], runs: Path) -> tuple[Path, Sequence[str]]:
    """Join the runs in or below `places` into one below `runs`, with its reports; it appears whole or not at all.

    Returns its folder, and the jobs of which there was no run.

    Raises:
        PipelineError: there is none, or they are of different plans.
        BenchError: it could not be written.
    """
    parts = find_parts(places)
    if not parts:
        where = " or ".join(map(str, places))
        raise PipelineError(f"there is no run in {where}", code="unknown-run", help="each flow run writes one")
    joined = join(parts, read_wanted(parts[-1].folder))
    id = new_id()
    folder, new = runs / id, runs / f".{id}"
    try:
        new.mkdir(parents=True)
        (new / LOCK).touch()
        shutil.copyfile(parts[-1].folder / "plan.json", new / "plan.json")
        names: Names = {}
        for part, kept in joined.kept.items():
            names |= _copied(part.folder, kept, new, joined.shifts[part])
        _write_journal(new / JOURNAL, id, joined.events, names)
        write_reports(new)
        new.replace(folder)
    except OSError as error:
        shutil.rmtree(new, ignore_errors=True)
        what = f"the joined run {folder} could not be written: {error.strerror}"
        raise BenchError(what, blame="infra", help="make room, or choose another place with --runs") from error
    except BenchError:
        shutil.rmtree(new, ignore_errors=True)
        raise
    return folder, joined.lost


Names = dict[tuple[str, str], str]
"""What a file is called in the joined run, by the path of its step and what it was called before."""


def _write_journal(path: Path, id: str, events: Sequence[dict[str, Any]], names: Names) -> None:
    with path.open("wb") as file:
        for number, event in enumerate(events):
            renamed = {key: names.get((str(event.get("path")), str(event.get(key))), event[key])
                       for key in FILES if key in event}  # fmt: skip
            own = {"id": id} if event["event"] == "run.started" else {}
            file.write(seal({"n": number, **event, **renamed, **own}))
        file.flush()
        os.fsync(file.fileno())


def _copied(old: Path, kept: Sequence[Event], new: Path, shift: float) -> Names:
    """Copy what the events of a part name, under names that nothing else has."""
    found: Names = {}
    for event in kept:
        if event["event"] == "console.opened":
            _copy(old, event["log"], new, event["log"])
            _restamp(old, event["times"], new, shift)
        elif event["event"] in ("artifact", "snapshot"):
            for name in {str(event[key]) for key in FILES if event.get(key)}:
                key = (str(event["path"]), name)
                if key not in found and _inside(old, name):
                    found[key] = _free(new, name)
                    _copy(old, name, new, found[key])
    return found


def _free(new: Path, name: str) -> str:
    """A name that no file of the joined run has."""
    wanted, number = Path(name), 1
    while (new / wanted).exists():
        number += 1
        wanted = Path(name).with_stem(f"{Path(name).stem}-{number}")
    (new / wanted).parent.mkdir(parents=True, exist_ok=True)
    return str(wanted)


def _inside(folder: Path, name: str) -> Path | None:
    """The file `name` of a run, when it is there: what a journal names outside of its folder is not copied."""
    path = (folder / name).resolve()
    return path if path.is_relative_to(folder.resolve()) and path.is_file() else None


def _copy(old: Path, name: str, new: Path, free: str) -> None:
    path = _inside(old, name)
    if path:
        shutil.copyfile(path, new / free)


def _restamp(old: Path, name: str, new: Path, shift: float) -> None:
    """Copy a time-stamped log, each time `shift` seconds later."""
    path = _inside(old, name)
    if path is None:
        return
    with path.open("rb") as lines, (new / name).open("wb") as out:
        for line in lines:
            try:
                time = float(line[1:14])
            except ValueError:
                out.write(line)
                continue
            out.write(b"[%13.6f]" % (time + shift) + line[15:])
