from collections.abc import AsyncGenerator
from contextlib import aclosing
from pathlib import Path
from typing import cast

import anyio
import pytest
from pydantic import ValidationError

from flowrunner.errors import BenchError
from flowrunner.interface import Direct
from flowrunner.interfaces.shell import Shell, ShellOutput
from flowrunner.remote.client.remote import Claim
from flowrunner_drivers.shell.command import CommandShell
from tests.support.processes import alive, ended
from tests.support.served import served

pytestmark = pytest.mark.anyio


def shell(methods: dict[str, object], **config: object) -> Shell:
    driver = CommandShell.make({"methods": methods, **config})
    assert isinstance(driver, Shell)
    return Shell.client(Direct(driver))


async def output(shell: Shell, method: str, *arguments: str, **env: str) -> tuple[bytes, bytes, int | None]:
    pieces = [piece async for piece in shell.call_method(method, arguments, env)]
    assert [piece.status is None for piece in pieces] == [True] * (len(pieces) - 1) + [False]
    return b"".join(p.stdout for p in pieces), b"".join(p.stderr for p in pieces), pieces[-1].status


async def test_runs_a_method_with_arguments_and_variables() -> None:
    tools = shell({"tell": 'echo "$0: $1, $2, $WHO"; echo oops >&2; exit 3'})
    assert await tools.get_methods() == ["tell"]
    assert await output(tools, "tell", "a b", "$HOME", WHO="me") == (b"tell: a b, $HOME, me\n", b"oops\n", 3)


async def test_gives_out_what_is_printed_as_it_comes(tmp_path: Path) -> None:
    go = tmp_path / "go"
    tools = shell({"slow": f"echo first; until [ -e {go} ]; do sleep 0.01; done; echo second"})
    seen = []
    async for piece in tools.call_method("slow"):
        seen.append(piece.stdout)
        go.touch()
    assert seen == [b"first\n", b"second\n", b""]


async def test_much_and_binary_output_comes_through() -> None:
    tools = shell({"much": "head -c 3000000 /dev/zero; head -c 200000 /dev/zero >&2"})
    assert await output(tools, "much") == (bytes(3_000_000), bytes(200_000), 0)


