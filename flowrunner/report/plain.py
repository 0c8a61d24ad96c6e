"""A run as plain lines, for logs: when, what happened, to which step, how long it took."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Literal

from flowrunner.report.rollouts import Rollouts
from flowrunner.report.text import plain, seconds
from flowrunner.report.words import describe, title, why

Event = Mapping[str, Any]
Groups = Literal["github", "gitlab"]


class PlainLines:
    """A listener that writes one line for each event worth one; `console` adds what the consoles print."""

    def __init__(self, write: Callable[[str], None], *, console: bool = False, groups: Groups | None = None) -> None:
        self._write = write
        self._console = console
        self._groups = groups
        self._group: str | None = None
        self._partial: dict[str, bytes] = {}
        self._tails: dict[str, list[str]] = {}
        self._blocks: set[str] = set()
        self._rollouts = Rollouts()

    def remember(self, events: Iterable[Event]) -> None:
        """Take in what earlier runners of this run did, without showing it."""
        for event in events:
            self._rollouts.take(event)

    def __call__(self, event: Event) -> None:
        """Write what `event` is worth."""
        kind = event["event"]
        self._rollouts.take(event)
        if self._rollouts.inside(str(event.get("path") or event.get("job") or "")) and not self._is_news(event):
            return
        if kind == "console.data":
            self._echo(event["console"], bytes(event["data"]))
        elif kind == "output":
            self._output(event)
        elif kind == "step.started":
            self._open_group(event["path"])
            self._blocks |= {event["path"]} if event["block"] else set()
            self._line(event, "start", f"{event['path']} ({title(event)})")
        elif kind == "step.finished":
            self._finished(event)
        elif kind == "run.started":
            self._line(event, "run", f"{event['id']} of {event['file']}")
        elif kind == "run.finished":
            self.close()
        elif words := describe(event):
            self._line(event, *words)

    def _is_news(self, event: Event) -> bool:
        """Whether to write a line inside of a device's turn: of a fleet only verdicts are of interest."""
        kind = event["event"]
        return kind == "device.deferred" or (kind == "step.finished" and self._rollouts.is_turn(str(event["path"])))

    def close(self) -> None:
        """Write what is still held back."""
        for name, rest in self._partial.items():
            if rest:
                self._write(f"{name} | {plain(rest)}\n")
        self._partial.clear()
        self._close_group()

    def _finished(self, event: Event) -> None:
        took = "" if event["started"] is None else f" {seconds(event['ended'] - event['started'])}"
        tries = f", {event['attempts']} attempts" if event["attempts"] > 1 else ""
        tolerated = " (warning)" if event["warning"] else ""
        block = event["path"] in self._blocks and bool(event.get("because"))
        reason = "" if event["outcome"] == "passed" else f": because of {event['because']}" if block else why(event)
        name = self._rollouts.label(event["path"])
        self._line(event, event["outcome"], f"{name}{took}{tries}{tolerated}{reason}")
        tail = self._tails.pop(event["path"], [])
        if event["outcome"] in ("failed", "errored") and not block:
            said = plain(event["said"]).splitlines()[-10:] if event.get("said") else tail[-10:]
            self._write("".join(f"{'':11}| {line}\n" for line in said))
        if event["path"] == self._group:
            self._close_group()

    def _line(self, event: Event, verb: str, rest: str) -> None:
        self._write(f"{event['t']:8.1f}s  {verb:<8} {rest}\n")

    def _echo(self, name: str, data: bytes) -> None:
        if not self._console:
            return
        *lines, rest = (self._partial.get(name, b"") + data).split(b"\n")
        self._partial[name] = rest[-65536:]
        self._write("".join(f"{name} | {plain(line.rstrip(bytes([13])))}\n" for line in lines))

    def _output(self, event: Event) -> None:
        lines = plain(event["text"]).splitlines()
        self._tails[event["path"]] = (self._tails.get(event["path"], []) + lines)[-10:]
        if self._console:
            self._write("".join(f"{event['path']} | {line}\n" for line in lines))

    def _open_group(self, path: str) -> None:
        if self._groups is None or self._group is not None:
            return
        self._group = path
        name = "".join(c if c.isalnum() else "_" for c in path)
        start = f"section_start:{time.time():.0f}:{name}\r\x1b[0K{path}\n"
        self._write(f"::group::{path}\n" if self._groups == "github" else start)

    def _close_group(self) -> None:
        if self._group is None:
            return
        name = "".join(c if c.isalnum() else "_" for c in self._group)
        end = f"section_end:{time.time():.0f}:{name}\r\x1b[0K\n"
        self._write("::endgroup::\n" if self._groups == "github" else end)
        self._group = None
