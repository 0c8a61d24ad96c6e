"""The check of an expression before the run: each name at its place, and the type of the result."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from jinja2.lexer import TOKEN_NAME, TOKEN_STRING, TOKEN_WHITESPACE

from flowrunner.errors import near
from flowrunner.expressions.filters import FUNCTIONS, METHODS, OWN, STANDARD, TESTS
from flowrunner.expressions.names import Names, Unavailable
from flowrunner.expressions.sandbox import sandbox

KEYWORDS = {"and", "or", "not", "if", "else", "in", "is", "true", "false", "none", "True", "False", "None"}

NOUNS = {"inputs": "input", "secrets": "secret", "matrix": "matrix key", "devices": "device", "needs": "job"}


@dataclass(frozen=True, slots=True)
class Token:
    """A word of an expression, `offset` characters behind its beginning."""

    kind: str
    value: str
    offset: int

    @property
    def end(self) -> int:
        """Offset behind it."""
        return self.offset + len(self.value)


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong with the characters from `start` to `end`."""

    what: str
    code: str
    start: int
    end: int
    help: str | None = None


def tokens(source: str) -> list[Token]:
    """The words of an expression."""
    found: list[Token] = []
    offset = 0
    for _, kind, value in sandbox().words(source):
        if kind != TOKEN_WHITESPACE:
            found.append(Token(kind, value, offset))
        offset += len(value)
    return found


def chains(words: list[Token]) -> Iterator[list[Token]]:
    """Each dotted name with its parts: `steps.boot.outputs`; a method that is called is no part of it."""
    for index, word in enumerate(words):
        if word.kind != TOKEN_NAME or word.value in KEYWORDS or not _starts(words, index):
            continue
        chain = [word]
        position = index + 1
        while (part := _next_part(words, position)) is not None:
            chain.append(part[0])
            position = part[1]
        yield chain


def _starts(words: list[Token], index: int) -> bool:
    before = [word.value for word in words[max(0, index - 2) : index]]
    after = words[index + 1].value if index + 1 < len(words) else ""
    if before and (before[-1] in (".", "|", "is") or before == ["is", "not"]):
        return False
    return after not in ("=", "(")


def _next_part(words: list[Token], position: int) -> tuple[Token, int] | None:
    values = [word.value for word in words[position : position + 3]]
    if len(values) >= 2 and values[0] == "." and words[position + 1].kind == TOKEN_NAME:
        called = len(values) == 3 and values[2] == "("
        return None if called else (words[position + 1], position + 2)
    if len(values) == 3 and values[0] == "[" and values[2] == "]" and words[position + 1].kind == TOKEN_STRING:
        return words[position + 1], position + 3
    return None


def word_of(token: Token) -> str:
    """The name that a part of a chain stands for."""
    return token.value[1:-1] if token.kind == TOKEN_STRING else token.value


def problems(words: list[Token], names: Names | None) -> Iterator[Problem]:
    """What is wrong with the names of an expression."""
    for before, word, after in zip([None, *words], words, [*words[1:], None], strict=False):
        if word.kind == TOKEN_NAME:
            problem = _check_word(before.value if before else "", word, after.value if after else "")
            if problem:
                yield problem
    for chain in chains(words) if names is not None else ():
        problem = _check_chain(chain, names or {})
        if problem:
            yield problem


def _check_word(before: str, word: Token, after: str) -> Problem | None:
    """What is wrong with a filter, a test, a method or a function."""
    known: Mapping[str, set[str]] = {
        "|": {*STANDARD, *OWN},
        "is": {*TESTS, "not", "matches"},
        ".": METHODS if after == "(" else {word.value},
    }
    nouns = {"|": "filter", "is": "test", ".": "method"}
    if before in known:
        return None if word.value in known[before] else _unknown(nouns[before], word, known[before])
    if after == "(" and word.value not in KEYWORDS and before != "not" and word.value not in FUNCTIONS:
        return _unknown("function", word, set(FUNCTIONS))
    return None


def _unknown(noun: str, word: Token, known: set[str]) -> Problem:
    return Problem(
        f"there is no {noun} '{word.value}'", f"unknown-{noun}", word.offset, word.end, near(word.value, known)
    )


def _check_chain(chain: list[Token], names: Names) -> Problem | None:
    here: object = names
    for depth, token in enumerate(chain):
        word = word_of(token)
        if isinstance(here, Mapping):
            if word not in here:
                what, code = _missing(chain, depth)
                return Problem(what, code, token.offset, token.end, near(word, map(str, here)))
            here = here[word]
        elif here not in ("any", "map", "list"):
            what = f"a {here} has no '{word}'"
            return Problem(what, "unknown-name", token.offset, token.end)
        else:
            return None
        if isinstance(here, Unavailable):
            return Problem(here.what, "unavailable", token.offset, token.end, here.help)
    return None


def _missing(chain: list[Token], depth: int) -> tuple[str, str]:
    words = [word_of(token) for token in chain]
    word = words[depth]
    if depth == 0:
        return f"there is no name '{word}'", "unknown-name"
    if words[0] == "steps" and depth == 1:
        return f"no step has the id '{word}' in this scope", "unknown-step"
    if words[0] == "steps" and depth == 3:
        return f"'{words[1]}' has no output '{word}'", "unknown-output"
    if words[0] in NOUNS and depth == 1:
        return f"there is no {NOUNS[words[0]]} '{word}'", f"unknown-{NOUNS[words[0]].split()[0]}"
    return f"'{'.'.join(words[:depth])}' has no '{word}'", "unknown-name"