async def test_one_that_takes_too_long_is_ended_with_all_it_started(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    tools = shell({"hang": {"command": f"sleep 60 & echo $! $$ > {pids}; wait", "timeout": 1}})
    with pytest.raises(BenchError, match="method 'hang' had not ended after 1s"):
        await output(tools, "hang")
    assert all(ended(int(pid)) for pid in pids.read_text().split())


async def test_what_it_leaves_running_does_not_keep_it_waiting() -> None:
    with anyio.fail_after(5):
        assert await output(shell({"daemon": "sleep 60 & echo up"}), "daemon") == (b"up\n", b"", 0)


async def test_leaving_early_ends_it(tmp_path: Path) -> None:
    tools = shell({"on": f"echo $$ > {tmp_path}/pid; yes"})
    with anyio.move_on_after(0.3):
        async for _ in tools.call_method("on"):
            pass
    assert ended(int((tmp_path / "pid").read_text()))


async def test_says_what_is_there_when_a_method_is_not() -> None:
    with pytest.raises(BenchError, match="there is no method 'tempratur'") as error:
        await output(shell({"temperature": "true"}), "tempratur")
    assert (error.value.blame, error.value.help) == ("config", "did you mean 'temperature'?")


@pytest.mark.parametrize("name", ["LD_PRELOAD", "PATH", "BASH_ENV", "BASH_FUNC_x", "a-b", "1x", ""])
async def test_a_job_cannot_change_what_runs(name: str) -> None:
    with pytest.raises(BenchError, match=f"may not set the variable '{name}'"):
        await output(shell({"x": "true"}), "x", **{name: "1"})


async def test_a_shell_that_is_not_there_is_an_error() -> None:
    with pytest.raises(BenchError, match="could not be started"):
        await output(shell({"x": "true"}, shell=["/no/such/shell", "-c"]), "x")


async def test_tells_what_the_methods_are_for() -> None:
    tools = shell({"relay": {"command": "true", "description": "Switch a relay"}, "quiet": "true"})
    assert await tools.describe() == {"relay": "Switch a relay", "quiet": ""}


@pytest.mark.parametrize(
    "methods", [{"blank": " \n"}, {"blank": {"command": ""}}, {"x": {"command": "true", "timeout": 0}}]
)
def test_a_method_that_could_do_nothing_is_refused(methods: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        shell(methods)


async def test_what_it_said_is_told_when_it_takes_too_long() -> None:
    tools = shell({"hang": "echo trying port 3; echo no answer >&2; sleep 60"}, timeout=2)
    with pytest.raises(BenchError, match="had not ended after 2s") as error:
        await output(tools, "hang")
    assert error.value.said == "trying port 3\nno answer"


async def test_it_may_clean_up_before_it_is_ended_for_good(tmp_path: Path) -> None:
    clean = f"trap 'sleep 1.2; touch {tmp_path}/clean; exit' TERM; sleep 60 & wait"
    with pytest.raises(BenchError, match="had not ended"):
        await output(shell({"relay": clean}, timeout=1.5), "relay")
    assert (tmp_path / "clean").exists()
    stubborn = f"trap '' TERM; echo $$ > {tmp_path}/pid; while :; do sleep 0.1; done"
    with pytest.raises(BenchError, match="had not ended"):
        await output(shell({"relay": stubborn}, timeout=1.5, grace=0.2), "relay")
    assert ended(int((tmp_path / "pid").read_text()))


async def test_a_folder_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(BenchError, match=f"there is no folder '{tmp_path}/no', in which the methods") as error:
        await output(shell({"x": "pwd"}, cwd=tmp_path / "no"), "x")
    assert error.value.blame == "config"
    assert await output(shell({"x": "pwd"}, cwd=tmp_path), "x") == (f"{tmp_path}\n".encode(), b"", 0)


async def test_a_nul_character_is_refused() -> None:
    for call in (output(shell({"x": "true"}), "x", "a\0b"), output(shell({"x": "true"}), "x", A="a\0b")):
        with pytest.raises(BenchError, match="a NUL character is in an argument or a variable") as error:
            await call
        assert error.value.blame == "config"


async def test_bytes_that_are_no_text_come_as_they_are() -> None:
    tools = shell({"raw": "printf '\\377\\000\\001'; printf '\\376' >&2"})
    assert await output(tools, "raw") == (b"\xff\x00\x01", b"\xfe", 0)


async def test_calls_run_beside_each_other(tmp_path: Path) -> None:
    tools = shell({"meet": f"touch {tmp_path}/$1; until [ -e {tmp_path}/$2 ]; do sleep 0.01; done; echo $1"})
    said = []

    async def meet(one: str, other: str) -> None:
        said.append(await output(tools, "meet", one, other))

    with anyio.fail_after(20):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(meet, "a", "b")
            tasks.start_soon(meet, "b", "a")
    assert sorted(said) == [(b"a\n", b"", 0), (b"b\n", b"", 0)]


async def test_a_call_that_is_left_over_the_wire_ends_what_it_started(tmp_path: Path) -> None:
    bench = f"""
    export:
      tools:
        type: shell.command
        config: {{methods: {{hang: 'sleep 60 & echo $! $$ > {tmp_path}/pids; echo up; wait'}}}}
    """
    async with served(tmp_path, bench) as exporter:
        remote = exporter.remote()
        claim = Claim(role="dut", owner="test")
        async with remote.leased(claim, lambda *_: None) as lease:
            tools = cast("Shell", lease.device.at("tools").client)
            with anyio.fail_after(20):
                async with aclosing(cast("AsyncGenerator[ShellOutput]", tools.call_method("hang"))) as pieces:
                    assert (await anext(pieces)).stdout == b"up\n"
            found = [int(pid) for pid in (tmp_path / "pids").read_text().split()]
            assert len(found) == 2
            with anyio.fail_after(20):
                while any(alive(pid) for pid in found):
                    await anyio.sleep(0.02)
