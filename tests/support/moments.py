"""What is logged while a board is flashed, and doing something at that moment."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager


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


@contextmanager
def when(words: str, do: Callable[[], object]) -> Iterator[When]:
    """Do something once as soon as the flasher logs `words`."""
    logger = logging.getLogger("flowrunner_drivers.flasher")
    handler, level = When(words, do), logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        yield handler
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)
