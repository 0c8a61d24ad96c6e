"""Commands in real shells on real ptys: exit status, output, and nothing else."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest
from pydantic import ValidationError

from flowrunner.console.patterns import Prompt
from flowrunner.console.reader import ConsoleReader
from flowrunner.engine.mask import Masker
from flowrunner.errors import BenchError, ExpectationError
from flowrunner.replay.clock import run_virtual
from flowrunner_steps.shell import Shell, ShellOutputs
from tests.support.consoles import FedConsole, ProgramConsole, reading
from tests.support.context import RecordingContext

pytestmark = pytest.mark.anyio

SHELLS = {
    "bash": ["bash", "--norc", "--noprofile", "-i"],
    "busybox": ["busybox", "sh", "-i"],
    "dash": ["dash", "-i"],
}


class Target:
    """A shell on a console."""

    def __init__(self, reader: ConsoleReader, console: ProgramConsole, context: RecordingContext) -> None:
        self.reader = reader
        self.console = console
        self.context = context

    async def run(self, command: str, **fields: Any) -> ShellOutputs:
        return await Shell.model_validate({"command": command, "within": "20s", **fields}).run(self.context)


@asynccontextmanager
async def target(
    shell: str, folder: Path, *, echo: bool = True, columns: int = 80, **more: Any
) -> AsyncIterator[Target]:
    console = ProgramConsole(SHELLS[shell], echo=echo, columns=columns)
    async with reading(console, folder, **more) as reader:
        yield Target(reader, console, RecordingContext(folder, consoles={"dut.console": reader.session}))


every_shell = pytest.mark.parametrize("shell", SHELLS)


@every_shell
@pytest.mark.parametrize("echo", [True, False])
async def test_gives_output_and_exit_status(shell: str, echo: bool, tmp_path: Path) -> None:
    async with target(shell, tmp_path, echo=echo) as dut:
        outputs = await dut.run("echo hello; echo oops >&2; printf end")
        assert (outputs.stdout, outputs.exit, outputs.lines) == ("hello\noops\nend", 0, ["hello", "oops", "end"])
        assert outputs.seconds > 0
        assert (await dut.run("true")).stdout == ""
        assert (await dut.run("echo; echo")).stdout == "\n"
        assert (await dut.run("(exit 7)", expect_exit=[3, 7])).exit == 7
        assert (await dut.run("false", expect_exit="any")).exit == 1


@every_shell
async def test_keeps_the_state_of_the_shell_but_for_env(shell: str, tmp_path: Path) -> None:
    async with target(shell, tmp_path) as dut:
        await dut.run("cd /tmp; X='a b'")
        assert (await dut.run('echo "$PWD $X"')).stdout == "/tmp a b"
        assert (await dut.run('X=other; echo "$X $Y"', env={"Y": "y"})).stdout == "other y"
        assert (await dut.run('echo "$X $Y."')).stdout == "a b ."


@every_shell
async def test_takes_any_characters_and_several_lines(shell: str, tmp_path: Path) -> None:
    loop = "for i in 1 2; do\n\techo \"$i 'q' %s \\\\ ! é $(echo -n -e)\"\ndone\n# a comment\n"
    script = loop + "cat <<END\n  here \t$((1+1))\nEND\n"
    async with target(shell, tmp_path) as dut:
        outputs = await dut.run(script)
        assert outputs.lines[0].startswith("1 'q' %s \\ ! é")
        assert outputs.lines[2] == "  here \t2"
        assert (await dut.run("echo 'it'\\''s'")).stdout == "it's"


@every_shell
@pytest.mark.parametrize("columns", [20, 80])
async def test_a_long_command_survives_the_width_of_the_terminal(shell: str, columns: int, tmp_path: Path) -> None:
    words = " ".join(f"word{i}" for i in range(700))
    async with target(shell, tmp_path, columns=columns) as dut:
        assert (await dut.run(f"echo {words}")).stdout == words
        assert (await dut.run(f"echo {words[:129]}")).stdout == words[:129]


@every_shell
async def test_a_syntax_error_is_an_exit_status(shell: str, tmp_path: Path) -> None:
    async with target(shell, tmp_path) as dut:
        with pytest.raises(ExpectationError, match="the command exited 2") as caught:
            await dut.run("if true; then")
        assert "syntax error" in (caught.value.said or "").lower()
        assert (await dut.run("echo fine")).stdout == "fine"


@every_shell
async def test_a_mebibyte_of_output_comes_back_byte_for_byte(shell: str, tmp_path: Path) -> None:
    data = "".join(random.Random(4).choices("abc xyz\n=FLOW-.", k=1 << 20))
    (tmp_path / "data").write_text(data)
    async with target(shell, tmp_path) as dut:
        outputs = await dut.run(f"cat {tmp_path}/data", capture="data.txt")
    assert outputs.stdout == data.removesuffix("\n")
    assert dut.context.told.artifacts[0].read_text() == data


@every_shell
async def test_binary_output_is_kept_and_shown(shell: str, tmp_path: Path) -> None:
    data = bytes(byte for byte in range(256) if byte != 0x0D) * 4
    (tmp_path / "data").write_bytes(data)
    async with target(shell, tmp_path) as dut:
        outputs = await dut.run(f"cat {tmp_path}/data", capture="data.bin")
        assert (await dut.run("echo fine")).stdout == "fine"
    assert dut.context.told.artifacts[0].read_bytes() == data
    assert "\\xff" in outputs.stdout


@every_shell
async def test_no_env_value_is_echoed_or_logged(shell: str, tmp_path: Path) -> None:
    secret = 'it\'s a "se\\cret" 100% $HOME !\nwith two lines, é, and more than eighty columns of text in it ' * 4
    mask = Masker([secret]).stream()
    async with target(shell, tmp_path, mask=mask) as dut:
        outputs = await dut.run('printf %s "$TOKEN" | cksum; printf %s "$OTHER"', env={"TOKEN": secret, "OTHER": "x y"})
        (tmp_path / "expected").write_text(secret)
        assert outputs.lines == [(await dut.run(f"cksum < {tmp_path}/expected")).stdout, "x y"]
        assert "a\\040" not in dut.reader.log.read(0).decode(errors="replace")
        assert (await dut.run("stty -a | grep -c ' echo '")).stdout == "1"
    assert b"se\\cret" not in b"".join(path.read_bytes() for path in tmp_path.glob("*.log"))


async def test_a_shell_without_stty_gets_no_secret(tmp_path: Path) -> None:
    async with target("bash", tmp_path) as dut:
        await dut.run("stty() { return 127; }")
        with pytest.raises(BenchError, match="the shell has no stty"):
            await dut.run("true", env={"TOKEN": "do-not-echo"})
        assert b"do-not-echo" not in dut.reader.log.read(0)


@every_shell
async def test_kernel_messages_change_neither_status_nor_end(shell: str, tmp_path: Path) -> None:
    async with target(shell, tmp_path) as dut:

        async def kernel() -> None:
            for number in range(200):
                dut.console.inject(b"\r\n[    %d.000000] random: crng init done\r\n" % number)
                await anyio.sleep(0.001)

        async with anyio.create_task_group() as group:
            group.start_soon(kernel)
            for status in range(20):
                outputs = await dut.run(f"echo before; (exit {status})", expect_exit="any")
                assert outputs.exit == status
                assert "before" in outputs.stdout


async def test_a_message_inside_the_last_marker_does_not_hide_it(tmp_path: Path) -> None:
    def answer(typed: bytes) -> bytes | None:
        word = typed.partition(b"F%s-")[2][:8]
        start = b"FLOW-%s=S.\r\n" % word * 2
        broken = b"FLOW-" + word[:3] + b"[ 1.0] usb\r\n" + word[3:] + b"=0.\r\n"
        return b"# echo\r\n" + start + b"out\r\n\r\n" + broken + b"FLOW-%s=0.\r\n# " % word

    console = FedConsole(answer=answer)
    async with reading(console, tmp_path) as reader:
        context = RecordingContext(tmp_path, consoles={"dut.console": reader.session})
        outputs = await Shell(command="x").run(context)
    assert outputs.exit == 0
    assert outputs.lines[0] == "out"


async def test_a_command_that_takes_too_long_is_interrupted(tmp_path: Path) -> None:
    async with target("busybox", tmp_path) as dut:
        with pytest.raises(ExpectationError, match="the command was not done within 300ms") as caught:
            await dut.run("echo working; sleep 60", within="300ms")
        assert (caught.value.cause, caught.value.said) == ("timeout", "working")
        assert (await dut.run("echo fine")).stdout == "fine"


async def test_a_canceled_command_is_interrupted(tmp_path: Path) -> None:
    async with target("dash", tmp_path) as dut:
        task = asyncio.create_task(dut.run("echo started; sleep 60"))
        with anyio.fail_after(5):
            while b"\nstarted" not in dut.reader.log.read(0):
                await dut.reader.log.changed(dut.reader.log.end)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert (await dut.run("echo fine", within="5s")).stdout == "fine"


async def test_a_program_that_misses_an_interrupt_gets_another(tmp_path: Path) -> None:
    deaf = "trap 'trap - INT' INT; echo started; for i in $(seq 600); do sleep 0.1; done"
    async with target("bash", tmp_path) as dut:
        task = asyncio.create_task(dut.run(f"( {deaf} )"))
        with anyio.fail_after(5):
            while b"\nstarted" not in dut.reader.log.read(0):
                await dut.reader.log.changed(dut.reader.log.end)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert (await dut.run("echo fine", within="5s")).stdout == "fine"


async def test_leaves_the_prompt_for_the_next_step(tmp_path: Path) -> None:
    async with target("bash", tmp_path) as dut:
        await dut.run("PS1='new> '")
        assert (await dut.reader.session.expect([Prompt("new> ")], within=5)).text == "new> "


def test_says_that_no_shell_answers(tmp_path: Path) -> None:
    async def body() -> BenchError:
        console = FedConsole()
        async with reading(console, tmp_path) as reader:
            console.feed(b"board login: ")
            context = RecordingContext(tmp_path, consoles={"dut.console": reader.session})
            with pytest.raises(BenchError, match="no shell took the command within 10s") as caught:
                await Shell(command="true").run(context)
            return caught.value

    error = run_virtual(body)
    assert (error.driver, error.said) == ("dut.console", "board login:")
    assert (error.help or "").startswith("log in first")


async def test_reads_json_and_lines(tmp_path: Path) -> None:
    async with target("dash", tmp_path) as dut:
        assert (await dut.run("""echo '{"a": [1, 2.5]}'""", parse="json")).parsed == {"a": [1, 2.5]}
        assert (await dut.run("echo a; echo; echo b", parse="lines")).parsed == ["a", "b"]
        with pytest.raises(ExpectationError, match="the command's output is not JSON: Expecting value"):
            await dut.run("echo nothing", parse="json")


async def test_a_miss_shows_the_last_lines_and_helps(tmp_path: Path) -> None:
    async with target("dash", tmp_path) as dut:
        with pytest.raises(ExpectationError, match="the command exited 127") as caught:
            await dut.run("nosuchcommand")
        assert "nosuchcommand: not found" in (caught.value.said or "")
        assert caught.value.help == "127 means: there is no such command"
        with pytest.raises(ExpectationError, match="the command exited 0, expected 1 or 2"):
            await dut.run("true", expect_exit=[1, 2])
        with pytest.raises(ExpectationError, match=r"the command printed [0-9]+ bytes, more than 1000"):
            await dut.run("head -c 5000 /dev/zero | tr '\\0' x", limit="1kB")


async def test_colours_are_not_in_stdout(tmp_path: Path) -> None:
    async with target("dash", tmp_path) as dut:
        assert (await dut.run("printf '\\033[31mred\\033[0m\\n'")).stdout == "red"


@pytest.mark.parametrize("fields", [{"command": ""}, {"command": "a\0b"}, {"command": "x", "env": {"1A": "x"}}])
def test_refuses_what_no_shell_can_take(fields: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Shell.model_validate(fields)
