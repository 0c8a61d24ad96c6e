"""Work one stage of a pipeline in a thread of its own, a bounded bit ahead of who consumes it."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Generator
from typing import Generic, TypeVar

from flowrunner.image.stop import Stop, StoppedError

T = TypeVar("T")

BATCH_BYTES = 1 << 20
BATCH_ITEMS = 256
BATCHES = 4
"""At most this many batches wait: memory stays the same however long the stream is."""


def ahead(items: Generator[T, None, None], stop: Stop, weight: Callable[[T], int]) -> Generator[T, None, None]:
    """The same items, made in another thread. `weight` is an item's size in bytes.

    Closing this generator ends the thread, and closes `items` there. Whoever closes it early sets `stop` before.
    """
    lane: _Lane[T] = _Lane()
    thread = threading.Thread(target=_feed, args=(items, lane, weight), name="flowrunner-image", daemon=True)
    thread.start()
    with stop.waking(lane.close):
        try:
            while batch := lane.get():
                yield from batch
        finally:
            lane.close()
            thread.join()
    stop.check()
    if lane.error:
        raise lane.error


def _feed(items: Generator[T, None, None], lane: _Lane[T], weight: Callable[[T], int]) -> None:
    batch: list[T] = []
    size = 0
    try:
        for item in items:
            batch.append(item)
            size += weight(item)
            if size >= BATCH_BYTES or len(batch) >= BATCH_ITEMS:
                if not lane.put(batch):
                    return
                batch, size = [], 0
        if batch:
            lane.put(batch)
    except StoppedError:
        pass
    except Exception as error:  # noqa: BLE001 - raised again where the items are consumed
        if batch:
            lane.put(batch)
        lane.error = error
    finally:
        items.close()
        lane.finish()


class _Lane(Generic[T]):
    """A bounded queue between two threads that either side can leave."""

    def __init__(self) -> None:
        self.error: Exception | None = None
        self._batches: deque[list[T]] = deque()
        self._changed = threading.Condition()
        self._closed = False
        self._finished = False

    def put(self, batch: list[T]) -> bool:
        """Wait for room; False when nobody wants it any more."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed or len(self._batches) < BATCHES)
            if not self._closed:
                self._batches.append(batch)
                self._changed.notify_all()
            return not self._closed

    def get(self) -> list[T]:
        """Wait for a batch; empty at the end."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed or self._finished or self._batches)
            if self._closed or not self._batches:
                return []
            self._changed.notify_all()
            return self._batches.popleft()

    def finish(self) -> None:
        """Nothing more will come."""
        with self._changed:
            self._finished = True
            self._changed.notify_all()

    def close(self) -> None:
        """Nothing more is wanted."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
