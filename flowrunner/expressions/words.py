"""The words of an expression with their places, and what is wrong when they are none."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from jinja2 import TemplateSyntaxError
from jinja2.lexer import (
    TOKEN_FLOAT,
    TOKEN_INTEGER,
    TOKEN_NAME,
    TOKEN_OPERATOR,
    TOKEN_STRING,
    TOKEN_WHITESPACE,
    Lexer,
    Token,
    TokenStream,
    operators,
)


class Word(NamedTuple):
    """A word of an expression, `offset` characters behind its beginning."""

    kind: str
    value: str
    offset: int

    @property
    def end(self) -> int:
        """Offset behind it."""
        return self.offset + len(self.value)

    @property
    def name(self) -> str:
        """What it names: `steps` and `'steps'` both name steps."""
        return self.value[1:-1] if self.kind == TOKEN_STRING else self.value


class NotAnExpression(Exception):
    """The characters from `start` to `end` cannot stand where they do."""

    def __init__(self, what: str, start: int, end: int, help: str | None = None) -> None:
        super().__init__(what)
        self.what = what
        self.start = start
        self.end = end
        self.help = help


def read(lexer: Lexer, source: str) -> list[Word]:
    """The words of `source`, white space left out.

    Raises:
        NotAnExpression: a character that cannot stand there.
    """
    found: list[Word] = []
    offset = 0
    try:
        for _, kind, value in lexer.tokeniter(source, None, state="variable"):
            if kind != TOKEN_WHITESPACE:
                found.append(Word(kind, value, offset))
            offset += len(value)
    except TemplateSyntaxError as error:
        char = source[offset : offset + 1]
        help = _HINTS.get(source[offset : offset + 2]) or _HINTS.get(char) or "put text in quotes"
        raise NotAnExpression(f"'{char}' cannot stand here", offset, offset + 1, help) from error
    return found


class Words(TokenStream):
    """The words as Jinja2's parser wants them; `position` is the index of the one that it is at."""

    def __init__(self, words: Sequence[Word]) -> None:
        self._taken = -1
        super().__init__(_tokens(words), None, None)

    @property
    def position(self) -> int:
        """Index of the current word."""
        return self._taken - len(self._pushed)

    def __next__(self) -> Token:
        if not self._pushed:
            self._taken += 1
        return super().__next__()


def misplaced(words: Sequence[Word], position: int, source: str) -> NotAnExpression:
    """The error that the word at `position` cannot be there, or that there should be one."""
    if not words:
        return NotAnExpression("there is nothing between '${{' and '}}'", 0, len(source), "write a value or a name")
    if position >= len(words):
        return NotAnExpression("it ends too early", len(source), len(source) + 2, "something is missing before '}}'")
    word = words[position]
    before = words[position - 1].value if position else ""
    help = _HINTS.get(before + word.value) or _HINTS.get(word.value)
    help = help or ("an operator or a bracket is missing before it" if position else "begin with a value or a name")
    help = _STATEMENTS if before + word.value == "{%" else help
    return NotAnExpression(f"'{word.value}' cannot stand here", word.offset, word.end, help)


_STATEMENTS = "statements exist only in the files of the action template"

_HINTS = {
    "&&": "write 'and'", "&": "write 'and'", "||": "write 'or'", "!": "write 'not'", "?": "write 'a if b else c'",
    "=": "write '==' to compare", "$": "names stand without $", "#": "comments stand outside, behind the value",
    ";": "there is one expression only", "`": "put text in ' or \"", "}": "a bracket was not opened",
    ")": "a bracket was not opened", "]": "a bracket was not opened", "@": "put text in quotes",
}  # fmt: skip
"""What people write who come from another language."""


def _tokens(words: Sequence[Word]) -> Iterator[Token]:
    for word in words:
        try:
            yield _token(word)
        except (ValueError, OverflowError) as error:
            what = f"'{word.value[:40]}' cannot be read"
            raise NotAnExpression(what, word.offset, word.end, str(error).split(":")[-1].strip()) from error


def _token(word: Word) -> Token:
    value: Any = word.value
    kind = word.kind
    if kind == TOKEN_STRING:
        value = _unescaped(value[1:-1])
    elif kind == TOKEN_INTEGER:
        value = int(value.replace("_", ""), 0)
    elif kind == TOKEN_FLOAT:
        value = float(value.replace("_", ""))
    elif kind == TOKEN_OPERATOR:
        kind = operators[value]
    elif kind == TOKEN_NAME and not value.isidentifier():
        raise ValueError("it is no name")
    return Token(1, kind, value)


def _unescaped(text: str) -> str:
    r"""The text that a literal means, by the rules of Python; a backslash before anything else stays, as in `'\d'`."""
    if "\\" not in text:
        return text
    doubled = re.sub(
        r"\\(.)", lambda found: found[0] if found[1] in _ESCAPES else "\\" + found[0], text, flags=re.DOTALL
    )
    return doubled.encode("ascii", "backslashreplace").decode("unicode-escape")


_ESCAPES = "\\'\"abfnrtvxuUN01234567\n"
