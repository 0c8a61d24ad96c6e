"""Regular expressions of authors: checked and compiled once."""

from __future__ import annotations

import warnings
from functools import lru_cache
from typing import Annotated, Any

from pydantic import AfterValidator
from pydantic_core import PydanticCustomError

from flowrunner.errors import PipelineError

ADVICE = "in a pattern ( ) [ ] { } . * + ? | ^ $ \\ have a meaning: put a \\ before one that is meant as text"


@lru_cache(maxsize=256)
def compiled(pattern: str) -> Any:
    """The compiled `pattern`.

    Raises:
        PipelineError: it is no regular expression.
    """
    import regex  # here, because it takes 50 ms to import, and most pipelines are checked without one

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)
            return regex.compile(pattern)
    except regex.error as error:
        raise PipelineError(f"the pattern {pattern!r} cannot be read: {error}", code="bad-regex") from error


def _checked(pattern: str) -> str:
    try:
        compiled(pattern)
    except PipelineError as error:
        why = f"is no regular expression: {error.__cause__}"
        raise PydanticCustomError("regex", "{why}", {"why": why, "help": ADVICE}) from error
    return pattern


Regex = Annotated[str, AfterValidator(_checked)]
"""A regular expression in a pipeline, in the dialect of the `regex` package (a superset of Python's `re`)."""
