"""Searching with an author's regular expression, which is never allowed to run for long."""

from __future__ import annotations

from functools import partial
from typing import Any

import anyio.to_thread

from flowrunner.console.regexes import compiled
from flowrunner.errors import BenchError

Hit = Any
"""A match object of the `regex` package, which has no types of its own."""

QUICK = 0.01
"""Seconds that a search may take on the event loop; a longer one is done again in a worker thread."""

LIMIT = 1.0
"""Seconds that a search may take at all."""


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
