import os
import signal
from pathlib import Path

import anyio
import psutil
import pytest
from pydantic import ValidationError

from flowrunner.errors import BenchError, ExpectationError
from flowrunner.model import Size
from flowrunner_steps.run import Run
from tests.support.context import RecordingContext
from tests.support.processes import ended

pytestmark = pytest.mark.anyio


async def test_gives_output_and_exit_status(tmp_path: Path) -> None:
    context = RecordingContext(tmp_path)
    outputs = await Run(command="echo out; echo err >&2").run(context)
    assert (outputs.stdout, outputs.stderr, outputs.exit) == ("out", "err", 0)
    assert (context.told.stdout, context.told.stderr) == (b"out\n", b"err\n")


async def test_runs_a_list_without_a_shell_in_the_folder_asked_for(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    outputs = await Run(command=["sh", "-c", 'pwd; echo "$1"', "x", "$HOME; *"], cwd="sub").run(
        RecordingContext(tmp_path)
    )
    assert outputs.stdout == f"{tmp_path}/sub\n$HOME; *"


@pytest.mark.parametrize("script", ["false\ntrue", "false | cat"])
async def test_swallows_no_exit_status_inside_a_script(tmp_path: Path, script: str) -> None:
    with pytest.raises(ExpectationError, match="the command exited 1"):
        await Run(command=script).run(RecordingContext(tmp_path))


async def test_a_wrong_exit_status_says_what_the_command_said_last(tmp_path: Path) -> None:
    with pytest.raises(ExpectationError, match="the command exited 3, expected 0 or 2") as caught:
        await Run(command="echo no such board >&2; exit 3", expect_exit=[0, 2]).run(RecordingContext(tmp_path))
    assert caught.value.said == "no such board"
    assert (await Run(command="exit 2", expect_exit=[0, 2]).run(RecordingContext(tmp_path))).exit == 2


async def test_names_the_signal_that_ended_a_command(tmp_path: Path) -> None:
    with pytest.raises(ExpectationError, match="the command was ended by SIGKILL"):
        await Run(command="kill -9 $$").run(RecordingContext(tmp_path))


async def test_adds_to_the_environment(tmp_path: Path) -> None:
    context = RecordingContext(tmp_path)
    context.environment["FLOW_RUN_ID"] = "7f3a"
    outputs = await Run(command="echo $FLOW_RUN_ID $TOKEN", env={"TOKEN": "s3cret"}).run(context)
    assert outputs.stdout == "7f3a s3cret"


async def test_parses_json_and_lines(tmp_path: Path) -> None:
    context = RecordingContext(tmp_path)
    assert (await Run(command="""echo '{"a": [1, "1.10"]}'""", parse="json").run(context)).parsed == {"a": [1, "1.10"]}
    assert (await Run(command="printf 'a\\n\\nb\\n'", parse="lines").run(context)).parsed == ["a", "b"]
    with pytest.raises(ExpectationError, match="is not JSON"):
        await Run(command="echo {", parse="json").run(context)


async def test_keeps_the_start_of_a_long_output_and_shows_all_of_it(tmp_path: Path) -> None:
    context = RecordingContext(tmp_path)
    outputs = await Run(command="head -c 3000000 /dev/zero | tr '\\0' x", limit=Size(1000)).run(context)
    assert outputs.stdout == "x" * 1000
    assert len(context.told.stdout) == 3_000_000
    with pytest.raises(ExpectationError, match="printed more than 4B"):
        await Run(command="echo [1,2,3]", parse="json", limit=Size(4)).run(context)


async def test_standard_output_is_kept_as_an_artifact_byte_for_byte(tmp_path: Path) -> None:
    context = RecordingContext(tmp_path)
    await Run(command="head -c 3000 /dev/zero; echo no >&2", capture="zeros", limit=Size(10)).run(context)
    (kept,) = [path for path in tmp_path.rglob("zeros*") if path.is_file()]
    assert kept.read_bytes() == bytes(3000)


async def test_any_exit_status_passes_when_asked_for(tmp_path: Path) -> None:
    assert (await Run(command="exit 9", expect_exit="any").run(RecordingContext(tmp_path))).exit == 9


async def test_binary_output_is_no_error(tmp_path: Path) -> None:
    outputs = await Run(command="printf '\\377\\000a'").run(RecordingContext(tmp_path))
    assert outputs.stdout == "\\xff\x00a"


async def test_says_which_command_or_folder_is_missing(tmp_path: Path) -> None:
    with pytest.raises(BenchError, match="the command 'no-such-tool' cannot be run: No such file") as caught:
        await Run(command=["no-such-tool"]).run(RecordingContext(tmp_path))
    assert caught.value.blame == "config"
    with pytest.raises(BenchError, match="there is no folder 'nowhere' to run in"):
        await Run(command="true", cwd="nowhere").run(RecordingContext(tmp_path))


async def test_cancelling_ends_the_whole_group_and_keeps_its_last_words(tmp_path: Path) -> None:
    context = RecordingContext(tmp_path)
    script = "trap 'echo bye; exit' TERM; sleep 300 & echo $! > child; wait"
    with anyio.move_on_after(10) as scope:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(Run(command=script).run, context)
            await appeared(tmp_path / "child")
            tasks.cancel_scope.cancel()
    assert not scope.cancelled_caught
    assert ended(int((tmp_path / "child").read_text()))
    assert context.told.stdout == b"bye\n"
    assert context.told.created[0][0] == "process"


async def test_a_group_that_ignores_the_request_is_forced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("flowrunner_steps._process.GRACE", 0.1)
    script = "trap '' TERM; echo $$ > self; while :; do sleep 0.05; done"
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(Run(command=script).run, RecordingContext(tmp_path))
        await appeared(tmp_path / "self")
        tasks.cancel_scope.cancel()
    assert ended(int((tmp_path / "self").read_text()))


async def test_what_a_command_leaves_behind_ends_with_the_step(tmp_path: Path) -> None:
    outputs = await Run(command="sleep 300 & echo $!").run(RecordingContext(tmp_path))
    assert await gone(int(outputs.stdout))


async def test_output_of_a_process_substitution_is_not_lost(tmp_path: Path) -> None:
    outputs = await Run(command="echo hello > >(sleep 0.2; cat)").run(RecordingContext(tmp_path))
    assert outputs.stdout == "hello"


async def test_a_process_that_left_the_group_cannot_hold_the_step_up(tmp_path: Path) -> None:
    with anyio.fail_after(5):
        await Run(command="setsid sh -c 'echo $$ > self; exec sleep 300' & sleep 0.1").run(RecordingContext(tmp_path))
    os.kill(int((tmp_path / "self").read_text()), signal.SIGKILL)


def test_a_variable_that_is_no_text_says_to_quote_it() -> None:
    with pytest.raises(ValidationError, match="PORT needs text, got 8080"):
        Run.model_validate({"command": "true", "env": {"PORT": 8080}})


async def appeared(path: Path) -> None:
    with anyio.fail_after(5):
        while not (path.exists() and path.read_text().endswith("\n")):
            await anyio.sleep(0.01)


async def gone(pid: int) -> bool:
    """Whether a process that is no child of ours ends soon; a zombie has ended."""
    with anyio.move_on_after(5):
        while psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
            await anyio.sleep(0.01)
        return True
    return False
