"""Which display a run gets, and what is said when it is over."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from flowrunner.report.model import Summary
from flowrunner.report.plain import Groups, PlainLines
from flowrunner.report.planned import Planned, read_plan
from flowrunner.report.summary import summarize
from flowrunner.report.text import seconds
from flowrunner.report.verdict import cause_lines, count_words, headline, job_lines

if TYPE_CHECKING:
    from rich.console import Console

    from flowrunner.report.live import LiveTree

Event = Mapping[str, Any]
Listener = Callable[[Event], None]

STYLES = {"passed": "bold green", "failed": "bold red", "errored": "bold yellow", "canceled": "bold magenta"}


@contextmanager
def display(
    folder: Path,
    *,
    plain: bool = False,
    console: bool = False,
    sources: Mapping[str, str] | None = None,
    stream: TextIO | None = None,
    environment: Mapping[str, str] = os.environ,
    earlier: Sequence[Event] = (),
) -> Iterator[Listener]:
    """Show a run as it goes on, and its verdict at the end.

    A terminal gets the live tree unless `plain`, TERM=dumb or CI says otherwise; `console` shows what consoles print.
    `earlier` are the events of the runners before this one, when the run was resumed.
    A reader that goes away ends the display, not the run.
    """
    out = stream or sys.stdout
    events: list[Event] = [*earlier]
    if plain or not is_live(out, environment):
        lines = PlainLines(_writer(out), console=console, groups=_groups(environment))
        lines.remember(earlier)
        try:
            yield _guarded(lines, events)
        finally:
            _quietly(lines.close)
        _quietly(lambda: _say_plain(out, _summary(events, folder, sources), folder))
        return
    with _live(out, console, environment) as (terminal, tree):
        tree.remember(earlier)
        yield _guarded(tree, events)
    _quietly(lambda: _say_live(terminal, _summary(events, folder, sources), folder))


def is_live(stream: TextIO, environment: Mapping[str, str]) -> bool:
    """Whether `stream` is a terminal on which lines can be drawn again."""
    return stream.isatty() and environment.get("TERM", "dumb") != "dumb" and not environment.get("CI")


@contextmanager
def _live(out: TextIO, echo: bool, environment: Mapping[str, str]) -> Iterator[tuple[Console, LiveTree]]:
    # rich takes 50 ms to import, and only a terminal needs it.
    from rich.console import Console

    from flowrunner.report.live import LiveTree

    terminal = Console(file=out, highlight=False, markup=False, emoji=False, no_color="NO_COLOR" in environment)
    with LiveTree(terminal, echo=echo) as tree:
        yield terminal, tree


def _groups(environment: Mapping[str, str]) -> Groups | None:
    if environment.get("GITHUB_ACTIONS") == "true":
        return "github"
    return "gitlab" if environment.get("GITLAB_CI") else None


def _writer(out: TextIO) -> Callable[[str], None]:
    encoding = getattr(out, "encoding", None) or "utf-8"

    def write(text: str) -> None:
        out.write(text.encode(encoding, "replace").decode(encoding))
        out.flush()

    return write


def _guarded(show: Listener, events: list[Event]) -> Listener:
    """`show`, until whoever reads the display is gone; the journal's events are kept for the end."""
    alive = True

    def listen(event: Event) -> None:
        nonlocal alive
        if event["event"] not in ("progress", "console.data"):
            events.append(event)
        if alive:
            try:
                show(event)
            except OSError:
                alive = False

    return listen


def _quietly(say: Callable[[], None]) -> None:
    try:
        say()
    except OSError:
        # Nobody reads any more; the run has ended and its folder tells the rest.
        return


def _summary(events: list[Event], folder: Path, sources: Mapping[str, str] | None) -> Summary | None:
    if not events:
        return None
    plan = read_plan(folder)
    return summarize(events, plan if plan.nodes else Planned(sources=sources or {}))


def closing_lines(summary: Summary, folder: Path) -> Iterator[str]:
    """What is said at the end: the cause, the counts, where everything is."""
    yield from cause_lines(summary, folder)
    for state in summary.safe_states:
        if not state.ok:
            yield f"warning: {state.label} was not made safe ({state.action}): look at the device"
    yield from job_lines(summary)
    yield f"{count_words(summary)}, in {seconds(summary.seconds)}"
    yield f"report {folder / 'report.html'}"


def _say_plain(out: TextIO, summary: Summary | None, folder: Path) -> None:
    if summary is None:
        return
    write = _writer(out)
    pipeline = summary.facts.get("pipeline", "run")
    write(f"\n{pipeline}: {headline(summary)}\n" + "".join(f"{line}\n" for line in closing_lines(summary, folder)))


def _say_live(terminal: Console, summary: Summary | None, folder: Path) -> None:
    if summary is None:
        return
    style = STYLES.get(summary.outcome, "bold")
    terminal.print()
    terminal.print(f"{summary.facts.get('pipeline', 'run')}: {headline(summary)}", style=style)
    for line in closing_lines(summary, folder):
        terminal.print(line, soft_wrap=True, style="" if not line.startswith(("report", "      ")) else "dim")
