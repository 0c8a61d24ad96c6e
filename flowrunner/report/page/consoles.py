"""Consoles: short pieces as plain HTML beside the steps, and the whole in a viewer that draws only what is seen."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from flowrunner.engine.state import console_prefix
from flowrunner.report.consolefile import ConsoleFile
from flowrunner.report.model import Record, Summary
from flowrunner.report.page.markup import Html, data, data_json, file_link, join, section, tag
from flowrunner.report.page.payload import pack
from flowrunner.report.text import plain, size
from flowrunner.report.verdict import culprit, scene


def static_lines(console: ConsoleFile, end: int, *, lines: int, start: int = 0) -> Html:
    """The last `lines` lines from `start` to `end`, each with its time."""
    piece = console.before(end, lines)
    at = max(start, end - len(piece))
    rows: list[Html] = []
    for raw in bytes(console.data[at:end]).split(b"\n"):
        time = console.time_at(at)
        stamp = "" if time is None else f"{time:.3f}"
        text = plain(raw.rstrip(b"\r"))
        rows.append(tag("span", tag("i", stamp), tag("code", text[:1000]), class_="line"))
        at += len(raw) + 1
    while rows and rows[-1].endswith("<code></code></span>"):
        rows.pop()
    return tag("div", rows[-lines:], class_="lines") if rows else Html("")


def consoles_section(summary: Summary, consoles: Mapping[str, ConsoleFile], anchors: Mapping[str, str]) -> Html:
    """The viewer with one tab for each console, and the data that it shows."""
    if not consoles:
        return Html("")
    tabs = [
        tag(
            "button", name, tag("small", size(len(console))), type="button", role="tab", data_index=index,
            aria_selected="true" if index == 0 else "false", aria_controls="console-view",
        )
        for index, (name, console) in enumerate(consoles.items())
    ]  # fmt: skip
    blocks = [_block(index, console, summary, anchors) for index, console in enumerate(consoles.values())]
    return section(
        "consoles", "Consoles", tag("div", tabs, role="tablist", class_="tabs"), _toolbar(), _view(),
        tag("p", "Without JavaScript the logs are files beside this page: ", class_="noscript"),
        tag("p", [file_link(console.log) for console in consoles.values() if len(console)], class_="files"), blocks,
    )  # fmt: skip


def _toolbar() -> Html:
    return tag(
        "div",
        tag("label", tag("span", "Search the console", class_="sr"),
            tag("input", type="search", id="console-search", placeholder="Search the console", autocomplete="off")),
        tag("span", "", id="console-hits", class_="hits", aria_live="polite"),
        tag("button", "↑", type="button", id="console-previous", aria_label="previous hit", title="Shift+Enter"),
        tag("button", "↓", type="button", id="console-next", aria_label="next hit", title="Enter"),
        tag("label", tag("input", type="checkbox", id="console-only"), " only hits", class_="check"),
        tag("label", tag("span", "Go to a step", class_="sr"), tag("select", id="console-steps")),
        class_="toolbar",
    )  # fmt: skip


def _view() -> Html:
    return tag(
        "div", tag("div", tag("div", class_="rows"), class_="sizer"), id="console-view", class_="viewport",
        tabindex="0", role="region", aria_label="console log",
    )  # fmt: skip


def _block(index: int, console: ConsoleFile, summary: Summary, anchors: Mapping[str, str]) -> Html:
    marks = list(_marks(summary, console, anchors))
    hits = list(_hits(summary, console))
    payload = pack(console, [mark["offset"] for mark in marks] + [hit["start"] for hit in hits])
    facts = {
        "name": console.name, "log": console.log, "size": len(console), "marks": marks, "hits": hits,
        "segments": [[s.offset, s.line, s.length] for s in payload.segments],
    }  # fmt: skip
    return join(
        data_json(f"console-{index}", facts),
        data(f"console-{index}-log", payload.log, "application/gzip"),
        data(f"console-{index}-times", payload.times, "application/gzip"),
    )


def _marks(summary: Summary, console: ConsoleFile, anchors: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    """Where each step began on this console, in order."""
    past = {record.path for case in summary.cases for record in case.earlier}
    found = [(record.offsets[console.name], record) for record in summary.walk() if console.name in record.offsets]
    for offset, record in sorted(found, key=lambda pair: pair[0]):
        yield {
            "offset": min(offset, len(console)), "outcome": record.outcome,
            "label": _label(record, record.path if record.path in past else record.key),
            "step": anchors.get(record.path, ""), "time": record.started, "depth": record.path.count("."),
        }  # fmt: skip
    for state in summary.safe_states:
        if f"{console.name}.".startswith(f"{console_prefix(state.job or '')}{state.role}."):
            yield {
                "offset": console.end_at(state.started), "label": f"safe state: {state.part} {state.action}",
                "step": "", "outcome": "passed" if state.ok else "errored", "time": state.started, "depth": 0,
            }  # fmt: skip


def _label(record: Record, path: str) -> str:
    return plain(f"{path} · {record.name}" if record.name not in (record.path, record.id) else path)


def _hits(summary: Summary, console: ConsoleFile) -> Iterator[dict[str, Any]]:
    """What was matched on this console, and where the run went wrong."""
    for record in summary.walk():
        for match in record.extras.matches:
            if match.get("console") == console.name and match["end"] > match["start"]:
                yield {"start": match["start"], "end": match["end"], "kind": "match"}
    guilty = culprit(summary) if not summary.ending.good else None
    seen = scene(summary, guilty, {console.name: console}) if guilty else None
    if seen:
        yield {"start": max(seen.end - 1, 0), "end": seen.end, "kind": summary.outcome}
