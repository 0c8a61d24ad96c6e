"""Errors as people and tools want to read them."""

from __future__ import annotations

import hashlib
import json
import unicodedata
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Literal

from flowrunner.errors import BenchError, ExpectationError, FlowrunnerError, PipelineError, PipelineErrors, Span

Format = Literal["text", "json", "github", "gitlab"]

MOST = 20
"""Errors that are printed as text at once."""

WIDTH = 110
"""Characters of a line of the file that are shown."""

RED, DIM, BOLD, PLAIN = "\x1b[31m", "\x1b[2m", "\x1b[1m", "\x1b[0m"


def render(
    errors: Sequence[FlowrunnerError], sources: Mapping[str, str], *, format: str = "text", color: bool = False
) -> str:
    """`errors` in the given format; `sources` has the text of each file by its name in spans."""
    errors = [one for error in errors for one in (error.errors if isinstance(error, PipelineErrors) else [error])]
    if format == "json":
        return json.dumps([_facts(error) for error in errors], indent=2)
    if format == "github":
        return "\n".join(_github(error) for error in errors).encode(errors="replace").decode()
    if format == "gitlab":
        return json.dumps(list(_gitlab(errors)), indent=2)
    shown = [_text(error, sources, color=color) for error in errors[:MOST]]
    if len(errors) > MOST:
        shown.append(f"and {len(errors) - MOST} more")
    return "\n".join(shown)


def _text(error: FlowrunnerError, sources: Mapping[str, str], *, color: bool) -> str:
    red, bold, plain = (RED, BOLD, PLAIN) if color else ("", "", "")
    place = f"{bold}{_flat(str(error.where))}:{plain} " if error.where else ""
    help = _flat(error.help) if error.help else None
    lines = [f"{place}{red}{_label(error)}:{plain} {_lines(error.what)}"]
    excerpt = _excerpt(error.where, sources, help, color=color) if error.where else []
    lines += excerpt or ([f"  help: {help}"] if help else [])
    if isinstance(error, PipelineError):
        lines += [f"      included at {_flat(str(place))}" for place in error.included]
    if isinstance(error, BenchError | ExpectationError) and error.said:
        lines += [f"  | {_flat(line)}" for line in error.said.splitlines()]
    return "\n".join(lines)


def _label(error: FlowrunnerError) -> str:
    """An expectation that was missed is no error, unless its author said so."""
    return "failed" if isinstance(error, ExpectationError) and error.outcome != "errored" else "error"


def _lines(text: str) -> str:
    """Each line of `text` as it is safe to print; those behind the first are moved in."""
    return "\n      ".join(_flat(line) for line in text.splitlines())


def _excerpt(where: Span, sources: Mapping[str, str], help: str | None, *, color: bool) -> list[str]:
    source = sources.get(where.file, "").removeprefix("\ufeff")
    lines = source.replace("\r\n", "\n").replace("\r", "\n").split("\n")  # other breaks are text in YAML
    if where.file not in sources or not 1 <= where.line <= len(lines):
        return []
    line = lines[where.line - 1]
    end = where.end_column if where.end_line == where.line else len(line) + 1
    start, stop = where.column - 1, max(min(end - 1, len(line)), where.column)
    cut = max(0, min(start - WIDTH // 2, len(line) - WIDTH)) if len(line) > WIDTH else 0
    before, marked, after = line[cut:start], line[start:stop], line[stop : cut + WIDTH]
    lead = "..." if cut else ""
    tail = "..." if len(line) > cut + WIDTH else ""
    number = f"{where.line:>5} | "
    red, dim, plain = (RED, DIM, PLAIN) if color else ("", "", "")
    left, marked, right = _flat(lead + before), _flat(marked[:WIDTH]), _flat(after + tail)
    carets = "^" * max(1, _width(marked))
    return [
        f"{dim}{number}{plain}{left}{marked}{right}",
        f"{dim}{' ' * 5} | {plain}{' ' * _width(left)}{red}{carets}{plain}" + (f" {help}" if help else ""),
    ]


def _flat(text: str) -> str:
    """Tabs as one space, control characters shown: what the carets count on."""
    return "".join(" " if c == "\t" else c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)


def _width(text: str) -> int:
    """Columns that flat text takes on a terminal."""
    marks = sum(unicodedata.category(char) in ("Mn", "Me") for char in text)
    return len(text) - marks + sum(unicodedata.east_asian_width(char) in "WF" for char in text)


def _code(error: FlowrunnerError) -> str:
    return error.code if isinstance(error, PipelineError) else "unmet" if _label(error) == "failed" else "bench"


def _facts(error: FlowrunnerError) -> dict[str, object]:
    where = error.where
    return {
        "file": where.file if where else None,
        "line": where.line if where else None,
        "column": where.column if where else None,
        "end_line": where.end_line if where else None,
        "end_column": where.end_column if where else None,
        "severity": "error",
        "code": _code(error),
        "message": error.what,
        "help": error.help,
        "included": [str(place) for place in error.included] if isinstance(error, PipelineError) else [],
    }


def _github(error: FlowrunnerError) -> str:
    """A workflow command of GitHub Actions."""
    where = error.where
    place = ""
    if where:
        place = f" file={escaped(where.file, all=True)},line={where.line},col={where.column},endLine={where.end_line}"
        place += f",title={escaped(_code(error), all=True)}"
    return f"::error{place}::{escaped(error.what + (f' ({error.help})' if error.help else ''))}"


def escaped(text: str, *, all: bool = False) -> str:
    """`text` as workflow commands of GitHub want it; `all` for the values of their properties."""
    text = text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
    return text.replace(":", "%3A").replace(",", "%2C") if all else text


def _gitlab(errors: Sequence[FlowrunnerError]) -> Iterator[dict[str, object]]:
    """The entries of GitLab's Code Quality report. A fingerprint does not change when lines move."""
    seen: Counter[tuple[str, str, str]] = Counter()
    for error in errors:
        where = error.where
        identity = (where.file if where else "", _code(error), error.what)
        seen[identity] += 1
        yield {
            "description": error.what + (f" ({error.help})" if error.help else ""),
            "check_name": _code(error),
            "fingerprint": hashlib.sha256(repr((*identity, seen[identity])).encode()).hexdigest(),
            "severity": "major",
            "location": {"path": where.file if where else "", "lines": {"begin": where.line if where else 1}},
        }
