"""Kubernetes label selectors: `board=rpi4,site in (berlin, oslo),!reserved`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, NoReturn

from flowrunner.errors import PipelineError, Span

Operator = Literal["in", "notin", "exists", "absent"]

TOKEN = re.compile(r"\s*(?:(?P<word>[A-Za-z0-9][\w./-]*)|(?P<sign>==|!=|=|!|,|\(|\)))")
KEY = re.compile(r"([a-z0-9]([a-z0-9.-]*[a-z0-9])?/)?[A-Za-z0-9]([\w.-]*[A-Za-z0-9])?")
VALUE = re.compile(r"([A-Za-z0-9]([\w.-]*[A-Za-z0-9])?)?")


@dataclass(frozen=True, slots=True)
class Requirement:
    """One condition on one label: its value is one of `values`, is none of them, is there, or is not there."""

    key: str
    operator: Operator
    values: frozenset[str] = frozenset()

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Whether `labels` meet it. As in Kubernetes a label that is not there is also not equal to anything."""
        match self.operator:
            case "in":
                return self.key in labels and labels[self.key] in self.values
            case "notin":
                return self.key not in labels or labels[self.key] not in self.values
            case "exists":
                return self.key in labels
            case "absent":
                return self.key not in labels

    def __str__(self) -> str:
        listed = ",".join(sorted(self.values))
        match self.operator:
            case "in" | "notin" if len(self.values) == 1:
                return f"{self.key}{'=' if self.operator == 'in' else '!='}{listed}"
            case "in" | "notin":
                return f"{self.key} {self.operator} ({listed})"
            case "exists":
                return self.key
            case "absent":
                return f"!{self.key}"


@dataclass(frozen=True, slots=True)
class Selector:
    """All of its requirements; none at all matches everything."""

    requirements: tuple[Requirement, ...]

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Whether `labels` meet every requirement."""
        return all(requirement.matches(labels) for requirement in self.requirements)

    def possible(self, labels: Mapping[str, str]) -> bool:
        """Whether something could match of which `labels` are known, and others may be there."""
        return all(r.key not in labels or r.matches(labels) for r in self.requirements)

    def __str__(self) -> str:
        return ",".join(str(requirement) for requirement in self.requirements)


def parse(text: str, where: Span | None = None) -> Selector:
    """Read a selector; `where` is the place of its text in a file.

    Raises:
        PipelineError: it is none, with the position in the text.
    """
    return _Parser(text, where).parse()


class _Parser:
    """Recursive descent over the tokens of one text."""

    def __init__(self, text: str, where: Span | None) -> None:
        self.text = text
        self.where = where
        self.at = 0

    def parse(self) -> Selector:
        if not self.text.strip():
            return Selector(())
        found = [self.requirement()]
        while self.take(","):
            found.append(self.requirement())
        if self.text[self.at :].strip():
            self.wrong("a comma or the end")
        return Selector(tuple(found))

    def requirement(self) -> Requirement:
        if self.take("!"):
            return Requirement(self.word(KEY, "a label"), "absent")
        key = self.word(KEY, "a label")
        if self.take("=") or self.take("=="):
            return Requirement(key, "in", frozenset({self.value()}))
        if self.take("!="):
            return Requirement(key, "notin", frozenset({self.value()}))
        if self.take("in"):
            return Requirement(key, "in", self.values())
        if self.take("notin"):
            return Requirement(key, "notin", self.values())
        return Requirement(key, "exists")

    def values(self) -> frozenset[str]:
        if not self.take("("):
            self.wrong("'(' and a list of values")
        found = {self.value()}
        while self.take(","):
            found.add(self.value())
        if not self.take(")"):
            self.wrong("a comma or ')'")
        return frozenset(found)

    def value(self) -> str:
        following = self.peek()
        return "" if following in (",", ")", "") and not self.rest() else self.word(VALUE, "a value")

    def word(self, pattern: re.Pattern[str], noun: str) -> str:
        token = TOKEN.match(self.text, self.at)
        if not token or not token["word"] or not pattern.fullmatch(token["word"]):
            self.wrong(noun)
        if len(token["word"].rpartition("/")[2]) > 63:
            self.wrong(f"{noun} of at most 63 characters")
        self.at = token.end()
        return token["word"]

    def peek(self) -> str:
        token = TOKEN.match(self.text, self.at)
        return (token["word"] or token["sign"]) if token else ""

    def rest(self) -> bool:
        """Whether something stands here that is no token at all."""
        return not TOKEN.match(self.text, self.at) and bool(self.text[self.at :].strip())

    def take(self, token: str) -> bool:
        found = TOKEN.match(self.text, self.at)
        if not found or (found["word"] or found["sign"]) != token:
            return False
        self.at = found.end()
        return True

    def wrong(self, wanted: str) -> NoReturn:
        start = self.at + len(self.text[self.at :]) - len(self.text[self.at :].lstrip())
        got = f"'{self.text[start:].split(',')[0]}'" if start < len(self.text) else "the end"
        raise PipelineError(
            f"the selector '{self.text}' needs {wanted} at character {start + 1}, got {got}",
            code="bad-selector",
            where=self._place(start),
            help="write it as board=rpi4,site in (berlin,oslo),arch!=arm,camera,!reserved",
        )

    def _place(self, start: int) -> Span | None:
        """The place of one character, where the text stands in one line as it is, with or without quotes around it."""
        span = self.where
        quotes = span.end_column - span.column - len(self.text) if span else 0
        if span is None or span.line != span.end_line or quotes not in (0, 2):
            return span
        column = min(span.column + quotes // 2 + start, span.end_column - 1)
        return Span(span.file, span.line, column, span.line, span.end_column)
