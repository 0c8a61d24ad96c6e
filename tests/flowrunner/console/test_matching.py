"""What an expect finds: the same however the bytes arrive."""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import anyio
import pexpect
import pexpect.fdpexpect
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flowrunner.console.log import ConsoleLog
from flowrunner.console.patterns import Line, Match, Pattern, Prompt, Reject
from flowrunner.console.scan import BLOCK, LONGEST
from flowrunner.console.session import LogSession
from flowrunner.errors import BenchError, ExpectationError, PipelineError
from flowrunner.model import Duration
from flowrunner.replay.clock import run_virtual


class Bench:
    """A session over a log that the test fills."""

    def __init__(self, folder: Path, *, window: int = 1 << 20) -> None:
        start = anyio.current_time()
        self.log = ConsoleLog(folder / "c.log", clock=lambda: Duration(anyio.current_time() - start), window=window)
        self.session = LogSession("dut.console", self.log, self._write)

    async def _write(self, data: bytes, delay: float) -> None:
        raise NotImplementedError

    async def print(self, *pieces: bytes, every: float = 0.0) -> None:
        for piece in pieces:
            self.log.append(piece)
            self.log.flush()
            await anyio.sleep(every)


def chopped(data: bytes, cuts: Sequence[int]) -> list[bytes]:
    places = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    return [data[a:b] for a, b in pairwise(places) if a != b]


Result = tuple[Any, ...]


def results(
    pieces: Sequence[bytes], steps: Sequence[tuple[list[Pattern], list[Reject]]], window: int = 1 << 20
) -> list[Result]:
    """What each expect of `steps` gives, one after the other, while `pieces` arrive."""

    async def body() -> list[Result]:
        with tempfile.TemporaryDirectory() as folder:
            bench = Bench(Path(folder), window=window)
            found: list[Result] = []
            async with anyio.create_task_group() as group:
                group.start_soon(bench.print, *pieces)
                for patterns, reject in steps:
                    found.append(await one(bench.session, patterns, reject))
            assert bench.log.path.read_bytes() == b"".join(pieces)
            return found

    return run_virtual(body)


async def one(session: LogSession, patterns: list[Pattern], reject: list[Reject]) -> Result:
    try:
        match = await session.expect(patterns, within=5, reject=reject)
        return (match.index, match.text, match.groups, match.start, match.end, session.cursor)
    except ExpectationError as error:
        return (error.what, error.cause, error.outcome, error.said, session.cursor)


PARTS = st.sampled_from(
    [b"login: ", b"log", b"in", b": ", b"\n", b"\r\n", b"\r", b"Password: ", b"U-Boot 2024.01", b"\x1b[32m", b"\x1b[6n",
     b"panic", b" ", b"# ", b"\xff", "é".encode(), b"x" * 70]
)  # fmt: skip
PATTERNS = st.sampled_from(
    [Line("login"), Line(r"U-Boot (?P<version>\S+)"), Line("panic"), Line("^$"), Line("x+"), Line("(?i)LOG"), Line("é"),
     Prompt("login: "), Prompt("# "), Prompt(": "), Prompt(r"\w+: ", regex=True), Prompt("# ", settle=0.3)]
)  # fmt: skip
STEPS = st.lists(
    st.tuples(
        st.lists(PATTERNS, min_size=1, max_size=3),
        st.lists(st.builds(Reject, PATTERNS, st.just("failed")), max_size=2),
    ),
    min_size=1,
    max_size=4,
)


@settings(max_examples=150, deadline=None)
@given(st.lists(PARTS, max_size=14).map(b"".join), st.lists(st.integers(0, 500), max_size=8), STEPS)
def test_the_result_does_not_depend_on_how_bytes_arrive(data: bytes, cuts: list[int], steps: Any) -> None:
    whole = results([data] if data else [], steps)
    assert results([data[i : i + 1] for i in range(len(data))], steps) == whole
    assert results(chopped(data, cuts), steps) == whole
    assert results(chopped(data, cuts), steps, window=7) == whole


