import getpass
from pathlib import Path
from typing import Any

import anyio
import pytest
from pydantic import ValidationError

from flowrunner.errors import BenchError, ExpectationError
from flowrunner.model import Duration, Size
from flowrunner_steps.ssh_ import Ssh
from tests.support.context import RecordingContext
from tests.support.processes import ended
from tests.support.ssh import key, ssh_device

pytestmark = pytest.mark.anyio


async def ran(folder: Path, **step: Any) -> tuple[Any, RecordingContext]:
    async with ssh_device(folder) as device:
        context = RecordingContext(folder, device)
        return await Ssh(**step).run(context), context


async def test_gives_status_and_both_outputs_and_shows_them_as_they_come(tmp_path: Path) -> None:
    out, context = await ran(tmp_path, command="echo one; echo two; echo oops >&2")
    assert (out.stdout, out.stderr, out.exit, out.lines) == ("one\ntwo", "oops", 0, ["one", "two"])
    assert (context.told.stdout, context.told.stderr) == (b"one\ntwo\n", b"oops\n")
    assert 0 < out.seconds < 20


async def test_another_status_than_the_expected_one_fails_with_the_last_words(tmp_path: Path) -> None:
    async with ssh_device(tmp_path) as device:
        context = RecordingContext(tmp_path, device)
        with pytest.raises(ExpectationError) as error:
            await Ssh(command="echo fine; echo broken >&2; exit 3").run(context)
        assert (error.value.what, error.value.said) == ("the command exited 3", "broken")
        with pytest.raises(ExpectationError, match="exited 127") as error:
            await Ssh(command="no-such-thing").run(context)
        assert error.value.help == "127 means: there is no such command"
        with pytest.raises(ExpectationError, match="exited 0, expected 1 or 2"):
            await Ssh(command="true", expect_exit=[1, 2]).run(context)
        assert (await Ssh(command="exit 3", expect_exit=3).run(context)).exit == 3
        assert (await Ssh(command="exit 4", expect_exit="any").run(context)).exit == 4


async def test_reads_json_and_lines(tmp_path: Path) -> None:
    assert (await ran(tmp_path, command="""echo '{"a": [1]}'""", parse="json"))[0].parsed == {"a": [1]}
    assert (await ran(tmp_path, command="printf 'a\\n\\nb\\n'", parse="lines"))[0].parsed == ["a", "b"]
    with pytest.raises(ExpectationError, match="is not JSON"):
        await ran(tmp_path, command="echo {", parse="json")
    with pytest.raises(ExpectationError, match="printed more than 10B, so it cannot be parsed"):
        await ran(tmp_path, command="echo 12345678901", parse="json", limit=Size(10))


@pytest.mark.machine
async def test_captures_all_of_a_flood_and_keeps_the_beginning(tmp_path: Path) -> None:
    command = "head -c 5000000 /dev/zero | tr '\\0' x"
    out, context = await ran(tmp_path, command=command, capture="flood.bin", limit=Size(1000))
    assert out.stdout == "x" * 1000
    assert context.told.artifacts[0].stat().st_size == 5_000_000


async def test_bytes_that_are_no_text_are_captured_as_they_are(tmp_path: Path) -> None:
    out, context = await ran(tmp_path, command="printf '\\377\\000a'", capture="raw")
    assert context.told.artifacts[0].read_bytes() == b"\xff\x00a"
    assert out.stdout == "\\xff\x00a"


async def test_gives_it_variables_and_input(tmp_path: Path) -> None:
    out, _ = await ran(tmp_path, command='cat; echo "$A"', env={"A": "a b"}, stdin="from here\n")
    assert out.stdout == "from here\na b"
    with pytest.raises(ValidationError):
        Ssh(command="true", env={"A-B": "x"})


@pytest.mark.machine
async def test_time_that_runs_out_ends_the_command_on_the_device(tmp_path: Path) -> None:
    async with ssh_device(tmp_path) as device:
        context = RecordingContext(tmp_path, device)
        with pytest.raises(ExpectationError, match="was not done within 1s") as error:
            await Ssh(command="echo $$; sleep 600", within=Duration(1)).run(context)
    assert (error.value.cause, error.value.said) == ("timeout", context.told.stdout.decode().strip())
    assert ended(int(context.told.stdout))


async def test_cancelling_the_step_ends_the_command_on_the_device(tmp_path: Path) -> None:
    async with ssh_device(tmp_path) as device:
        context = RecordingContext(tmp_path, device)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(Ssh(command="echo $$; exec sleep 600").run, context)
            with anyio.fail_after(20):
                while not context.told.stdout:
                    await anyio.sleep(0.01)
            tasks.cancel_scope.cancel()
        assert ended(int(context.told.stdout))


async def test_logs_in_as_somebody_else_with_what_the_step_says(tmp_path: Path) -> None:
    async with ssh_device(tmp_path, key=None) as device:
        context = RecordingContext(tmp_path, device)
        with pytest.raises(BenchError, match=r"asks .* for a password or a key"):
            await Ssh(command="id -un").run(context)
        out = await Ssh(command="id -un", username=getpass.getuser(), key=key(tmp_path)).run(context)
        assert out.stdout == getpass.getuser()


async def test_logs_in_from_here_through_any_network_of_the_device(tmp_path: Path) -> None:
    async with ssh_device(tmp_path) as device:
        context = RecordingContext(tmp_path, device)
        mine = {"via": "port22", "username": getpass.getuser(), "key": key(tmp_path)}
        assert (await Ssh(command="echo in", **mine).run(context)).stdout == "in"
        with pytest.raises(BenchError, match=r"is SHA256:.*, which is not trusted") as error:
            await Ssh(command="echo in", host_key="SHA256:" + "A" * 43, **mine).run(context)
        assert error.value.blame == "config"
        with pytest.raises(ValidationError, match="is no fingerprint"):
            Ssh(command="true", host_key="yes", **mine)


def test_says_which_part_it_needs() -> None:
    assert [each.name for each in Ssh.wants({"command": "x"})] == ["ssh"]
    assert [each.name for each in Ssh.wants({"command": "x", "via": "port22"})] == ["network"]
