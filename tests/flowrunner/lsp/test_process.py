"""The server as a process: it goes when its editor goes."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.editor import Editor

pytestmark = pytest.mark.anyio


async def test_ends_when_the_editor_says_so(tmp_path: Path) -> None:
    async with Editor.started(tmp_path) as editor:
        process = editor.process
    assert await asyncio.wait_for(process.wait(), 20) == 0


def test_ends_when_the_editor_is_gone() -> None:
    command = [sys.executable, "-m", "flowrunner", "lsp", "--stdio"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        process.communicate(timeout=20)
    assert process.returncode is not None


def test_ends_in_the_middle_of_a_message() -> None:
    command = [sys.executable, "-m", "flowrunner", "lsp"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        process.communicate(b'Content-Length: 1000\r\n\r\n{"jsonrpc"', timeout=20)
    assert process.returncode is not None


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_ends_when_it_is_told_to(tmp_path: Path, number: signal.Signals) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "flowrunner", "lsp", stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdin and process.stdout
    body = b'{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"capabilities":{}}}'
    process.stdin.write(b"Content-Length: %d\r\n\r\n" % len(body) + body)
    await asyncio.wait_for(process.stdout.readuntil(b"serverInfo"), 20)
    process.send_signal(number)
    await asyncio.wait_for(process.communicate(), 20)
    assert process.returncode is not None
