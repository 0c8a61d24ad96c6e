"""The timeline: every step against time, with the leases around it and the consoles' activity below."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from flowrunner.report.consolefile import ConsoleFile
from flowrunner.report.model import Attempt, Lease, Record, Summary
from flowrunner.report.page.markup import Html, join, section, tag
from flowrunner.report.text import plain, seconds, size

STEPS = 400
"""Steps that are drawn; those that took longest, when there are more."""

BUCKETS = 160
"""Bars of a console's activity."""


def timeline_section(summary: Summary, consoles: Mapping[str, ConsoleFile], anchors: Mapping[str, str]) -> Html:
    """The timeline of a run that has any step or lease."""
    if not summary.records and not summary.leases:
        return Html("")
    total = _total(summary)
    drawn = _drawn(summary)
    rows = [
        *(_lease_row(lease, total) for lease in summary.leases),
        *(_step_row(record, depth, total, anchors) for record, depth in drawn),
        *_safe_rows(summary, total),
        *(_console_row(console, total) for console in consoles.values() if len(console)),
    ]
    left_out = sum(1 for record in summary.walk() if record.started is not None) - len(drawn)
    note = f"the {STEPS} longest steps; {left_out} short ones are left out" if left_out else None
    inner = tag("div", _axis(total), _backdrop(summary, total), rows, class_="timeline", role="list")
    return section("timeline", "Timeline", inner, note=note)


def _total(summary: Summary) -> float:
    ends = [summary.seconds, *(r.ended or 0.0 for r in summary.walk()), *(s.ended or 0.0 for s in summary.safe_states)]
    return max(*ends, 0.001)


def _drawn(summary: Summary) -> Sequence[tuple[Record, int]]:
    """The records that ran, with how deep in the tree they are."""
    ran = [(record, depth) for record, depth in _deep(summary.records, 0) if record.started is not None]
    longest = {id(record) for record, _ in sorted(ran, key=lambda pair: -(pair[0].seconds or 0.0))[:STEPS]}
    return [pair for pair in ran if id(pair[0]) in longest]


def _deep(records: Sequence[Record], depth: int) -> Iterator[tuple[Record, int]]:
    for record in records:
        yield record, depth
        below = [child for attempt in record.attempts for child in attempt.children]
        yield from _deep([*below, *record.children], depth + 1)


