"""`junit.xml`: one test case for each step, for whatever reads JUnit.

`failed` is a failure, `errored` an error; `skipped` and `canceled` are both skipped, since JUnit has no word for the
latter. Attempts, measurements and the facts of the run are properties.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from xml.etree import ElementTree as ET

from flowrunner.report.consolefile import ConsoleFile
from flowrunner.report.model import DEVICES, Case, Record, Summary
from flowrunner.report.text import plain, xml
from flowrunner.report.verdict import console_of, job_of

LIMIT = 64 * 1024
"""Bytes of console and of live output that one test case carries; the middle of what is longer is left out."""

_CASES = {"failed": "failure", "errored": "error", "skipped": "skipped", "canceled": "skipped"}


def junit_xml(summary: Summary, consoles: Mapping[str, ConsoleFile]) -> bytes:
    """The text of `junit.xml`."""
    counts, name = summary.counts, str(summary.facts.get("pipeline", "run"))
    total = {
        "name": name, "tests": str(counts.total), "failures": str(counts.failed), "errors": str(counts.errored),
        "skipped": str(counts.skipped + counts.canceled), "time": _seconds(summary.seconds),
    }  # fmt: skip
    root = _element("testsuites", total)
    facts = {"timestamp": str(summary.facts.get("wall", ""))[:19], "hostname": str(summary.facts.get("host", ""))}
    suites = _suites(summary, name) or {name: []}
    for number, (title, cases) in enumerate(suites.items()):
        suite = _element("testsuite", _totals(title, cases) | facts, root)
        if number == 0:
            _properties(suite, _run_facts(summary))
        for case in cases:
            _case(suite, case, name, consoles)
        if number == 0 and not summary.ending.good:
            _element("system-err", {}, suite).text = xml(plain(summary.ending.message or summary.outcome))
    ET.indent(root, " ")
    body: str = ET.tostring(root, encoding="unicode")
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{body}\n'.encode()


def _suites(summary: Summary, name: str) -> Mapping[str, list[Case]]:
    """The cases of each suite: one for the pipeline, or one for each job, instance of one, and wave of a rollout."""
    jobs = {record.path for job in summary.jobs for record in (job, *job.instances)}
    waves = {device.path: f"{r.path}.{device.wave}" for r in summary.rollouts for device in r.devices}
    found: dict[str, list[Case]] = {}
    for case in summary.cases:
        if case.record.key in waves:
            found.setdefault(f"{name}.{waves[case.record.key]}", []).append(case)
            continue
        job = job_of(case.record.key)
        found.setdefault(f"{name}.{job}" if job in jobs else name, []).append(case)
    return found


def _totals(name: str, cases: Sequence[Case]) -> dict[str, str]:
    """The attributes of one suite."""
    outcomes = Counter(case.record.outcome for case in cases)
    return {
        "name": name, "tests": str(len(cases)), "failures": str(outcomes["failed"]), "errors": str(outcomes["errored"]),
        "skipped": str(outcomes["skipped"] + outcomes["canceled"]),
        "time": _seconds(sum(case.record.seconds or 0.0 for case in cases)),
    }  # fmt: skip


def _case(suite: ET.Element, case: Case, pipeline: str, consoles: Mapping[str, ConsoleFile]) -> None:
    record, end = case.record, case.record.ending
    where = {"file": record.where.file, "line": str(record.where.line)} if record.where else {}
    above = ".".join([pipeline, *record.key.split(".")[:-1]])
    if record.action in DEVICES:
        above = f"{pipeline}.{record.key.partition('[')[0]}"
    element = _element(
        "testcase", {"name": _name(record), "classname": above, "time": _seconds(record.seconds or 0.0), **where}, suite
    )
    _properties(element, _case_facts(case))
    if record.outcome in _CASES:
        said = "\n".join(filter(None, (end.message, end.said, end.help and f"help: {end.help}", end.note)))
        why = end.message or end.because or record.outcome
        message = f"canceled: {why}" if record.outcome == "canceled" else why
        kind = ":".join(filter(None, (record.outcome, end.blame, end.cause)))
        attributes = {"message": plain(message)} | ({} if _CASES[record.outcome] == "skipped" else {"type": kind})
        _element(_CASES[record.outcome], attributes, element).text = xml(plain(said)) or None
    _output(element, case, consoles)


def _name(record: Record) -> str:
    last = record.key.rpartition(".")[2]
    if record.action in DEVICES:
        return record.name
    return last if record.name in (last, record.action) else f"{last}: {record.name}"


def _output(element: ET.Element, case: Case, consoles: Mapping[str, ConsoleFile]) -> None:
    out = "\n".join(_system_out(case, consoles))
    err = "".join(e["text"] for e in case.record.extras.output if e.get("stream") == "stderr")
    for tag, text in (("system-out", out), ("system-err", err)):
        if text:
            _element(tag, {}, element).text = xml(plain(_middle_out(text)))


def _system_out(case: Case, consoles: Mapping[str, ConsoleFile]) -> Iterator[str]:
    record = case.record
    for earlier in case.earlier:
        yield f"[earlier: {earlier.path} {earlier.outcome}: {earlier.ending.message or earlier.ending.because or ''}]"
    for attempt in record.attempts if len(record.attempts) > 1 else ():
        yield f"[attempt {attempt.number}: {attempt.ending.outcome}: {attempt.ending.message or ''}]"
    yield from (f"[{event.get('level')}] {event.get('message')}" for event in record.extras.logs)
    yield from (event["text"] for event in record.extras.output if event.get("stream") != "stderr")
    console = consoles.get(console_of(record, tuple(consoles)) or "")
    if console and record.started is not None and record.ended is not None:
        start, end = record.offsets.get(console.name, console.since(record.started)), console.end_at(record.ended)
        if end > start:
            yield f"[console {console.name}, bytes {start} to {end} of {console.log}]"
            yield slice_text(console, start, end)


def slice_text(console: ConsoleFile, start: int, end: int, limit: int = LIMIT) -> str:
    """What the console printed from `start` to `end`; the middle is left out when it is longer than `limit` bytes."""
    if end - start <= limit:
        return bytes(console.data[start:end]).decode("utf-8", "replace")
    head = bytes(console.data[start : start + limit // 4]).decode("utf-8", "replace")
    tail = bytes(console.data[end - limit * 3 // 4 : end]).decode("utf-8", "replace")
    return f"{head}\n[... {end - start - limit} bytes left out ...]\n{tail}"


def _middle_out(text: str) -> str:
    if len(text) <= 2 * LIMIT:
        return text
    return f"{text[: LIMIT // 2]}\n[... {len(text) - 2 * LIMIT} characters left out ...]\n{text[-LIMIT * 3 // 2 :]}"


def _run_facts(summary: Summary) -> Iterator[tuple[str, Any]]:
    yield "outcome", summary.outcome
    yield "blame", summary.ending.blame
    yield "exit", summary.exit
    yield "canceled", summary.counts.canceled or None
    for name in ("id", "file", "plan", "version", "wall", "host", "user", "lab", "python", "platform"):
        yield name, summary.facts.get(name)
    yield "partial", summary.facts.get("partial")
    yield "replay", dict(summary.facts.get("replay") or {}).get("run")
    for name, value in (summary.facts.get("inputs") or {}).items():
        yield f"input.{name}", value
    for lease in summary.leases:
        yield f"device.{lease.label}", lease.exporter
    for name, value in summary.outputs.items():
        yield f"output.{name}", value


def _case_facts(case: Case) -> Iterator[tuple[str, Any]]:
    record = case.record
    yield "path", record.path
    yield "action", record.action
    yield "part", record.part if record.part != "body" else None
    yield "outcome", record.outcome
    yield "blame", record.ending.blame
    yield "warning", "true" if record.warning else None
    attempts = max(len(record.attempts), 1) + len(case.earlier)
    yield "attempts", attempts if attempts > 1 else None
    for event in record.extras.measurements:
        yield f"measurement.{event.get('name')}", f"{event.get('value')} {event.get('unit') or ''}".strip()
        yield f"measurement.{event.get('name')}.verdict", event.get("verdict")
    for event in record.extras.artifacts:
        yield "attachment", event.get("file")


def _properties(parent: ET.Element, facts: Iterator[tuple[str, Any]]) -> None:
    found = [(name, value) for name, value in facts if value is not None]
    element = _element("properties", {}, parent) if found else parent
    for name, value in found:
        _element("property", {"name": name, "value": str(value)}, element)


def _element(tag: str, attributes: Mapping[str, str], parent: ET.Element | None = None) -> ET.Element:
    clean = {name: xml(value) for name, value in attributes.items()}
    return ET.Element(tag, clean) if parent is None else ET.SubElement(parent, tag, clean)


def _seconds(value: float) -> str:
    return f"{max(value, 0.0):.3f}"
