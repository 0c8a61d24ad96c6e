"""What surrounded the run: devices, files, inputs, machine."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path

from flowrunner.report.model import Lease, Summary
from flowrunner.report.page.markup import Content, Html, facts, file_link, section, shown, tag
from flowrunner.report.text import seconds, size


def environment_section(summary: Summary) -> Html:
    """The devices with their drivers, the inputs and outputs, and the machine that ran it."""
    cards = [*(_device(lease) for lease in summary.leases), _values("Inputs", summary.facts.get("inputs"))]
    cards += [_values("Outputs", summary.outputs), _card("Machine", facts(_machine(summary)))]
    return section("environment", "Environment", tag("div", cards, class_="cards"))


def _machine(summary: Summary) -> Iterator[tuple[str, Content]]:
    known = summary.facts
    yield "host", " ".join(filter(None, (str(known.get("user") or ""), known.get("host") and f"at {known['host']}")))
    yield "command", tag("code", shlex.join(map(str, known.get("argv") or ()))) if known.get("argv") else None
    yield "folder", str(known.get("cwd") or "")
    yield "lab", str(known.get("lab") or "")
    yield "flow", str(known.get("version") or "")
    yield "Python", str(known.get("python") or "")
    yield "platform", str(known.get("platform") or "")
    yield "unattended", "yes (CI)" if known.get("ci") else ""
    yield "plan", tag("code", str(known.get("plan") or "")[:23])


def _device(lease: Lease) -> Html:
    labels = [tag("span", f"{name}={value}", class_="label-chip") for name, value in lease.labels.items()]
    parts = [
        tag("tr", tag("th", path or lease.role, scope="row"), tag("td", tag("code", str(part.get("type") or ""))),
            tag("td", ", ".join(map(str, part.get("interfaces") or ()))))
        for path, part in lease.parts.items()
    ]  # fmt: skip
    waited = (lease.acquired - lease.requested) if lease.acquired is not None and lease.requested is not None else None
    pairs: list[tuple[str, Content]] = [
        ("exporter", lease.exporter or "never leased"), ("selector", lease.selector), ("labels", tag("span", labels)),
        ("waited", seconds(waited) if waited and waited >= 0.05 else None), ("lost", lease.lost),
    ]  # fmt: skip
    return _card(f"Device {lease.label}", facts(pairs), tag("table", tag("tbody", parts)) if parts else None)


def _values(title: str, values: object) -> Html:
    if not isinstance(values, dict) or not values:
        return Html("")
    return _card(title, facts((name, tag("code", shown(value))) for name, value in values.items()))


def _card(title: str, *content: Content) -> Html:
    return tag("div", tag("h3", title), content, class_="card")


def files_section(summary: Summary, folder: Path) -> Html:
    """All files of the run's folder that the journal names, as links beside this page."""
    rows = [*_artifacts(summary), *_own_files(summary, folder)]
    if not rows:
        return Html("")
    heads = [tag("th", name, scope="col") for name in ("File", "What", "Size", "SHA-256")]
    table = tag("table", tag("thead", tag("tr", heads)), tag("tbody", rows), class_="files-table")
    return section("files", "Files", tag("div", table, class_="wide"))


def _artifacts(summary: Summary) -> Sequence[Html]:
    return [
        _row(
            str(e["file"]),
            f"{e.get('title') or e.get('name')}, {record.path}",
            int(e.get("size") or 0),
            str(e.get("sha256") or ""),
        )
        for record in summary.walk()
        for e in record.extras.artifacts
    ]


def _own_files(summary: Summary, folder: Path) -> Iterator[Html]:
    named = [(one.log, f"everything {one.name} printed") for one in summary.consoles]
    named += [(one.times, f"the same with the time of each line, {one.name}") for one in summary.consoles]
    named += [("journal.jsonl", "the journal"), ("results.json", "this report for programs"), ("junit.xml", "for CI"),
              ("plan.json", "the plan")]  # fmt: skip
    for file, what in named:
        path = folder / file
        if path.is_file():
            yield _row(file, what, path.stat().st_size, "")


def _row(file: str, what: str, bytes: int, digest: str) -> Html:
    return tag(
        "tr", tag("th", file_link(file), scope="row"), tag("td", what),
        tag("td", size(bytes), class_="number"),
        tag("td", tag("code", digest[:16], title=digest)),
    )  # fmt: skip
