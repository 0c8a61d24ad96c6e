"""Pictures: snapshots with their golden and the difference, and every other picture that a step kept."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from flowrunner.report.model import Summary
from flowrunner.report.page.markup import Html, badge, file_link, join, section, tag
from flowrunner.report.text import plain

ONE, ALL = 4 << 20, 24 << 20
"""Bytes of one picture, and of all, that the page carries; others are only linked."""

_MEDIA = {".png": "image/png", ".jpg": "image/jpeg", ".jpeg": "image/jpeg", ".gif": "image/gif", ".webp": "image/webp"}


class Album:
    """Turns picture files of the run's folder into elements."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder.resolve()
        self._left = ALL
        self._sources: dict[str, str | None] = {}

    def picture(self, file: str, alt: str) -> Html:
        """The picture, or a link to it when it is missing, large or no picture."""
        if file not in self._sources:
            self._sources[file] = self._source(file)
        source = self._sources[file]
        if source is None:
            return file_link(file)
        return tag(
            "button", tag("img", src=source, alt=plain(alt), loading="lazy"), type="button", class_="zoom",
            aria_label=plain(f"enlarge: {alt}"),
        )  # fmt: skip

    def _source(self, file: str) -> str | None:
        path = (self._folder / file).resolve()
        media = _MEDIA.get(path.suffix.lower())
        if media is None or not path.is_relative_to(self._folder) or not path.is_file():
            return None
        size = path.stat().st_size
        if size > min(ONE, self._left):
            return None
        self._left -= size
        return f"data:{media};base64,{base64.b64encode(path.read_bytes()).decode()}"


def pictures_section(summary: Summary, album: Album, anchors: Mapping[str, str]) -> Html:
    """All pictures of the run."""
    return section("pictures", "Pictures", list(_snapshots(summary, album, anchors)), _others(summary, album))


def _snapshots(summary: Summary, album: Album, anchors: Mapping[str, str]) -> Iterator[Html]:
    for record in summary.walk():
        for event in record.extras.snapshots:
            yield snapshot(event, anchors.get(record.path, ""), album)


def snapshot(event: Mapping[str, Any], anchor: str, album: Album) -> Html:
    """Golden, what was seen, and the difference, side by side; `anchor` is where the name leads."""
    name, verdict = str(event.get("name", "")), str(event.get("verdict", ""))
    outcome = {"updated": "skipped"}.get(verdict, verdict)
    figures = [
        tag("figure", album.picture(str(event[kind]), f"{name}, {kind}"), tag("figcaption", caption))
        for kind, caption in (("golden", "golden"), ("actual", "this run"), ("diff", "difference"))
        if event.get(kind)
    ]
    measured = (
        f"distance {event['distance']}, allowed {event.get('tolerance')}, " if event.get("distance") is not None else ""
    )
    distance = f"{measured}{verdict}"
    head = tag("h3", badge(outcome), tag("a", name, href=f"#{anchor}"), tag("span", distance, class_="quiet"))
    return tag("div", head, tag("div", figures, class_="triple"), class_="snapshot")


def _others(summary: Summary, album: Album) -> Html:
    shown = {
        str(event.get(kind))
        for record in summary.walk()
        for event in record.extras.snapshots
        for kind in ("golden", "actual", "diff")
    }
    figures = [
        tag("figure", album.picture(str(event["file"]), str(event.get("title") or event["file"])),
            tag("figcaption", f"{event.get('title') or event['file']}, {record.path}"))
        for record in summary.walk()
        for event in record.extras.artifacts
        if event["file"] not in shown and Path(str(event["file"])).suffix.lower() in _MEDIA
    ]  # fmt: skip
    return tag("div", figures, class_="gallery") if figures else join()
