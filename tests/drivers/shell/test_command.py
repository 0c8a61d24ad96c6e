from pathlib import Path

import anyio
import pytest

from flowrunner.errors import BenchError
from flowrunner.interface import Direct
from flowrunner.interfaces.shell import Shell
from flowrunner_drivers.shell.command import CommandShell
from tests.support.processes import ended

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
