"""The virtual clock: time jumps, but never past work that is still under way."""

from __future__ import annotations

import asyncio
import os
import threading
import time

import anyio
import anyio.to_thread
import pytest

from flowrunner.replay.clock import run_virtual


def test_hours_pass_at_once_and_in_order() -> None:
    seen: list[tuple[str, float]] = []

    async def sleeper(name: str, seconds: float) -> None:
        start = anyio.current_time()
        await anyio.sleep(seconds)
        seen.append((name, anyio.current_time() - start))

    async def body() -> None:
        async with anyio.create_task_group() as group:
            group.start_soon(sleeper, "late", 7200.5)
            group.start_soon(sleeper, "early", 3600)

    before = time.monotonic()
    run_virtual(body)
    assert time.monotonic() - before < 2
    assert [name for name, _ in seen] == ["early", "late"]
    assert [seconds for _, seconds in seen] == pytest.approx([3600, 7200.5])


@pytest.mark.parametrize("executor", [True, False])
def test_time_stands_still_while_a_thread_works(executor: bool) -> None:
    async def body() -> float:
        start = anyio.current_time()
        with anyio.fail_after(1):
            if executor:
                await asyncio.get_running_loop().run_in_executor(None, time.sleep, 0.1)
            else:
                await anyio.to_thread.run_sync(time.sleep, 0.1)
        return anyio.current_time() - start

    assert run_virtual(body) == 0


def test_patience_lets_other_processes_answer() -> None:
    async def body() -> bytes:
        near, far = os.pipe()
        thread = threading.Timer(0.05, os.write, (far, b"answer"))
        thread.start()
        try:
            with anyio.fail_after(60):
                await anyio.wait_readable(near)
            return os.read(near, 10)
        finally:
            thread.join()
            os.close(near)
            os.close(far)

    assert run_virtual(body, patience=5) == b"answer"


def test_a_limit_passes_when_nothing_comes() -> None:
    async def body() -> None:
        with anyio.fail_after(30):
            await anyio.Event().wait()

    with pytest.raises(TimeoutError):
        run_virtual(body)


def test_a_loop_that_nothing_can_wake_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("flowrunner.replay.clock.STUCK", 0.05)

    async def body() -> None:
        await anyio.Event().wait()

    with pytest.raises(RuntimeError, match="the loop is stuck"):
        run_virtual(body)
