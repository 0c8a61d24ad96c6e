import threading
from collections.abc import Iterator

import pytest

from flowrunner.image.ahead import BATCH_BYTES, BATCHES, ahead
from flowrunner.image.stop import Stop, StoppedError


def workers() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "flowrunner-image"]


def test_gives_the_same_items_from_another_thread() -> None:
    seen: list[threading.Thread] = []

    def items() -> Iterator[int]:
        for number in range(10_000):
            seen.append(threading.current_thread())
            yield number

    assert list(ahead(_generator(items()), Stop(), lambda _: 1)) == list(range(10_000))
    assert threading.current_thread() not in seen
    assert not workers()


def test_never_runs_far_ahead() -> None:
    made = 0

    def items() -> Iterator[bytes]:
        nonlocal made
        while True:
            made += 1
            yield bytes(BATCH_BYTES)

    stop = Stop()
    stream = ahead(_generator(items()), stop, len)
    for count in range(1, 50):
        next(stream)
        assert made <= count + BATCHES + 2
    stop.set()
    stream.close()
    assert not workers()


def test_an_error_comes_behind_what_was_made_before_it() -> None:
    def items() -> Iterator[int]:
        yield 1
        yield 2
        raise KeyError("x")

    stream = ahead(_generator(items()), Stop(), lambda _: 1)
    assert [next(stream), next(stream)] == [1, 2]
    with pytest.raises(KeyError):
        next(stream)


def test_stopping_wakes_who_waits() -> None:
    begun, never = threading.Event(), threading.Event()
    stop = Stop()

    def items() -> Iterator[int]:
        begun.set()
        with stop.waking(never.set):
            never.wait(10)
        stop.check()
        yield 1

    def stop_it() -> None:
        begun.wait(10)
        stop.set()

    threading.Thread(target=stop_it).start()
    with pytest.raises(StoppedError):
        list(ahead(_generator(items()), stop, lambda _: 1))


def _generator(items: Iterator[object]):  # type: ignore[no-untyped-def]
    yield from items
