import asyncio
import os
import signal
import subprocess
from contextlib import suppress
from pathlib import Path

import pytest

from flowrunner.process import spawn
from tests.support.processes import ended

pytestmark = pytest.mark.anyio


async def test_canceled_at_any_moment_it_leaves_nothing_of_the_session(tmp_path: Path) -> None:
    for moment in range(30):
        pids = tmp_path / str(moment)
        script = f"sleep 300 & echo $! $$ > {pids}; wait"
        task = asyncio.create_task(spawn(["sh", "-c", script], stdin=subprocess.DEVNULL))
        await asyncio.sleep(moment * 0.0003)
        if task.cancel():
            with suppress(asyncio.CancelledError):
                await task
        else:
            process = task.result()
            os.killpg(process.pid, signal.SIGKILL)
            await process.aclose()
        if pids.exists():
            assert all(ended(int(pid)) for pid in pids.read_text().split())


async def test_what_cannot_be_started_says_so() -> None:
    with pytest.raises(FileNotFoundError):
        await spawn(["no-such-tool"])
