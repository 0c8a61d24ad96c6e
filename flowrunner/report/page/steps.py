"""The tree of steps: what was asked, what came back, what went wrong, what the console showed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from flowrunner.report.consolefile import ConsoleFile
from flowrunner.report.model import Attempt, Record, Summary
from flowrunner.report.page.consoles import static_lines
from flowrunner.report.page.header import repeats, said
from flowrunner.report.page.markup import Html, badge, facts, file_link, join, section, shown, tag
from flowrunner.report.page.measurements import number
from flowrunner.report.page.source import excerpt, place
from flowrunner.report.text import plain, plural, seconds, size
from flowrunner.report.verdict import console_of
from flowrunner.report.words import because

OUTCOMES = ("passed", "failed", "errored", "canceled", "skipped")

OUTPUT = 16 << 10
"""Characters of a command's live output that a step shows; the rest is in `results.json` and the journal."""

OPEN = 60
"""With more steps than this, blocks that went well start closed."""


@dataclass(frozen=True, slots=True)
class Around:
    """What all steps of the page need; `past` are the paths in attempts that came to nothing."""

    sources: Mapping[str, str]
    consoles: Mapping[str, ConsoleFile]
    anchors: Mapping[str, str]
    past: frozenset[str]
    many: bool


def anchors(summary: Summary) -> Mapping[str, str]:
    """An id for each record's place on the page."""
    return {record.path: f"s{index}" for index, record in enumerate(summary.walk())}


def steps_section(summary: Summary, around: Around) -> Html:
    """The tree with its filter."""
    if not summary.records:
        return Html("")
    rows = _parts(summary.records, around)
    tree = tag("div", rows, class_="steps")
    none = tag("p", "No step matches.", class_="nothing", hidden=True, id="no-step")
    return section("steps", "Steps", _filter(summary), tree, none)


def _filter(summary: Summary) -> Html:
    boxes = [
        tag(
            "button", badge(name), f"{getattr(summary.counts, name)} {name}", type="button", class_="chip",
            data_outcome=name, aria_pressed="true",
        )
        for name in OUTCOMES
        if getattr(summary.counts, name)
    ]  # fmt: skip
    search = tag("input", type="search", id="step-search", placeholder="Filter steps", autocomplete="off")
    every = tag("button", "Open all", type="button", id="open-all", class_="link")
    return tag("div", tag("label", tag("span", "Filter steps", class_="sr"), search), boxes, every, class_="toolbar")


def _parts(records: Sequence[Record], around: Around) -> Iterator[Html]:
    """The records with a small heading where `rescue`, `finally` or `between` begins."""
    part = "body"
    for record in records:
        if record.part != part:
            part = record.part
            yield tag("p", part, class_="part-name") if part != "body" else Html("")
        yield _step(record, around)


def _step(record: Record, around: Around) -> Html:
    inner = join(_details(record, around), _below(record, around))
    bad = record.outcome in ("failed", "errored") and record.path not in around.past
    is_open = bad or (not record.leaf and record.outcome != "skipped" and not around.many)
    words = plain(f"{record.path} {record.name} {record.action}").lower()
    return tag(
        "details", tag("summary", _summary(record)), tag("div", inner, class_="inside"), open=is_open,
        id=around.anchors.get(record.path), class_=f"step {record.outcome}", data_outcome=record.outcome,
        data_leaf="1" if record.leaf else None, data_text=words,
    )  # fmt: skip


def _summary(record: Record) -> Html:
    label = record.label
    tries = len(record.attempts)
    more = record.name.removeprefix(f"{record.action} ")
    name = tag("span", more, class_="name") if more not in (label, record.action) else None
    return join(
        badge(record.outcome),
        tag("span", tag("b", label), name, class_="what"),
        tag("span", record.action, class_="action"),
        tag("span", plural(tries, "attempt"), class_="tries") if tries > 1 else None,
        tag("span", "warning", class_="tries") if record.warning else None,
        tag("span", _brief(record), class_="brief"),
        tag("span", seconds(record.seconds) if record.started is not None else "", class_="seconds"),
    )  # fmt: skip


def _brief(record: Record) -> str:
    end = record.ending
    if end.outcome == "passed":
        measured = record.extras.measurements
        return "; ".join(f"{number(m.get('value'))} {m.get('unit') or ''}".strip() for m in measured)
    return end.message or because(end.because) if record.leaf else ""


