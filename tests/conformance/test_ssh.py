"""What every login by SSH does."""

import os
import time
from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path

import anyio
import pytest

from flowrunner.errors import BenchError
from flowrunner.interfaces.ssh import Ssh, SshTerminal
from flowrunner.interfaces.ssh_session import Session
from tests.conformance.rigs import Rig, opened, over
from tests.support.processes import alive, ended

pytestmark = pytest.mark.anyio

EVERY_BYTE = bytes(range(256)) * 300


async def _content(*pieces: bytes) -> AsyncIterator[bytes]:
    for piece in pieces:
        yield piece


@over(Ssh)
async def test_keeps_status_and_both_outputs_apart(rig: Rig, path: str, tmp_path: Path) -> None:
    async with opened(rig, tmp_path) as bench:
        ran = await bench.client(Ssh, path).execute("echo out; echo err >&2; exit 7")
    assert (ran.stdout, ran.stderr, ran.status) == (b"out\n", b"err\n", 7)


@over(Ssh)
async def test_output_and_input_are_any_bytes(rig: Rig, path: str, tmp_path: Path) -> None:
    async with opened(rig, tmp_path) as bench:
        ssh = bench.client(Ssh, path)
        ran = await ssh.execute("tee /dev/stderr", stdin=EVERY_BYTE)
        assert (ran.stdout, ran.stderr, ran.status) == (EVERY_BYTE, EVERY_BYTE, 0)
        assert (await ssh.execute("cat", stdin=None)).stdout == b""
        assert (await ssh.execute("wc -c", stdin=b"x" * 5_000_000)).stdout.strip() == b"5000000"


@pytest.mark.machine
@over(Ssh)
async def test_a_command_that_reads_no_input_is_not_kept_by_it(rig: Rig, path: str, tmp_path: Path) -> None:
    async with opened(rig, tmp_path) as bench:
        with anyio.fail_after(20):
            assert (await bench.client(Ssh, path).execute("exit 4", stdin=b"x" * 20_000_000)).status == 4


@over(Ssh)
@pytest.mark.parametrize(
    ("command", "printed"),
    [
        ("""printf '%s|' "a  b" 'c"d' '\\n' '%s' $((1+1))""", b"""a  b|c"d|\\n|%s|2|"""),
        ("for i in 1 2\ndo\n  echo $i\ndone\n", b"1\n2\n"),
        ("cat <<'END'\n$HOME `id`\\\nEND", b"$HOME `id`\\\n"),
        ("echo 'ä€\U0001f600'", "ä€\U0001f600\n".encode()),
        ("echo a # b", b"a\n"),
        ("", b""),
        ("true && { echo x | cat; }", b"x\n"),
    ],
)
async def test_a_command_arrives_as_it_is_written(
    rig: Rig, path: str, tmp_path: Path, command: str, printed: bytes
) -> None:
    async with opened(rig, tmp_path) as bench:
        ran = await bench.client(Ssh, path).execute(command)
    assert (ran.stdout, ran.stderr, ran.status) == (printed, b"", 0)


@over(Ssh)
async def test_variables_may_hold_anything_and_are_in_no_list_of_processes(rig: Rig, path: str, tmp_path: Path) -> None:
    values = {"A": "two\nlines\n", "B": """'"$HOME`\\""", "_C1": "", "TOKEN": "hun22-secret"}
    async with opened(rig, tmp_path) as bench:
        ssh = bench.client(Ssh, path)
        ran = await ssh.execute('printf "%s;" "$A" "$B" "$_C1" "$TOKEN"; cat /proc/[0-9]*/cmdline', env=values)
        assert ran.stdout.startswith("".join(f"{value};" for value in values.values()).encode())
        assert ran.stdout.count(b"hun22-secret") == 1
        for bad in ({"1A": "x"}, {"A B": "x"}, {"A": "a\0b"}):
            with pytest.raises(BenchError) as error:
                await ssh.execute("true", env=bad)
            assert error.value.blame == "config"


@over(Ssh)
async def test_output_comes_while_the_command_runs(rig: Rig, path: str, tmp_path: Path) -> None:
    async with opened(rig, tmp_path) as bench:
        gate = tmp_path / "gate"
        pieces = bench.client(Ssh, path).run(f"echo first; while ! [ -e {gate} ]; do sleep 0.02; done; echo last")
        async with aclosing(pieces):
            with anyio.fail_after(20):
                assert (await anext(pieces)).stdout == b"first\n"
                gate.touch()
                assert [piece.stdout or piece.status async for piece in pieces] == [b"last\n", 0]


