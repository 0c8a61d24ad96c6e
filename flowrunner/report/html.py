"""`report.html`: one file that needs nothing else, made of the sections in `page`."""

from __future__ import annotations

import base64
import hashlib
from importlib import resources
from pathlib import Path
from string import Template

from flowrunner.report.consolefile import ConsoleFile
from flowrunner.report.model import Summary
from flowrunner.report.page.about import environment_section, files_section
from flowrunner.report.page.consoles import consoles_section
from flowrunner.report.page.header import cause_section, header
from flowrunner.report.page.jobs import jobs_section
from flowrunner.report.page.markup import Html, join, tag
from flowrunner.report.page.measurements import measurements_section
from flowrunner.report.page.pictures import Album, pictures_section
from flowrunner.report.page.rollout import rollout_section, without_passed
from flowrunner.report.page.source import sources_section
from flowrunner.report.page.steps import OPEN, Around, anchors, steps_section
from flowrunner.report.page.timeline import timeline_section
from flowrunner.report.planned import Planned
from flowrunner.report.text import plain
from flowrunner.report.verdict import headline

SECTIONS = {
    "cause": "Cause", "rollout": "Rollout", "jobs": "Jobs", "timeline": "Timeline", "steps": "Steps",
    "pictures": "Pictures", "measurements": "Measurements", "consoles": "Consoles", "files": "Files",
    "environment": "Environment", "pipeline": "Pipeline",
}  # fmt: skip


def render(summary: Summary, plan: Planned, folder: Path, consoles: dict[str, ConsoleFile]) -> str:
    """The whole page. The folder is read for pictures and sizes."""
    summary = without_passed(summary)
    ids = anchors(summary)
    album = Album(folder)
    past = frozenset(record.path for case in summary.cases for record in case.earlier)
    around = Around(plan.sources, consoles, ids, past, many=summary.counts.total > OPEN)
    sections = {
        "cause": cause_section(summary, plan, consoles, album),
        "rollout": rollout_section(summary, ids),
        "jobs": jobs_section(summary, ids),
        "timeline": timeline_section(summary, consoles, ids),
        "steps": steps_section(summary, around),
        "pictures": pictures_section(summary, album, ids),
        "measurements": measurements_section(summary, ids),
        "consoles": consoles_section(summary, consoles, ids),
        "files": files_section(summary, folder),
        "environment": environment_section(summary),
        "pipeline": sources_section(summary, plan.sources),
    }
    script = _asset("report.js") + _asset("console.js")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    title = plain(f"{headline(summary)}: {summary.facts.get('pipeline', 'run')}")
    return Template(_asset("report.html")).substitute(
        title=tag("title", title), policy=f"script-src 'sha256-{digest}'", style=_asset("report.css"), script=script,
        header=header(summary, plan, ids), navigation=_navigation(sections), sections=join(*sections.values()),
    )  # fmt: skip


def _navigation(sections: dict[str, Html]) -> Html:
    links = [tag("a", SECTIONS[name], href=f"#{name}") for name, content in sections.items() if content]
    return tag("nav", tag("div", links), aria_label="Sections")


def _asset(name: str) -> str:
    return resources.files("flowrunner.report").joinpath("assets", name).read_text("utf-8")
