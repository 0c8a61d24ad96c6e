"""The pipeline's text: excerpts at a place, and the whole with a mark at each step."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from flowrunner.errors import Span
from flowrunner.report.model import Summary
from flowrunner.report.page.markup import Html, badge, join, section, tag

_RANK = ("failed", "errored", "canceled", "passed", "skipped")
_TOKEN = re.compile(
    r"(?P<comment>(?:(?<=\s)|^)#.*$)"
    r"|(?P<expression>\$\{\{.*?\}\})"
    r"|(?P<text>'[^']*'|\"(?:\\.|[^\"\\])*\")"
    r"|(?P<key>(?<![^\s{,\[-])[A-Za-z_][\w.\-/]*(?=\s*:(?:\s|$)))"
)


def excerpt(sources: Mapping[str, str], where: Span | None, *, before: int = 2) -> Html:
    """The lines around a place with a mark under it; nothing when the file's text is not known."""
    text = sources.get(where.file) if where else None
    if where is None or text is None:
        return Html("")
    lines = text.splitlines()
    if not 1 <= where.line <= len(lines):
        return Html("")
    first = max(1, where.line - before)
    rows = [_row(number, lines[number - 1]) for number in range(first, where.line + 1)]
    own = lines[where.line - 1]
    end = where.end_column if where.end_line == where.line else len(own) + 1
    width = max(1, min(end, len(own) + 1) - where.column)
    rows.append(
        tag("span", tag("i"), tag("code", " " * (where.column - 1), tag("mark", "^" * width)), class_="line caret")
    )
    return tag("div", rows, class_="excerpt", role="img", aria_label=f"line {where.line} of {where.file}")


def place(where: Span | None, sources: Mapping[str, str]) -> Html:
    """A place, as a link to the pipeline's text when that is known."""
    if where is None:
        return Html("")
    if where.file not in sources:
        return tag("span", str(where), class_="place")
    return tag("a", str(where), href=f"#{_anchor(where.file, where.line)}", class_="place")


def sources_section(summary: Summary, sources: Mapping[str, str]) -> Html:
    """Every file of the plan."""
    outcomes: dict[tuple[str, int], str] = {}
    for record in summary.walk():
        if record.where:
            key = (record.where.file, record.where.line)
            outcomes[key] = min(outcomes.get(key, "skipped"), record.outcome, key=_rank)
    files = [
        tag(
            "div",
            tag("h3", name) if len(sources) > 1 else None,
            tag("div", _lines(name, text, outcomes), class_="source"),
        )
        for name, text in sources.items()
    ]
    return section("pipeline", "Pipeline", files, note=", ".join(sources))


def _lines(name: str, text: str, outcomes: Mapping[tuple[str, int], str]) -> Iterable[Html]:
    for number, line in enumerate(text.splitlines(), 1):
        yield _row(number, line, anchor=_anchor(name, number), outcome=outcomes.get((name, number)))


def _row(number: int, line: str, *, anchor: str | None = None, outcome: str | None = None) -> Html:
    mark = badge(outcome) if outcome else None
    return tag("span", tag("i", mark, str(number)), tag("code", _coloured(line)), class_="line", id=anchor)


def _coloured(line: str) -> Html:
    """A line of YAML with its keys, texts, expressions and comments told apart."""
    parts: list[str | Html] = []
    at = 0
    for hit in _TOKEN.finditer(line):
        parts += [line[at : hit.start()], tag("span", hit[0], class_=f"y-{hit.lastgroup}")]
        at = hit.end()
    return join(*parts, line[at:])


def _anchor(file: str, line: int) -> str:
    return f"y-{re.sub('[^A-Za-z0-9]+', '-', file)}-{line}"


def _rank(outcome: str) -> int:
    return _RANK.index(outcome) if outcome in _RANK else len(_RANK)
