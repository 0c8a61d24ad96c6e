"""Nodes from the events of a parser."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from ruamel.yaml import events

from flowrunner.errors import PipelineError, PipelineErrors, Span, near
from flowrunner.source.nodes import Mapping, Node, Scalar, Sequence
from flowrunner.source.scalars import resolve
from flowrunner.source.wording import place_of

MOST_NODES = 100_000
"""Nodes of one file, aliases written out; more is a mistake or an attack."""

DEEPEST = 100
"""Levels of nesting."""


class _Open:
    """A list or mapping that has begun. `size` counts its nodes, `height` its levels, aliases written out."""

    __slots__ = ("anchor", "height", "items", "size", "start")

    def __init__(self, start: Span, anchor: str | None) -> None:
        self.start = start
        self.anchor = anchor
        self.items: list[Node] = []
        self.size = self.height = 1


class Composer:
    """Makes nodes of a parser's events without recursion, and collects what the language does not have."""

    def __init__(self, text: str, name: str, shown: dict[int, str]) -> None:
        self.errors: list[PipelineError] = []
        self.root: Node | None = None
        self._text = text
        self._name = name
        self._shown = shown
        self._open: list[_Open] = []
        self._anchors: dict[str, tuple[Node, int, int] | Span] = {}
        self._count = 0

    def take(self, stream: Iterable[Any]) -> None:
        """Compose all that comes.

        Raises:
            PipelineErrors: there is too much of it.
        """
        for event in stream:
            kind = type(event)
            if kind is events.ScalarEvent:
                self._scalar(event)
            elif kind is events.MappingStartEvent or kind is events.SequenceStartEvent:
                self._begin(event)
            elif kind is events.MappingEndEvent or kind is events.SequenceEndEvent:
                self._end(event, is_list=kind is events.SequenceEndEvent)
            elif kind is events.AliasEvent:
                self._alias(event)
            elif kind is events.DocumentStartEvent and self.root is not None:
                what = "there is more than one document"
                self._refuse(what, "several-documents", self._span(event), "keep one, without '---'")
                return

    def _scalar(self, event: Any) -> None:
        where = self._span(event)
        if event.tag is not None:
            self._refuse_tag(event.tag, where)
        if event.anchor is not None:
            where = self._behind_anchor(event, where)
        value = event.value.translate(self._shown) if self._shown else event.value
        node = Scalar(value, where, value, False) if event.style else Scalar(resolve(value), where, value, True)
        self._add(node, event.anchor, 1, 1)

    def _begin(self, event: Any) -> None:
        where = self._span(event)
        if event.tag is not None:
            self._refuse_tag(event.tag, where)
        self._grow(1, 1, where)
        if event.anchor is not None:
            self._anchors[event.anchor] = where
        self._open.append(_Open(where, event.anchor))

    def _end(self, event: Any, *, is_list: bool) -> None:
        done = self._open.pop()
        end = event.end_mark
        where = Span(self._name, done.start.line, done.start.column, end.line + 1, end.column + 1)
        node = Sequence(tuple(done.items), where) if is_list else self._mapping(done.items, where)
        self._count -= 1
        self._add(node, done.anchor, done.size, done.height)

    def _alias(self, event: Any) -> None:
        found = self._anchors.get(event.anchor)
        if isinstance(found, tuple):
            node, size, height = found
            self._grow(size - 1, height, self._span(event))
            self._add(node, None, size, height)
            return
        if found is None:
            what, code, where = "the alias has no anchor before it", "unknown-alias", self._span(event)
            self._refuse(what, code, where, near(event.anchor, self._anchors) if self._anchors else "write &name first")
        else:
            self._refuse("an alias stands inside its own anchor", "recursive-alias", found, "write it out")
        self._add(Scalar(None, self._span(event), "", plain=True), None, 1, 1)

    def _add(self, node: Node, anchor: str | None, size: int, height: int) -> None:
        """A node is complete: it belongs to the innermost one that is not."""
        self._grow(1, 1, node.where)
        if anchor is not None:
            self._anchors[anchor] = (node, size, height)
        if not self._open:
            self.root = node
            return
        outer = self._open[-1]
        outer.items.append(node)
        outer.size += size
        outer.height = max(outer.height, height + 1)

    def _grow(self, size: int, height: int, where: Span) -> None:
        """Count nodes, before they are there."""
        self._count += size
        if self._count > MOST_NODES:
            what = f"the file is more than {MOST_NODES} values, aliases written out"
        elif len(self._open) + height - 1 > DEEPEST:
            what = f"the file is more than {DEEPEST} levels deep, aliases written out"
        else:
            return
        self._refuse(what, "too-large", where, "split it")
        raise PipelineErrors(self.errors)

    def _mapping(self, items: list[Node], where: Span) -> Mapping:
        entries: dict[str, tuple[Scalar, Node]] = {}
        for raw, value in zip(items[::2], items[1::2], strict=True):
            key = self._key(raw)
            if key is None:
                continue
            text = key.text
            if text in entries:
                advice = f"first at {entries[text][0].where.short}"
                self._refuse(f"the key '{text}' is there twice", "duplicate-key", key.where, advice)
            else:
                entries[text] = (key, value)
        return Mapping(tuple(entries.values()), where)

    def _key(self, raw: Node) -> Scalar | None:
        if not isinstance(raw, Scalar) or isinstance(raw.value, bool) or raw.value is None:
            is_template = isinstance(raw, Mapping)
            advice = "an expression is written ${{ ... }}, other text in quotes" if is_template else "put it in quotes"
            self._refuse("a key must be text", "bad-key", raw.where, advice)
            return None
        if raw.plain and raw.text == "<<":
            what = "merge keys are not part of the language"
            self._refuse(what, "merge-key", raw.where, "use defaults, or a template")
            return None
        return raw if isinstance(raw.value, str) else Scalar(raw.text, raw.where, raw.text, raw.plain)

    def _refuse_tag(self, tag: str, where: Span) -> None:
        written = tag if tag.startswith("!") else f"!<{tag}>"
        written = written.replace("!<tag:yaml.org,2002:", "!!").rstrip(">") if "yaml.org,2002" in tag else written
        self._refuse(f"the tag '{written}' is not part of the language", "tag", where, "leave it out; quote text")

    def _span(self, event: Any) -> Span:
        start, end = event.start_mark, event.end_mark
        return Span(self._name, start.line + 1, start.column + 1, end.line + 1, end.column + 1)

    def _behind_anchor(self, event: Any, where: Span) -> Span:
        """The place of a scalar itself, without the anchor before it."""
        start = event.start_mark.index
        anchor = _ANCHOR.match(self._text, start)
        if not anchor or anchor.end() > event.end_mark.index:
            return where
        begin = place_of(self._name, self._text, anchor.end())
        return Span(self._name, begin.line, begin.column, where.end_line, where.end_column)

    def _refuse(self, what: str, code: str, where: Span, help: str) -> None:
        self.errors.append(PipelineError(what, code=code, where=where, help=help))


_ANCHOR = re.compile(r"&[^\s,\[\]{}]+\s+")