@over(Ssh)
async def test_a_signal_counts_as_128_and_its_number(rig: Rig, path: str, tmp_path: Path) -> None:
    async with opened(rig, tmp_path) as bench:
        assert (await bench.client(Ssh, path).execute("kill -9 $$")).status == 137


@pytest.mark.machine
@over(Ssh)
async def test_cancelling_ends_all_that_the_command_started(rig: Rig, path: str, tmp_path: Path) -> None:
    async with opened(rig, tmp_path) as bench:
        ssh = bench.client(Ssh, path)
        command = (
            "trap '' HUP; sleep 600 & echo $!; sh -c \"trap '' TERM HUP; echo \\$\\$; sleep 600; sleep 600\"; wait"
        )
        pids: list[int] = []
        with anyio.move_on_after(20) as limit:
            async for piece in ssh.run(command):
                pids += map(int, piece.stdout.split())
                if len(pids) == 2:
                    assert all(map(alive, pids))
                    limit.cancel()
        assert len(pids) == 2
        assert [pid for pid in pids if not ended(pid)] == []
        assert (await ssh.execute("echo on")).stdout == b"on\n"


@over(Ssh)
async def test_what_a_command_leaves_in_the_background_does_not_keep_it(rig: Rig, path: str, tmp_path: Path) -> None:
    async with opened(rig, tmp_path) as bench:
        start = time.monotonic()
        ran = await bench.client(Ssh, path).execute("sleep 30 & echo $!; (sleep 1; echo late) & exit 0")
        assert time.monotonic() - start < 15
        assert ran.status == 0
        os.kill(int(ran.stdout.split()[0]), 9)


@pytest.mark.machine
@over(Ssh)
async def test_a_flood_of_100_MB_comes_through_in_bounded_memory(rig: Rig, path: str, tmp_path: Path) -> None:
    async with opened(rig, tmp_path) as bench:
        size = largest = 0
        with anyio.fail_after(60):
            async for piece in bench.client(Ssh, path).run("head -c 100000000 /dev/zero"):
                size += len(piece.stdout)
                largest = max(largest, len(piece.stdout))
        assert size == 100_000_000
        assert largest <= 1 << 16


@pytest.mark.machine
@over(Ssh)
async def test_many_commands_run_at_once_over_one_connection(rig: Rig, path: str, tmp_path: Path) -> None:
    async with opened(rig, tmp_path) as bench:
        ssh = bench.client(Ssh, path)
        found: dict[int, bytes] = {}

        async def ask(number: int) -> None:
            found[number] = (await ssh.execute(f"echo {number} $SSH_CONNECTION")).stdout

        async with anyio.create_task_group() as tasks:
            for number in range(8):
                tasks.start_soon(ask, number)
    assert [found[number].split()[0] for number in range(8)] == [str(number).encode() for number in range(8)]
    assert len({answer.partition(b" ")[2] for answer in found.values()}) == 1


@over(Ssh)
async def test_a_terminal_has_the_size_that_was_told_and_hears_of_another(rig: Rig, path: str, tmp_path: Path) -> None:
    async with opened(rig, tmp_path) as bench:
        terminal = SshTerminal(term="vt100", columns=91, rows=17)
        async with bench.client(Ssh, path).session("sh", terminal=terminal) as stream:
            session = Session(stream)
            said = b""

            async def until(wanted: bytes) -> None:
                nonlocal said
                with anyio.fail_after(20):
                    while wanted not in said:
                        said += (await session.receive()).stdout
                said = said.partition(wanted)[2]

            await session.send(b"PS1=; stty -echo; echo $TERM ready $((1+1))\n")
            await until(b"vt100 ready 2")
            await session.send(b"stty size\n")
            await until(b"17 91")
            await session.resize(120, 40)
            await session.send(b"stty size; echo pid $$.\n")
            await until(b"40 120")
            await until(b"pid ")
            while b"." not in said:
                said += (await session.receive()).stdout
            pid = int(said.partition(b".")[0])
            assert alive(pid)
        assert ended(pid, within=15)


