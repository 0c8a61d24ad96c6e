"""Work in threads that is told to stop."""

import threading

import anyio
import pytest

from flowrunner.image.stop import Stop, in_thread

pytestmark = pytest.mark.anyio


async def test_work_that_is_cancelled_before_it_began_is_neither_done_nor_waited_for() -> None:
    done: list[int] = []
    with anyio.fail_after(5), anyio.CancelScope() as scope:
        scope.cancel()
        await in_thread(lambda: done.append(1), Stop())
    assert scope.cancelled_caught
    assert not done


async def test_work_that_has_begun_is_waited_for() -> None:
    stop = Stop()
    ended: list[int] = []

    def work() -> None:
        told = threading.Event()
        with stop.waking(told.set):
            told.wait()
        ended.append(1)

    with anyio.fail_after(5), anyio.move_on_after(0.05) as scope:
        await in_thread(work, stop)
    assert scope.cancelled_caught
    assert ended == [1]
