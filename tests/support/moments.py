"""What is logged while a board is flashed, and doing something at that moment."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import TypeVar


class When(logging.Handler):
    """Does something once, when a message with some words is logged."""

    def __init__(self, words: str, do: Callable[[], object]) -> None:
        super().__init__()
        self.done = False
        self._words = words
        self._do = do

    def emit(self, record: logging.LogRecord) -> None:
        if self._words in record.getMessage() and not self.done:
            self.done = True
            self._do()


H = TypeVar("H", bound=logging.Handler)


@contextmanager
def _heard(handler: H) -> Iterator[H]:
    """Let `handler` hear what the flasher logs."""
    logger = logging.getLogger("flowrunner_drivers.flasher")
    level = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        yield handler
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)


def when(words: str, do: Callable[[], object]) -> AbstractContextManager[When]:
    """Do something once as soon as the flasher logs `words`."""
    return _heard(When(words, do))


class Count(logging.Handler):
    """How often a message with some words was logged."""

    def __init__(self, words: str) -> None:
        super().__init__()
        self.count = 0
        self._words = words

    def emit(self, record: logging.LogRecord) -> None:
        self.count += self._words in record.getMessage()


def counted(words: str) -> AbstractContextManager[Count]:
    """Count how often the flasher logs `words`."""
    return _heard(Count(words))
