"""The check of an expression's names before the run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from jinja2.lexer import TOKEN_NAME, TOKEN_STRING

from flowrunner.errors import near
from flowrunner.expressions.allowed import METHODS
from flowrunner.expressions.filters import FUNCTIONS
from flowrunner.expressions.names import Names, Unavailable
from flowrunner.expressions.words import Word

KEYWORDS = {"and", "or", "not", "if", "else", "in", "is", "true", "false", "none", "True", "False", "None"}

NOUNS = {"inputs": "input", "secrets": "secret", "matrix": "matrix key", "devices": "device", "needs": "job"}

FOREIGN = {"null": "none", "nil": "none", "undefined": "none", "yes": "true", "no": "false", "on": "true"}
"""Words of other languages, with ours."""


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong with the characters from `start` to `end`."""

    what: str
    code: str
    start: int
    end: int
    help: str | None = None


def chains(words: Sequence[Word]) -> Iterator[list[Word]]:
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


def _starts(words: Sequence[Word], index: int) -> bool:
    before = [word.value for word in words[max(0, index - 2) : index]]
    after = words[index + 1].value if index + 1 < len(words) else ""
    if before and (before[-1] in (".", "|", "is") or before == ["is", "not"]):
        return False
    return after not in ("=", "(")


def _next_part(words: Sequence[Word], position: int) -> tuple[Word, int] | None:
    values = [word.value for word in words[position : position + 3]]
    if len(values) >= 2 and values[0] == "." and words[position + 1].kind == TOKEN_NAME:
        called = len(values) == 3 and values[2] == "("
        return None if called else (words[position + 1], position + 2)
    if len(values) == 3 and values[0] == "[" and values[2] == "]" and words[position + 1].kind == TOKEN_STRING:
        return words[position + 1], position + 3
    return None


def problems(words: Sequence[Word], names: Names | None) -> Iterator[Problem]:
    """What is wrong with the names of an expression."""
    for before, word, after in zip([None, *words], words, [*words[1:], None], strict=False):
        if word.kind == TOKEN_NAME and after is not None and after.value == "(":
            problem = _check_called(before.value if before else "", word)
            if problem:
                yield problem
    for chain in chains(words) if names is not None else ():
        problem = _check_chain(chain, names or {})
        if problem:
            yield problem


def _check_called(before: str, word: Word) -> Problem | None:
    """What is wrong with a method or a function."""
    if before in ("|", "is", "not") or word.value in KEYWORDS:
        return None
    noun, known = ("method", METHODS) if before == "." else ("function", set(FUNCTIONS))
    return None if word.value in known else unknown(noun, word.value, word.offset, word.end, known)


def unknown(noun: str, name: str, start: int, end: int, known: set[str]) -> Problem:
    """The problem that there is no such filter, test, method or function."""
    return Problem(f"there is no {noun} '{name}'", f"unknown-{noun}", start, end, near(name, known))


def _check_chain(chain: list[Word], names: Names) -> Problem | None:
    here: object = names
    for depth, part in enumerate(chain):
        word = part.name
        if isinstance(here, Mapping):
            if word not in here:
                what, code = _missing([part.name for part in chain], depth)
                ours = FOREIGN.get(word) if depth == 0 else None
                help = f"write {ours}, or put it in quotes" if ours else near(word, map(str, here))
                return Problem(what, code, part.offset, part.end, help)
            here = here[word]
        elif here not in ("any", "map", "list"):
            what = f"a {here} has no '{word}'"
            return Problem(what, "unknown-name", part.offset, part.end, "it is a single value")
        else:
            return None
        if isinstance(here, Unavailable):
            return Problem(here.what, "unavailable", part.offset, part.end, here.help)
    return None


def _missing(words: Sequence[str], depth: int) -> tuple[str, str]:
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
