"""A run on a terminal: finished steps scroll up as a tree, what is going on stays at the bottom."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from threading import Event as Flag
from threading import RLock, Thread
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from flowrunner.report.fleet_rows import rows
from flowrunner.report.follow import Follow, Moving, Running, depth
from flowrunner.report.rollouts import Rollouts
from flowrunner.report.text import one_line, plain, seconds, size
from flowrunner.report.words import describe, why

Event = Mapping[str, Any]

STYLES = {"passed": "green", "failed": "bold red", "errored": "bold yellow", "canceled": "magenta", "skipped": "dim"}
GLYPHS = {"passed": "✓", "failed": "✗", "errored": "!", "canceled": "■", "skipped": "-"}

TAIL_LINES = 6
COLUMN = 44


class LiveTree:
    """A listener, and a context manager around the run.

    The terminal's modes are never changed and its cursor stays visible: there is nothing to restore, however the
    process ends. It is drawn again every `pause` seconds, by a thread of our own: rich's would take its lock before
    ours, and we take ours before rich's.
    """

    def __init__(self, console: Console, *, echo: bool = False, pause: float = 0.1) -> None:
        self._console = console
        self._echo = echo
        self._follow = Follow()
        self._rollouts = Rollouts()
        self._lock = RLock()
        self._seen, self._seen_at = -1.0, 0.0
        self._skipped: list[str] = []
        self._beside = False
        self._partial: dict[str, bytes] = {}
        self._spinner = Spinner("dots", style="cyan")
        self._pause = pause
        self._over = Flag()
        self._drawing = Thread(target=self._draw, name="live", daemon=True)
        self._live = Live(
            get_renderable=self._frame, console=console, auto_refresh=False, transient=True, vertical_overflow="crop"
        )

    def __enter__(self) -> LiveTree:
        self._live.start()
        self._console.show_cursor(True)
        self._drawing.start()
        return self

    def _draw(self) -> None:
        while not self._over.wait(self._pause):
            with self._lock, suppress(OSError):  # a terminal that has gone is noticed where lines are printed
                self._live.refresh()

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._drawing.join()
        with self._lock:
            self._flush_skipped()
            self._follow.running.clear()
        self._live.stop()

    def remember(self, events: Iterable[Event]) -> None:
        """Take in what earlier runners of this run did, without showing it."""
        for event in events:
            self._rollouts.take(event)

    def __call__(self, event: Event) -> None:
        """Take `event` in; lines that stay are printed at once, the rest is drawn ten times a second."""
        with self._lock:
            self._rollouts.take(event)
            if self._rollouts.inside(str(event.get("path") or event.get("job") or event.get("console", ""))):
                return  # a fleet is shown as a whole
            step = self._follow.running.get(event.get("path", "")) if event["event"] == "step.finished" else None
            self._follow.take(event)
            if event["event"] == "console.data":
                self._echoed(event)
            elif event["event"] != "progress":
                self._print(event, step)

    def _print(self, event: Event, step: Running | None) -> None:
        kind = event["event"]
        if kind == "run.started":
            self._out(Text.assemble((event["pipeline"], "bold"), (f"  run {event['id']}", "dim")))
        elif kind == "step.started" and event["block"]:
            self._beside |= event["action"] in ("job", "branch")
            self._flush_skipped()
            self._out(
                self._line(
                    event["path"],
                    "▸",
                    "cyan",
                    event["name"] if event["id"] or event["action"] == "job" else event["action"],
                )
            )
        elif kind == "scope.started" and event["part"] != "body":
            self._flush_skipped()
            place = f"{event['path']}.{event['part']}".lstrip(".")
            text = place if self._beside else "  " * _inner(event["path"]) + event["part"]
            self._out(Text(f"  {text}", "dim italic"))
        elif kind == "step.finished":
            self._finished(event, step)
        elif kind == "output" and self._echo:
            for line in plain(event["text"]).splitlines():
                self._out(Text(f"{event['path']} │ {line}", "dim"))
        elif words := describe(event):
            self._flush_skipped()
            self._said(0 if self._beside else depth(event.get("path", "")), *words)

    def _said(self, level: int, verb: str, rest: str) -> None:
        alarming = verb in ("UNSAFE", "lost", "error")
        style = "bold red" if alarming else "yellow" if verb in ("retry", "warning", "waiting", "cancel") else "dim"
        glyph = "!" if alarming else "↻" if verb == "retry" else "·"
        self._out(Text(f"{'  ' * level}  {glyph} {verb} {rest}", style))

    def _finished(self, event: Event, step: Running | None) -> None:
        outcome = event["outcome"]
        if outcome == "skipped":
            self._skipped.append(event["path"])
            return
        self._flush_skipped()
        if step and step.block and step.action != "job" and outcome == "passed" and event["attempts"] < 2:
            return
        line = self._line(event["path"], GLYPHS.get(outcome, "?"), STYLES.get(outcome, ""), step.action if step else "")
        took = seconds(event["ended"] - event["started"]) if event["started"] is not None else ""
        line.append(f"{took:>8}", "dim")
        if event["attempts"] > 1:
            line.append(f"  {event['attempts']} attempts", "yellow")
        if event["warning"]:
            line.append("  warning", "yellow")
        if outcome != "passed" and not (step and step.block):
            line.append(f"  {why(event).lstrip(': ')}", STYLES.get(outcome, ""))
        self._out(line)

    def _line(self, path: str, glyph: str, style: str, more: str) -> Text:
        """A line of the tree; once things run beside each other there is none, and paths are told in full."""
        text = Text("  " if self._beside else "  " * depth(path) + "  ")
        text.append(f"{glyph} ", style)
        text.append(path if self._beside else path.rpartition(".")[2], "" if glyph != "▸" else "bold")
        text.append(f"  {one_line(more, 60)}", "dim")
        text.pad_right(max(0, COLUMN - text.cell_len))
        return text

    def _flush_skipped(self) -> None:
        if self._skipped:
            outer = [path for path in self._skipped if not any(path.startswith(f"{one}.") for one in self._skipped)]
            names = ", ".join(outer[:6]) + (", …" if len(outer) > 6 else "")
            self._out(Text(f"  - skipped: {names}", "dim"))
            self._skipped.clear()

    def _out(self, text: Text) -> None:
        self._console.print(text, overflow="fold", highlight=False)

    def _echoed(self, event: Event) -> None:
        if not self._echo:
            return
        name = event["console"]
        *lines, rest = (self._partial.get(name, b"") + bytes(event["data"])).split(b"\n")
        self._partial[name] = rest[-65536:]
        if lines:
            self._out(Text("\n".join(f"{name} │ {plain(line.rstrip(bytes([13])))}" for line in lines), "dim"))

    def _frame(self) -> RenderableType:
        with self._lock:
            return Group(*self._rows())

    def _rows(self) -> Iterator[RenderableType]:
        follow = self._follow
        now = max(follow.time, self._now())
        for role, words in follow.waiting.items():
            yield Text(f"  {role}: {one_line(words)}", "yellow", no_wrap=True, overflow="ellipsis")
        for rollout in self._rollouts.found.values():
            if rollout.path in follow.running:
                yield from rows(rollout, self._console.width)
        steps = [step for step in follow.running.values() if not step.block]
        if follow.console and not self._echo and steps:
            yield from self._tail(follow.console)
        for step in steps[-4:]:
            yield self._step(step, now)
            if step.moving:
                yield _moving(step.moving, self._console.width)
        counts = [f"{count} {name}" for name, count in follow.counts.items()]
        yield Text("  " + " · ".join([seconds(now), *counts]), "dim", no_wrap=True, overflow="ellipsis")

    def _now(self) -> float:
        """The run's time at this moment: that of the last event, and what has passed since."""
        clock = self._console.get_time()
        if self._seen != self._follow.time:
            self._seen, self._seen_at = self._follow.time, clock
        return self._seen + clock - self._seen_at

    def _step(self, step: Running, now: float) -> RenderableType:
        row = Table.grid(padding=(0, 1))
        attempt = f"  attempt {step.attempt}" if step.attempt > 1 else ""
        label = Text.assemble((step.path, "bold"), (f"  {step.action}", "dim"), (attempt, "yellow"))
        row.add_row(Text(" "), self._spinner, label, Text(seconds(now - step.started), "cyan"))
        return row

    def _tail(self, name: str) -> Iterator[RenderableType]:
        lines = [line for line in plain(self._follow.consoles[name]).splitlines() if line.strip()]
        yield Text(f"  ┌ {name}", "dim")
        for line in lines[-TAIL_LINES:]:
            yield Text(f"  │ {line.expandtabs(8)}", "dim", no_wrap=True, overflow="ellipsis")


def _inner(path: str) -> int:
    return depth(path) + 1 if path else 0


def _moving(moving: Moving, width: int) -> RenderableType:
    """A bar when the end is known, and in any case how much and how fast."""
    show = size if moving.unit == "B" else lambda value: f"{value:g} {moving.unit}".strip()
    words = [f"{show(moving.done)} of {show(moving.total)}" if moving.total else show(moving.done)]
    if moving.rate:
        words.append(f"{show(moving.rate)}/s")
    if moving.left is not None:
        words.append(f"{seconds(moving.left)} left")
    row = Table.grid(padding=(0, 1))
    bar = ProgressBar(total=moving.total, completed=moving.done, width=max(10, min(40, width - 60)))
    row.add_row(Text("    "), bar if moving.total else Text("…"), Text(", ".join(words), "cyan"))
    return row