@settings(max_examples=100, deadline=None)
@given(st.lists(PARTS, max_size=14).map(b"".join), STEPS)
def test_no_byte_is_matched_twice_and_the_cursor_never_goes_back(data: bytes, steps: Any) -> None:
    cursor = 0
    for result in results([data] if data else [], steps):
        if isinstance(result[0], int):
            _, _, _, start, end, now = result
            assert cursor <= start <= end == now
        assert cursor <= result[-1] <= len(data)
        cursor = result[-1]


LINES = st.lists(st.sampled_from(["alpha", "beta 12", "gamma", "x=1 y=22", ""]), max_size=8)
SEARCHES = st.lists(st.sampled_from([r"alp", r"beta (?P<n>\d+)", r"y=\d+", "gamma|alpha"]), min_size=1, max_size=4)


@settings(max_examples=60, deadline=None)
@given(LINES, SEARCHES, st.lists(st.integers(0, 99), max_size=5))
def test_agrees_with_pexpect_where_a_pattern_takes_whole_lines(
    lines: list[str], patterns: list[str], cuts: list[int]
) -> None:
    text = "".join(line + "\r\n" for line in lines).encode()
    ours = results(chopped(text, cuts), [([Line(pattern)], []) for pattern in patterns])
    near, far = os.pipe()
    os.write(far, text)
    os.close(far)
    oracle: Any = pexpect.fdpexpect.fdspawn(near, timeout=5)
    for pattern, result in zip(patterns, ours, strict=True):
        missing = oracle.expect([rf"[^\r\n]*(?:{pattern})[^\r\n]*\r\n".encode(), pexpect.EOF])
        assert isinstance(result[0], str) == bool(missing)
        if missing:
            break
        assert result[1].encode() in oracle.match.group(0)
        assert result[4] == len(text) - len(oracle.buffer)
    oracle.close()


async def matched(
    *pieces: bytes, patterns: list[Pattern], reject: list[Reject] | None = None, within: float = 0.2, **more: Any
) -> Match:
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(Path(folder), **more)
        await bench.print(*pieces)
        return await bench.session.expect(patterns, within=within, reject=reject or [])


pytestmark = pytest.mark.anyio


async def test_the_earliest_line_wins_whatever_the_order() -> None:
    match = await matched(b"one\ntwo\n", patterns=[Line("two"), Line("one")])
    assert (match.index, match.text, match.start, match.end) == (1, "one", 0, 4)


async def test_in_one_line_the_leftmost_wins_and_then_the_order() -> None:
    assert (await matched(b"a b c\n", patterns=[Line("c"), Line("b")])).index == 1
    assert (await matched(b"a b c\n", patterns=[Line("b"), Line("b c")])).index == 0


async def test_a_reject_wins_in_its_line_and_loses_to_an_earlier_one() -> None:
    reject = [Reject(Line("FAILED"), outcome="errored", blame="device")]
    with pytest.raises(ExpectationError, match=r"'FAILED' was printed before pattern 'Result: \.\+'") as caught:
        await matched(b"fine\nResult: FAILED\nmore\n", patterns=[Line("Result: .+")], reject=reject)
    assert (caught.value.outcome, caught.value.blame, caught.value.cause) == ("errored", "device", "unmet")
    assert caught.value.said == "fine\nResult: FAILED"
    assert (await matched(b"Result: 1\nFAILED\n", patterns=[Line("Result")], reject=reject)).text == "Result"


async def test_a_prompt_is_matched_only_when_nothing_follows() -> None:
    async with anyio.create_task_group() as group:
        with tempfile.TemporaryDirectory() as folder:
            bench = Bench(Path(folder))
            group.start_soon(lambda: bench.print(b"login: ", b"root\n", b"login: ", every=0.02))
            match = await bench.session.expect([Prompt("login: ")], within=2)
    assert match.start == 12
    assert match.at < 0.09


