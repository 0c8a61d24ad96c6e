"""The jobs of a run at a glance: how each ended, why, how long it took, on which device."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from flowrunner.report.model import Record, Summary
from flowrunner.report.page.markup import Html, badge, section, tag
from flowrunner.report.text import one_line, seconds
from flowrunner.report.words import because


def jobs_section(summary: Summary, anchors: Mapping[str, str]) -> Html:
    """A table with a row for each job and each instance of it; nothing for a run without jobs."""
    rows = list(_rows(summary, anchors))
    if not rows:
        return Html("")
    head = tag("tr", [tag("th", title, scope="col") for title in ("", "Job", "Device", "Duration", "Why")])
    return section("jobs", "Jobs", tag("table", tag("thead", head), tag("tbody", rows), class_="jobs"))


def _rows(summary: Summary, anchors: Mapping[str, str]) -> Iterator[Html]:
    for job in summary.jobs:
        yield _row(summary, job, anchors)
        for instance in job.instances:
            yield _row(summary, instance, anchors)


def _row(summary: Summary, job: Record, anchors: Mapping[str, str]) -> Html:
    devices = dict.fromkeys(lease.exporter or "" for lease in summary.leases if lease.job == job.path)
    indent = "instance" if job.path.endswith("]") else None
    link = tag("a", job.name, href=f"#{anchors.get(job.path, '')}")
    why = "" if job.outcome == "passed" else job.ending.message or because(job.ending.because)
    return tag(
        "tr", tag("td", badge(job.outcome)), tag("th", link, scope="row", class_=indent),
        tag("td", ", ".join(name for name in devices if name)),
        tag("td", seconds(job.seconds) if job.started is not None else ""), tag("td", one_line(why, 200)),
    )  # fmt: skip
