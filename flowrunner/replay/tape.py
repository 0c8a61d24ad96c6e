"""A recording as it is read back: what was asked in which order, what was answered when, what consoles printed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flowrunner.console.log import PIECE
from flowrunner.engine.lines import Event, read
from flowrunner.errors import BenchError
from flowrunner.replay.asked import Asked
from flowrunner.replay.lanes import Lanes
from flowrunner.replay.store import FILE


@dataclass(slots=True, kw_only=True)
class Leased:
    """One device of the recording: when its drivers were open, and what it consists of."""

    number: int
    t: float
    job: str
    role: str
    parts: Mapping[str, Mapping[str, Any]]
    acquired: Event
    requested: Event | None
    taken: bool = False


class Tape:
    """The recording in a run's folder."""

    def __init__(self, folder: Path) -> None:
        """Read it.

        Raises:
            BenchError: the run was not recorded.
        """
        self.folder = folder
        self.journal = read(folder / "journal.jsonl")
        if not (folder / FILE).exists():
            raise BenchError(
                f"{folder} holds no recording", blame="config",
                help="it was made by 'flow run --no-record', by an older version, or is a replay itself",
            )  # fmt: skip
        lines = read(folder / FILE)
        self.answers: dict[int, list[Event]] = defaultdict(list)
        self.clock: dict[str, list[float]] = defaultdict(list)
        self.began: dict[str, list[float]] = defaultdict(list)
        for line in lines:
            if "of" in line:
                self.answers[line["of"]].append(line)
            for path, time in line.get("looked", ()):
                self.clock[path].append(time)
            for path, time in line.get("began", ()):
                self.began[path].append(time)
        self.consoles = {line["console"]: (line["lease"], line["part"]) for line in lines if line["event"] == "console"}
        self.leases = self._leases([line for line in lines if line["event"] == "leased"])
        self.connects: dict[tuple[int, str], list[Event]] = defaultdict(list)
        self.asked = self._asked(lines)
        self.lanes = Lanes(self.journal)
        self.end = max([float(event["t"]) for event in (*self.journal[-1:], *lines[-1:])], default=0.0)

    @property
    def started(self) -> Event:
        """What the journal says about the run first; empty when it says nothing."""
        return next((event for event in self.journal if event["event"] == "run.started"), {})

    def pieces(self, console: str) -> list[tuple[float, bytes]]:
        """What the console printed, piece by piece, with the times."""
        log = self.folder / f"{console}.log"
        cuts = log.with_name(log.stem + ".pieces")
        try:
            data, raw = log.read_bytes(), cuts.read_bytes()
        except OSError as error:
            raise BenchError(
                f"the recording of {console} could not be read: {error.strerror}", blame="infra"
            ) from error
        found, start = [], 0
        for time, size in PIECE.iter_unpack(raw[: len(raw) // PIECE.size * PIECE.size]):
            if start + size > len(data):
                break
            found.append((time, data[start : start + size]))
            start += size
        return found

    def _leases(self, lines: Sequence[Event]) -> list[Leased]:
        acquired = defaultdict[tuple[str, str], list[Event]](list)
        requested = defaultdict[tuple[str, str], list[Event]](list)
        for event in self.journal:
            if event["event"] in ("lease.acquired", "lease.requested"):
                kind = acquired if event["event"] == "lease.acquired" else requested
                kind[event.get("job", ""), event["role"]].append(event)
        found, count = [], defaultdict[tuple[str, str], int](int)
        for line in lines:
            key = line["job"], line["role"]
            which, count[key] = count[key], count[key] + 1
            got = acquired[key][which] if which < len(acquired[key]) else {}
            wanted = requested[key][which] if which < len(requested[key]) else None
            found.append(
                Leased(
                    number=line["lease"], t=line["t"], job=line["job"], role=line["role"], parts=line["parts"],
                    acquired=got, requested=wanted,
                )
            )  # fmt: skip
        return found

    def _asked(self, lines: Sequence[Event]) -> list[Asked]:
        places = {*self.consoles.values()}
        outside = [line for line in lines if line["event"] == "outside"]
        spans = {line["n"]: self._span(line) for line in outside}
        hidden = defaultdict[str, list[tuple[float, float]]](list)
        for line in outside:
            hidden[line["path"]].append(spans[line["n"]])
        found = [
            Asked(
                number=line["n"], t=line["t"], kind="outside", lease=None, target=line["action"], method="",
                arguments=line["parameters"], path=line["path"],
            )
            for line in outside
        ]  # fmt: skip
        for line in lines:
            if line["event"] != "call" or _within(line["t"], hidden.get(line["path"], ())):
                continue
            if line["method"] == "connect" and (line["lease"], line["part"]) in places:
                self.connects[line["lease"], line["part"]].append(line)
                continue
            found.append(
                Asked(
                    number=line["n"], t=line["t"], kind="call", lease=line["lease"],
                    target=self.part(line["lease"], line["part"]),
                    method=line["method"], arguments=line["arguments"], path=line["path"],
                )
            )  # fmt: skip
        for event in self.journal:
            if event["event"] == "sent" and not _within(event["t"], hidden.get(event["path"], ())):
                lease, _ = self.consoles.get(event["console"], (None, ""))
                found.append(
                    Asked(
                        number=-1, t=event["t"], kind="send", lease=lease, target=event["console"],
                        method=event["text"], arguments=None, path=event["path"],
                    )
                )  # fmt: skip
        return sorted(found, key=lambda asked: asked.t)

    def part(self, lease: int, part: str) -> str:
        """The path of a part with its role: `dut.power`."""
        role = self.leases[lease].role
        return f"{role}.{part}" if part else role

    def ending(self, path: str, t: float) -> Event | None:
        """How the attempt of a step that began at `t` ended; None when the journal stops before."""
        wanted = ("attempt.finished", "step.finished")
        ends = (e for e in self.journal if e.get("path") == path and e["event"] in wanted and e["t"] >= t - 1e-5)
        first = next(ends, None)
        if first is None or first["event"] == "step.finished" or first["outcome"] != "passed":
            return first
        return {**next(ends, first), "t": first["t"]}

    def _span(self, line: Event) -> tuple[float, float]:
        end = self.ending(line["path"], line["t"])
        return line["t"], float("inf") if end is None else end["t"]

    def place(self, path: str) -> Mapping[str, Any] | None:
        """Where the step at `path` was written."""
        return next((e["where"] for e in self.journal if e["event"] == "step.started" and e["path"] == path), None)


def _within(t: float, spans: Sequence[tuple[float, float]]) -> bool:
    return any(start <= t <= end for start, end in spans)