KERNEL = b"[    2.053978] tsc: Refined clocksource\r\n[   12.055017][    T1] usb 1-1: new device [high]\r\n"


@pytest.mark.parametrize("pieces", [[b"up\r\ndemo login: " + KERNEL], [b"up\r\ndemo login: ", KERNEL[:9], KERNEL[9:]]])
async def test_a_prompt_is_one_also_when_the_kernel_prints_behind_it(tmp_path: Path, pieces: list[bytes]) -> None:
    bench = Bench(tmp_path)
    await bench.print(*pieces)
    match = await bench.session.expect([Prompt("login: ")], within=1)
    assert (match.text, match.start, match.end) == ("login: ", 9, 16)
    assert (await bench.session.expect([Line(r"tsc: (\w+)")], within=0)).text == "tsc: Refined"
    with pytest.raises(ExpectationError):
        await bench.session.expect([Prompt("login: ")], within=0.1)


@pytest.mark.parametrize("behind", [b"reboot\n" + KERNEL, KERNEL + b"reboot\n", KERNEL + b"[    3.0", b"\n" + KERNEL])
async def test_what_is_not_from_the_kernel_takes_a_prompt_away(tmp_path: Path, behind: bytes) -> None:
    bench = Bench(tmp_path)
    await bench.print(b"demo login: " + behind)
    with pytest.raises(ExpectationError, match="prompt not seen"):
        await bench.session.expect([Prompt("login: ")], within=0.1)


async def test_a_prompt_shows_through_colours_and_queries() -> None:
    match = await matched(b"boot\r\n\x1b[1;32mroot@dut\x1b[0m:~# \x1b[6n", patterns=[Prompt("dut:~# ")])
    assert (match.text, match.start, match.end) == ("dut:~# ", 18, 33)


async def test_an_escape_inside_a_word_does_not_hide_it() -> None:
    match = await matched(b"x\nU-\x1b[1mBoot\x1b[0m 1\r\n", patterns=[Line(r"U-Boot (?P<v>\d)")])
    assert (match.text, match.groups, match.start) == ("U-Boot 1", {"v": "1"}, 2)


async def test_a_group_that_took_no_part_is_empty() -> None:
    assert (await matched(b"a\n", patterns=[Line("a(?P<b>b)?")])).groups == {"b": ""}


async def test_bytes_that_are_not_utf8_do_not_hide_what_is_around_them() -> None:
    match = await matched(b"\xff\xfe ok \xe2\x82\n", patterns=[Line(". ok .")])
    assert (match.text, match.start) == ("\ufffd ok \ufffd", 1)


