"""Regular expressions of authors: checked, compiled once, and never allowed to run for long."""

from __future__ import annotations

import warnings
from functools import lru_cache, partial
from typing import Annotated, Any

import anyio.to_thread
import regex
from pydantic import AfterValidator
from pydantic_core import PydanticCustomError

from flowrunner.errors import BenchError, PipelineError

Hit = Any
"""A match object of the `regex` package, which has no types of its own."""

QUICK = 0.01
"""Seconds that a search may take on the event loop; a longer one is done again in a worker thread."""

LIMIT = 1.0
"""Seconds that a search may take at all."""

ADVICE = "in a pattern ( ) [ ] { } . * + ? | ^ $ \\ have a meaning: put a \\ before one that is meant as text"


@lru_cache(maxsize=256)
def compiled(pattern: str) -> Any:
    """The compiled `pattern`.

    Raises:
        PipelineError: it is no regular expression.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)
            return regex.compile(pattern)
    except regex.error as error:
        raise PipelineError(f"the pattern {pattern!r} cannot be read: {error}", code="bad-regex") from error


async def search(pattern: str, text: str) -> Hit | None:
    """The first match of `pattern` in `text`.

    Raises:
        BenchError: it took too long; the event loop went on meanwhile.
    """
    expression = compiled(pattern)
    try:
        return expression.search(text, timeout=QUICK, concurrent=True)
    except TimeoutError:
        pass
    slow = partial(expression.search, text, timeout=LIMIT, concurrent=True)
    try:
        return await anyio.to_thread.run_sync(slow, abandon_on_cancel=True)
    except TimeoutError as error:
        raise BenchError(
            f"the pattern {pattern!r} took longer than {LIMIT:g}s on one line",
            blame="config",
            said=text[:200],
            help="repeats inside repeats, such as (a+)+, take exponential time: write it simpler",
        ) from error


def _checked(pattern: str) -> str:
    try:
        compiled(pattern)
    except PipelineError as error:
        why = f"is no regular expression: {error.__cause__}"
        raise PydanticCustomError("regex", "{why}", {"why": why, "help": ADVICE}) from error
    return pattern


Regex = Annotated[str, AfterValidator(_checked)]
"""A regular expression in a pipeline, in the dialect of the `regex` package (a superset of Python's `re`)."""
