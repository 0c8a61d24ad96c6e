"""Where a cursor stands in a file that is being typed, so that nothing around it need be right."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from flowrunner.source import Mapping, Node, Scalar, plain
from flowrunner.source import Sequence as List
from flowrunner.source.recovery import recovered

MARK = "qzflowqz"
"""What stands in for what is still to be typed."""

Path = tuple[str | int, ...]

_VALUE = re.compile(r"(?:^|[\s{,-])[\w.$/-]+:\s+[^\s{\[,]*$|\[[^\[\]{}]*$|^\s*-\s+[^\s:{\[]*$")


@dataclass(frozen=True, slots=True)
class Cursor:
    """What is at the cursor: `path` leads to the mapping whose key is typed, or to the value.

    `word` is what of it is there already; `around` are the mappings on the way, the outermost first, as plain data.
    """

    path: Path
    key: bool
    word: str
    around: tuple[dict[str, object], ...]

    @property
    def taken(self) -> set[str]:
        """The keys that the mapping around the cursor has."""
        return {key for key in self.around[-1] if MARK not in key} if self.around else set()


def expression_at(before: str) -> str | None:
    """The expression in which the cursor stands, up to it; None when it stands in none."""
    start = before.rfind("${{")
    return before[start + 3 :] if start >= 0 and "}}" not in before[start:] else None


def cursors(lines: Sequence[str], line: int, column: int) -> Iterator[Cursor]:
    """What the cursor may be about, likeliest first: a word alone can be a key, or a value."""
    before, after = lines[line][:column], lines[line][column:]
    word = re.search(r"[\w.$/:-]*$", before.rpartition(" ")[2])
    typed = word[0] if word else ""
    typed = re.split(r"[\[{,]", typed)[-1]
    rest = re.sub(r"^[\w./-]*", "", after)
    head = before[: len(before) - len(typed)]
    value_first = _VALUE.search(before) is not None
    kept = _skeleton(lines, line)
    for key in (not value_first, value_first):
        for tail in _tails(head, rest, key=key):
            found = _cursor([*kept[0], head + MARK + tail, *kept[1]], key, typed)
            if found:
                yield found
                break


def _tails(head: str, rest: str, *, key: bool) -> Iterator[str]:
    """What may stand behind the cursor so that the line can be read."""
    rest = re.sub(r"^\s*:", "", rest) if key else rest
    colon = ": " if key else ""
    yield colon + rest
    closers = "".join("}" if one == "{" else "]" for one in reversed(_open(head)))
    if closers or rest.strip():
        yield colon + closers


def _open(text: str) -> list[str]:
    """The brackets that `text` leaves open."""
    found: list[str] = []
    for char in re.sub(r"\"[^\"]*\"|'[^']*'", "", text):
        if char in "{[":
            found.append(char)
        elif char in "}]" and found:
            found.pop()
    return found


def _cursor(lines: Sequence[str], key: bool, word: str) -> Cursor | None:
    root = recovered("\n".join(lines), "cursor").root
    hit = _find(root, (), ()) if root else None
    if hit is None:
        return None
    path, is_key, around = hit
    if is_key != key:
        return None
    data = tuple(plain(one) for one in around)
    return Cursor(path, is_key, word, data)


def _find(node: Node, path: Path, around: tuple[Mapping, ...]) -> tuple[Path, bool, tuple[Mapping, ...]] | None:
    if isinstance(node, Scalar):
        return (path, False, around) if MARK in str(node.value) else None
    if isinstance(node, List):
        below = (_find(item, (*path, index), around) for index, item in enumerate(node.items))
        return next((hit for hit in below if hit), None)
    for name, value in node.entries:
        if MARK in str(name.value):
            return path, True, (*around, node)
        if hit := _find(value, (*path, str(name.value)), (*around, node)):
            return hit
    return None


def _skeleton(lines: Sequence[str], line: int) -> tuple[list[str], list[str]]:
    """The lines that say in what the cursor's line is: those less indented above it, and the keys beside them."""
    indent, dash = _indent(lines[line])
    above: list[str] = []
    limit = indent
    for text in reversed(lines[:line]):
        depth, item = _indent(text)
        if not text.strip() or text.lstrip().startswith("#") or depth > limit:
            continue
        if depth == limit and (item or (dash and above and not _indent(above[-1])[1] and _opens(above[-1], limit))):
            continue  # an earlier item of the same list, or what is beside the list's own key
        above.append(text)
        if depth < limit or not item:
            dash = item if depth < limit else dash
            limit = depth
    below: list[str] = []
    for text in lines[line + 1 :]:
        depth, item = _indent(text)
        if text.strip() and (depth < indent or (depth == indent and item)):
            break
        if text.strip() and depth == indent:
            below.append(text)
    return above[::-1], below


def _opens(text: str, limit: int) -> bool:
    return _indent(text)[0] == limit and text.rstrip().endswith(":")


def _indent(text: str) -> tuple[int, bool]:
    """How far a line is indented, and whether it begins an item of a list."""
    stripped = text.lstrip(" ")
    return len(text) - len(stripped), stripped.startswith("- ") or stripped == "-"
