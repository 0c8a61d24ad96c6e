"""The top of the page: what ran, how it ended, whose fault that is, and why."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from flowrunner.report.consolefile import ConsoleFile
from flowrunner.report.model import DEVICES, Summary
from flowrunner.report.page.consoles import static_lines
from flowrunner.report.page.markup import Html, badge, join, section, tag
from flowrunner.report.page.pictures import Album, snapshot
from flowrunner.report.page.source import excerpt, place
from flowrunner.report.planned import Planned
from flowrunner.report.text import plain, seconds
from flowrunner.report.verdict import Scene, attribution, culprit, headline, scene

OUTCOMES = ("passed", "failed", "errored", "canceled", "skipped")


def header(summary: Summary, plan: Planned, anchors: Mapping[str, str]) -> Html:
    """Name, verdict, the cause in one line, and the figures."""
    end, record = summary.ending, culprit(summary)
    title = str(summary.facts.get("pipeline", "run"))
    message = None if end.good else end.message or end.because
    said_first = message or plan.description or ""
    step = tag("a", record.key, href=f"#{anchors[record.path]}") if record and record.path in anchors else None
    where = end.where or (record.where if record else None)
    return tag(
        "header",
        tag("p", tag("span", "flow", class_="brand"), tag("span", str(summary.facts.get("id", ""))), class_="crumbs"),
        tag(
            "div",
            badge(summary.outcome, large=True),
            tag(
                "div",
                tag("h1", title, tag("span", headline(summary), class_=f"verdict {summary.outcome}")),
                tag("p", said_first, class_="cause" if message else "cause quiet"),
                tag("p", step, " at " if step and where else None, place(where, plan.sources), class_="origin"),
                tag("p", attribution(summary), class_="fault") if attribution(summary) else None,
            ),
            class_="head",
        ),
        _figures(summary),
        class_=f"top {summary.outcome}", id="top",
    )  # fmt: skip


def _figures(summary: Summary) -> Html:
    counts = summary.counts
    present = [(name, getattr(counts, name)) for name in OUTCOMES if getattr(counts, name)]
    bar = tag(
        "span", [tag("span", class_=name, style=f"flex-grow:{count}") for name, count in present], class_="share",
        aria_hidden="true",
    )  # fmt: skip
    words = [tag("span", tag("b", str(count)), f" {name}", class_=f"count {name}") for name, count in present]
    extra = tag("span", f"{counts.retried} retried", class_="count") if counts.retried else None
    devices = list(dict.fromkeys(lease.exporter or "none" for lease in summary.leases))
    fleet = sum(rollout.size for rollout in summary.rollouts)
    shown = f"{fleet} in a rollout" if fleet > 8 else ", ".join(devices) or "none"
    of_devices = bool(summary.cases) and all(case.record.action in DEVICES for case in summary.cases)
    return tag(
        "div",
        _figure("Duration", seconds(summary.seconds)),
        _figure("Devices" if of_devices else "Steps", str(counts.total), bar, tag("span", words, extra)),
        _figure("Device" if len(devices) < 2 else "Devices", shown),
        _figure("Started", _date(str(summary.facts.get("wall", "")))),
        class_="figures",
    )  # fmt: skip


def _figure(name: str, value: str, *more: Html) -> Html:
    return tag("div", tag("span", name, class_="label"), tag("span", value, class_="value"), *more, class_="figure")


def _date(wall: str) -> str:
    try:
        return f"{datetime.fromisoformat(wall):%d %b %Y, %H:%M:%S %Z}".replace("UTC+00:00", "UTC")
    except ValueError:
        return wall or "unknown"


def cause_section(summary: Summary, plan: Planned, consoles: dict[str, ConsoleFile], album: Album) -> Html:
    """Why the run did not pass: the place, what was said, what the console or the screen showed."""
    end, record = summary.ending, culprit(summary)
    if end.good:
        return Html("")
    where = end.where or (record.where if record else None)
    seen = scene(summary, record, consoles) if record else None
    told = None if seen and repeats(end.said, seen.console, seen.end) else said(end.said)
    note = tag("p", end.note, class_="note") if end.note else None
    return section(
        "cause", "Cause", note, tag("p", plain(end.message or end.because or ""), class_="message"),
        tag("p", tag("b", "help "), end.help, class_="help") if end.help else None,
        tag("div", tag("div", excerpt(plan.sources, where, before=4), told, class_="stack"),
            _console(seen), class_="panes"),
        [snapshot(event, "pictures", album) for event in record.extras.snapshots] if record else None,
    )  # fmt: skip


def said(text: str | None) -> Html:
    """The last that a device or tool said."""
    if not text:
        return Html("")
    return tag("figure", tag("figcaption", "What it said last"), tag("pre", plain(text)[-4000:]), class_="said")


def repeats(text: str | None, console: ConsoleFile, end: int) -> bool:
    """Whether `text` is only what the console shows at `end` anyway."""
    lines = [line.strip() for line in plain(text or "").splitlines() if line.strip()]
    return bool(lines) and lines[-1] in plain(console.before(end, 8))


def _console(seen: Scene | None) -> Html:
    if seen is None:
        return Html("")
    show = tag(
        "button", "show in the console", type="button", class_="link", data_console=seen.console.name,
        data_offset=max(seen.end - 1, 0),
    )  # fmt: skip
    caption = tag("figcaption", f"{seen.console.name} at that moment ", show)
    return join(tag("figure", caption, static_lines(seen.console, seen.end, lines=14), class_="tail"))