async def test_the_time_of_a_match_is_when_its_last_byte_came(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    await bench.print(b"st", b"art\n", every=0.1)
    await anyio.sleep(0.1)
    match = await bench.session.expect([Line("start")], within=1)
    assert match.at == pytest.approx(0.1, abs=0.05)


async def test_what_came_before_the_expect_began_counts(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    await bench.print(b"one\ntwo\n")
    assert (await bench.session.expect([Line("one")], within=0)).end == 4
    assert (await bench.session.expect([Line("two")], within=0)).end == 8
    with pytest.raises(ExpectationError):
        await bench.session.expect([Line("two")], within=0)


async def test_skip_leaves_what_was_printed_behind(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    await bench.print(b"one\ntw")
    assert bench.session.skip() == 6
    await bench.print(b"o\none\n")
    assert (await bench.session.expect([Line("o")], within=0.1)).start == 6
    assert (await bench.session.expect([Line("one")], within=0.1)).start == 8


async def test_a_prompt_that_is_too_old_is_not_found_behind_a_line(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    await bench.print(b"login: [ 1.0] usb\n")
    with pytest.raises(ExpectationError, match="prompt not seen within 100ms") as caught:
        await bench.session.expect([Prompt("login: ")], within=0.1)
    assert caught.value.help == (
        "'login: ' was printed and more followed: a prompt is the last thing printed, else use pattern"
    )


@pytest.mark.parametrize(
    ("printed", "patterns", "what", "help"),
    [
        (
            b"",
            [Line("U-Boot")],
            "pattern 'U-Boot' not seen within 100ms",
            "nothing was printed at all: is the power on",
        ),
        (b"a\nb: ", [Line("b")], "pattern 'b' not seen within 100ms", "the last line is not complete"),
        (b"a\n", [Line("b"), Prompt("c")], "none of 'b', 'c' seen within 100ms", "waited for 'c' as the last thing"),
    ],
)
async def test_says_what_was_not_seen_and_why_that_may_be(
    printed: bytes, patterns: list[Pattern], what: str, help: str, tmp_path: Path
) -> None:
    bench = Bench(tmp_path)
    await bench.print(*filter(None, [printed]))
    with pytest.raises(ExpectationError) as caught:
        await bench.session.expect(patterns, within=0.1)
    assert caught.value.what == what
    assert caught.value.cause == "timeout"
    assert help in (caught.value.help or "")


async def test_a_line_that_never_ends_is_searched_at_its_beginning_only() -> None:
    long = b"start " + b"x" * (3 * BLOCK) + b" end\n"
    match = await matched(long, b"next\n", patterns=[Line("end"), Line("next")])
    assert (match.index, match.start) == (1, len(long))
    match = await matched(long, b"next\n", patterns=[Line("start x+")], window=100)
    assert len(match.text) == LONGEST
    assert match.end == len(long)


async def test_finds_a_line_behind_many_blocks_with_and_without_a_literal() -> None:
    data = b"some line of the boot log\r\n" * 40_000
    for pattern in (Line("marker (?P<n>[0-9]+)"), Line("(?i)MARKER (?P<n>[0-9]+)")):
        match = await matched(data, b"marker 42\r\n", patterns=[Line("never comes"), pattern], window=1000, within=30)
        assert (match.groups, match.start) == ({"n": "42"}, len(data))


async def test_a_pattern_that_cannot_be_read_is_the_authors_error() -> None:
    with pytest.raises(PipelineError, match=r"the pattern '\(' cannot be read: missing \)"):
        await matched(b"x\n", patterns=[Line("(")])


async def test_a_catastrophic_pattern_ends_in_time_and_stalls_nobody(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.log.append(b"a" * 60 + b"!\n")
    gaps: list[float] = []

    async def other_console() -> None:
        log = ConsoleLog(tmp_path / "other.log", clock=lambda: Duration(anyio.current_time()))
        while True:
            before = anyio.current_time()
            log.append(b"still here\n")
            log.flush()
            await anyio.sleep(0.005)
            gaps.append(anyio.current_time() - before)

    async with anyio.create_task_group() as group:
        group.start_soon(other_console)
        with pytest.raises(BenchError, match="took longer than 1s on one line") as caught:
            await bench.session.expect([Line(r"^(a|aa|b?a)+$")], within=30)
        group.cancel_scope.cancel()
    assert caught.value.blame == "config"
    assert len(gaps) > 50
    assert max(gaps) < 0.3


async def test_a_catastrophic_pattern_is_given_up_at_the_deadline(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.log.append(b"a" * 60 + b"!\n")
    before = anyio.current_time()
    with pytest.raises(ExpectationError):
        await bench.session.expect([Line(r"^(a|aa|b?a)+$")], within=0.1)
    assert anyio.current_time() - before < 0.5


async def test_bytes_one_by_one_are_looked_at_a_few_times_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench(tmp_path)
    looked = 0
    read = bench.log.read

    def counting(start: int, end: int | None = None) -> bytes:
        nonlocal looked
        data = read(start, end)
        looked += len(data)
        return data

    monkeypatch.setattr(bench.log, "read", counting)
    task = asyncio.create_task(bench.session.expect([Line("end"), Prompt("# ")], within=60))
    for _ in range(5_000):
        bench.log.append(b"x")
        await asyncio.sleep(0)
    bench.log.append(b"\nend\n")
    assert (await task).index == 0
    assert looked < 5 * bench.log.end