def _details(record: Record, around: Around) -> Iterator[Html]:
    yield _meta(record, around)
    if record.outcome in ("failed", "errored", "canceled"):
        yield _error(record, around)
    elif record.ending.because:
        yield tag("p", f"{record.outcome}: {because(record.ending.because)}", class_="quiet")
    if record.leaf and len(record.attempts) > 1:
        yield _attempt_list(record)
    yield _titled("Parameters", facts((name, tag("code", shown(value))) for name, value in record.parameters.items()))
    yield _titled("Outputs", facts((name, tag("code", shown(value)[:4000])) for name, value in record.outputs.items()))
    yield _titled("Log", _logs(record))
    yield _titled("Output", _output(record))
    yield _titled(
        "Sent", [tag("code", shown(event.get("text", "")), class_="sent") for event in record.extras.sent[:100]]
    )
    yield _titled("Files", _files(record))
    if record.leaf:
        yield _console(record, around)


def _meta(record: Record, around: Around) -> Html:
    when = f"from {seconds(record.started)} to {seconds(record.ended)}" if record.started is not None else "did not run"
    words = [record.path, when, record.kind, record.device and f"on {record.device}"]
    if record.background:
        words.append("in the background")
    return tag(
        "p", " · ".join(word for word in words if word), " · ", place(record.where, around.sources), class_="meta"
    )


def _error(record: Record, around: Around) -> Html:
    end = record.ending
    blame = f"{end.outcome}, {end.blame}" if end.blame else end.outcome
    console = around.consoles.get(console_of(record, tuple(around.consoles)) or "")
    repeated = console and record.ended is not None and repeats(end.said, console, console.end_at(record.ended))
    told = None if repeated else said(end.said)
    panes = tag("div", excerpt(around.sources, end.where or record.where), told, class_="panes")
    return tag(
        "div",
        tag("p", tag("b", blame), " ", end.message or end.because or "", class_="message"),
        tag("p", tag("b", "help "), end.help, class_="help") if end.help else None,
        tag("p", end.note, class_="quiet") if end.note else None,
        panes if record.leaf else None,
        class_=f"error {end.outcome}",
    )  # fmt: skip


def _attempt_list(record: Record) -> Html:
    rows = [
        tag(
            "li", badge(attempt.ending.outcome), f" attempt {attempt.number}, {_took(attempt)}",
            f": {attempt.ending.message}" if attempt.ending.message else "",
            f", then a pause of {seconds(attempt.pause)}" if attempt.pause is not None else "",
        )
        for attempt in record.attempts
    ]  # fmt: skip
    return tag("ol", rows, class_="attempts")


def _below(record: Record, around: Around) -> Iterator[Html]:
    """The attempts, the last one first, as far as anything ran in or between them; and the children."""
    for attempt in reversed(record.attempts):
        if attempt.children and len(record.attempts) > 1:
            head = tag("p", badge(attempt.ending.outcome), f" attempt {attempt.number}, {_took(attempt)}", class_="try")
            yield tag("div", head, _parts(attempt.children, around), class_="attempt")
        else:
            yield from _parts(attempt.children, around)
    yield from _parts(record.children, around)


def _took(attempt: Attempt) -> str:
    return seconds(attempt.ended - attempt.started) if attempt.ended is not None else "no end"


def _titled(title: str, content: Html | Sequence[Html]) -> Html:
    return tag("div", tag("h4", title), content, class_="block") if content else Html("")


def _logs(record: Record) -> Sequence[Html]:
    events = (*record.extras.logs, *record.extras.others)
    return [
        tag(
            "p",
            tag("i", seconds(event["t"])),
            f" {event.get('message') or _other(event)}",
            class_=f"log {event.get('level', '')}",
        )
        for event in sorted(events, key=lambda event: event["n"])
        if event["event"] != "created"
    ]


def _other(event: Mapping[str, object]) -> str:
    return (
        f"went on for {event.get('seconds')}s after its deadline"
        if event["event"] == "overrun"
        else str(event["event"])
    )


def _output(record: Record) -> Html:
    text = "".join(str(event.get("text", "")) for event in record.extras.output)
    if not text:
        return Html("")
    cut = f"[{len(text) - OUTPUT} characters before this are in the journal]\n" if len(text) > OUTPUT else ""
    return tag("pre", cut + text[-OUTPUT:])


def _files(record: Record) -> Sequence[Html]:
    return [
        file_link(
            str(event["file"]), str(event.get("title") or event["file"]), tag("small", size(event.get("size") or 0))
        )
        for event in record.extras.artifacts
    ]


def _console(record: Record, around: Around) -> Html:
    """The last lines that came while the step ran, and the way to the rest."""
    console = around.consoles.get(console_of(record, tuple(around.consoles)) or "")
    if console is None or record.started is None or record.ended is None:
        return Html("")
    start, end = record.offsets.get(console.name, console.since(record.started)), console.end_at(record.ended)
    if end <= start:
        return Html("")
    show = tag(
        "button", "show in the console", type="button", class_="link", data_console=console.name, data_offset=start
    )
    title = tag("h4", f"{console.name}, {size(end - start)} ", show)
    return tag("div", title, static_lines(console, end, lines=12, start=start), class_="block tail")