@over(Ssh)
async def test_a_file_is_written_whole_with_its_mode_and_read_back(rig: Rig, path: str, tmp_path: Path) -> None:
    target = str(tmp_path / "deep/er/a b'c\"ä")
    async with opened(rig, tmp_path) as bench:
        ssh = bench.client(Ssh, path)
        written = await ssh.upload(target, _content(EVERY_BYTE, b"", EVERY_BYTE), 0o750)
        assert (written.path, written.size) == (target, 2 * len(EVERY_BYTE))
        assert written.sha256 == await ssh.digest(target)
        assert b"".join([piece async for piece in ssh.download(target)]) == EVERY_BYTE * 2
        assert Path(target).stat().st_mode & 0o7777 == 0o750
        await ssh.upload(target, _content(b"new"), verify=False)
        assert (Path(target).read_bytes(), Path(target).stat().st_mode & 0o7777) == (b"new", 0o750)
        await ssh.upload(target + "2", _content())
        assert (Path(target + "2").read_bytes(), Path(target + "2").stat().st_mode & 0o7777) == (b"", 0o644)
    assert sorted(os.listdir(Path(target).parent)) == sorted([Path(target).name, Path(target).name + "2"])


@over(Ssh)
async def test_an_upload_that_breaks_off_leaves_what_was_there(rig: Rig, path: str, tmp_path: Path) -> None:
    async def broken() -> AsyncIterator[bytes]:
        yield b"x" * 9_000_000
        raise BenchError("the source broke")

    async def endless() -> AsyncIterator[bytes]:
        yield b"x" * 9_000_000
        await anyio.sleep_forever()

    target = tmp_path / "files/kept"
    async with opened(rig, tmp_path) as bench:
        ssh = bench.client(Ssh, path)
        await ssh.upload(str(target), _content(b"old"))
        with pytest.raises(BenchError, match="the source broke"):
            await ssh.upload(str(target), broken())
        with anyio.move_on_after(0.3) as limit:
            await ssh.upload(str(target), endless())
        assert limit.cancelled_caught
        assert (os.listdir(target.parent), target.read_bytes()) == (["kept"], b"old")


@over(Ssh)
async def test_what_is_no_file_is_not_written_over(rig: Rig, path: str, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "real").write_text("old")
    (tmp_path / "link").symlink_to("real")
    async with opened(rig, tmp_path) as bench:
        ssh = bench.client(Ssh, path)
        for name, why in (("folder", "is a folder"), ("pipe", "is no regular file")):
            with pytest.raises(BenchError, match=why) as error:
                await ssh.upload(str(tmp_path / name), _content(b"x"))
            assert error.value.blame == "config"
        await ssh.upload(str(tmp_path / "link"), _content(b"new"))
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real").read_text() == "new"


@over(Ssh)
async def test_a_tree_is_told_with_modes_and_links(rig: Rig, path: str, tmp_path: Path) -> None:
    root = str(tmp_path / "tree")
    async with opened(rig, tmp_path) as bench:
        ssh = bench.client(Ssh, path)
        await ssh.mkdir(f"{root}/a/b", 0o700)
        await ssh.mkdir(f"{root}/a/b")
        await ssh.upload(f"{root}/a/f", _content(b"123"), 0o600)
        await ssh.link(f"{root}/l", "a/f")
        await ssh.link(f"{root}/l", "nowhere")
        found = [(e.path.removeprefix(root), e.kind, e.mode, e.size, e.target) async for e in ssh.entries(root)]
        for attempt in (
            ssh.digest(f"{root}/none"),
            anext(ssh.download(f"{root}/none")),
            anext(ssh.entries(f"{root}/none")),
        ):
            with pytest.raises(BenchError, match="there is no file"):
                await attempt
        with pytest.raises(BenchError, match="is a folder"):
            await anext(ssh.download(root))
        with pytest.raises(BenchError, match="is there already and is no folder"):
            await ssh.mkdir(f"{root}/a/f")
    modes = {name: mode for name, kind, mode, *_ in found if kind != "link"}
    assert [(name, kind, target) for name, kind, _, _, target in found] == [
        ("", "folder", None), ("/a", "folder", None), ("/l", "link", "nowhere"),
        ("/a/b", "folder", None), ("/a/f", "file", None),
    ]  # fmt: skip
    assert (modes["/a/b"], modes["/a/f"]) == (0o700, 0o600)