def ticks(total: float, most: int = 8) -> Sequence[float]:
    """Round times from 0 to `total`, at most `most` of them."""
    rough = total / most
    for step in (
        0.001,
        0.002,
        0.005,
        0.01,
        0.02,
        0.05,
        0.1,
        0.2,
        0.5,
        1,
        2,
        5,
        10,
        15,
        30,
        60,
        120,
        300,
        600,
        900,
        1800,
    ):
        if step >= rough:
            break
    else:
        step = 3600.0 * -(-rough // 3600)
    return [step * count for count in range(int(total / step) + 1)]


def _tick_label(value: float) -> str:
    return f"{value:g}s" if value < 100 else seconds(value)


def _axis(total: float) -> Html:
    labels = [tag("span", _tick_label(at), style=f"left:{_percent(at, total)}") for at in ticks(total)]
    return tag(
        "div", tag("span", class_="label"), tag("div", labels, class_="track axis"), class_="lane", aria_hidden="true"
    )


def _backdrop(summary: Summary, total: float) -> Html:
    lines = [tag("i", class_="grid", style=f"left:{_percent(at, total)}") for at in ticks(total)]
    parts = [
        tag(
            "i",
            tag("b", part.part, class_="late" if part.started > 0.85 * total else None),
            class_="part",
            style=_box(part.started, part.ended, total),
        )
        for part in summary.parts
        if part.part in ("rescue", "finally") and not part.path
    ]
    cancels = [
        tag("i", tag("b", f"cancel ({event.get('by')})"), class_="cancel", style=f"left:{_percent(event['t'], total)}")
        for event in summary.cancels
    ]
    inner = tag("div", lines, parts, cancels, class_="track")
    return tag("div", tag("span", class_="label"), inner, class_="lane backdrop", aria_hidden="true")


def _lease_row(lease: Lease, total: float) -> Html:
    end = lease.released if lease.released is not None else total
    begin = lease.acquired if lease.acquired is not None else end
    who = f", behind {lease.waits[-1][1]}" if lease.waits else ""
    waited = f"waited {seconds(begin - (lease.requested or 0.0))}{who}"
    bars = [tag("span", class_="bar wait", style=_box(lease.requested or 0.0, begin, total), title=plain(waited))]
    if lease.acquired is not None:
        held = f"{lease.exporter}, held {seconds(end - begin)}" + (f", lost: {lease.lost}" if lease.lost else "")
        bars.append(
            tag("span", tag("span", lease.exporter or ""), class_=f"bar lease{' lost' if lease.lost else ''}",
                style=_box(begin, end, total), title=plain(held))
        )  # fmt: skip
    return _lane(tag("span", lease.label), bars, "lease")


def _step_row(record: Record, depth: int, total: float, anchors: Mapping[str, str]) -> Html:
    indent = f"padding-left:{min(depth, 6) * 0.8:g}rem"
    label = tag("a", record.label, href=f"#{anchors.get(record.path, '')}", style=indent, title=record.path)
    end = record.ended or record.started or 0.0
    if end / total < 0.86:
        side, at = "right", f"left:{_percent(end, total)}"
    else:
        side, at = "left", f"right:{_percent(total - (record.started or 0.0), total)}"
    took = tag("span", seconds(record.seconds), class_=f"took {side}", style=at)
    return _lane(label, [*_bars(record, total), took], "step" if record.leaf else "block")


def _bars(record: Record, total: float) -> Iterator[Html]:
    title = f"{record.path}: {record.outcome}, {seconds(record.seconds)} from {seconds(record.started)}"
    if len(record.attempts) < 2:
        box = _box(record.started or 0.0, record.ended or total, total)
        beside = " beside" if record.background else ""
        yield tag("span", class_=f"bar {record.outcome}{beside}", style=box, title=plain(title))
        return
    for attempt in record.attempts:
        yield from _attempt_bars(attempt, total)


def _attempt_bars(attempt: Attempt, total: float) -> Iterator[Html]:
    ended = attempt.ended or total
    why = f": {attempt.ending.message}" if attempt.ending.message else ""
    title = f"attempt {attempt.number}: {attempt.ending.outcome}, {seconds(ended - attempt.started)}{why}"
    box = _box(attempt.started, ended, total)
    yield tag("span", class_=f"bar {attempt.ending.outcome}", style=box, title=plain(title))
    if attempt.pause is not None:
        box = _box(ended, ended + attempt.pause, total)
        yield tag("span", class_="bar pause", style=box, title=f"pause of {seconds(attempt.pause)}")


def _safe_rows(summary: Summary, total: float) -> Iterator[Html]:
    several = len({(state.job, state.role) for state in summary.safe_states}) > 1
    for state in summary.safe_states:
        outcome = "passed" if state.ok else "errored"
        title = f"safe state: {state.label} {state.action}" + (f": {state.message}" if state.message else "")
        box = _box(state.started, state.ended if state.ended is not None else total, total)
        part = state.label if several else state.part
        label = tag("span", f"{part} {state.action}", tag("small", "safe state"), title=state.label)
        yield _lane(label, [tag("span", class_=f"bar safe {outcome}", style=box, title=plain(title))], "safe")


def _console_row(console: ConsoleFile, total: float) -> Html:
    """How much the console printed over time, as bars of logarithmic height."""
    sums = [0] * BUCKETS
    ends = [*console.offsets[1:], len(console)]
    for start, end, time in zip(console.offsets, ends, console.times, strict=False):
        sums[min(int(time / total * BUCKETS), BUCKETS - 1)] += end - start
    most = max(sums).bit_length() or 1
    bars = [f"M{index} 20v-{max(2.0, 18 * value.bit_length() / most):.1f}" for index, value in enumerate(sums) if value]
    path = tag("path", d="".join(bars), transform="translate(.5)")
    drawing = tag("svg", path, viewBox=f"0 0 {BUCKETS} 20", preserveAspectRatio="none", aria_hidden="true")
    label = tag("a", console.name, tag("small", size(len(console))), href="#consoles")
    return _lane(label, [drawing], "console")


def _lane(label: Html, bars: Sequence[Html], kind: str) -> Html:
    return tag(
        "div", tag("span", label, class_="label"), tag("div", join(*bars), class_="track"), class_=f"lane of-{kind}",
        role="listitem",
    )  # fmt: skip


def _percent(value: float, total: float) -> str:
    return f"{max(0.0, min(value / total, 1.0)) * 100:.3f}%"


def _box(start: float, end: float, total: float) -> str:
    return f"left:{_percent(start, total)};width:{_percent(max(end - start, 0.0), total)}"
