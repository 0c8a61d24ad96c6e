from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from flowrunner.engine.lines import read
from flowrunner.report.display import display, is_live
from flowrunner.report.follow import Follow, Moving
from flowrunner.report.live import LiveTree
from flowrunner.report.plain import PlainLines
from flowrunner.report.text import plain
from tests.support.fake_runs import KINDS

Make = Callable[[str], Path]
Event = Mapping[str, Any]

EVIL = b"\x1b]0;owned\x07\x1b[2J\x1b[31mred\x1b[0m \x9b5A\x07\x08login: \r\n"


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


def with_console(events: list[Event], data: bytes = EVIL) -> Iterator[Event]:
    """The events with some console data and progress in between, as a live run has them."""
    for event in events:
        yield event
        yield {"t": event["t"], "event": "console.data", "console": "dut.console", "data": data}
        if event["event"] == "step.started":
            yield {"t": event["t"], "event": "progress", "path": event["path"], "done": 5, "total": 10, "unit": "B"}


def show(folder: Path, stream: io.StringIO, environment: Mapping[str, str], *, console: bool = False) -> str:
    with display(folder, stream=stream, environment=environment, console=console) as listen:
        for event in with_console(read(folder / "journal.jsonl")):
            listen(event)
    return stream.getvalue()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("live", [False, True])
def test_every_step_that_ran_is_told_and_the_cause_at_the_end(make: Make, kind: str, live: bool) -> None:
    folder = make(kind)
    text = show(folder, Terminal() if live else io.StringIO(), {"TERM": "xterm", "NO_COLOR": "1"})
    for event in read(folder / "journal.jsonl"):
        if event["event"] == "step.finished" and event["outcome"] not in ("skipped",):
            assert event["path"].rpartition(".")[2] in text
    assert f"report {folder / 'report.html'}" in text
    if kind == "failed":
        assert "boot-test.yaml:37:9: failed: prompt 'login: ' not seen within 25s" in text
        assert f"full log {folder / 'dut.console.log'}:17" in text


def test_plain_lines_tell_time_step_outcome_and_seconds(make: Make) -> None:
    text = show(make("failed"), io.StringIO(), {})
    assert "    35.1s  failed   boot.prompt 24.9s: prompt 'login: ' not seen within 25s\n" in text
    assert "     1.6s  retry    image: attempt 1 errored (infra): the download broke off" in text
    assert "    35.1s  failed   boot 28.8s: because of boot.prompt\n" in text


def test_plain_lines_hold_no_console_output_unless_asked(make: Make) -> None:
    folder = make("passed")
    assert "dut.console |" not in show(folder, io.StringIO(), {})
    assert "dut.console | red \ufffd5A\u2407⌫login: \n" in show(folder, io.StringIO(), {}, console=True)


@pytest.mark.parametrize("live", [False, True])
@pytest.mark.parametrize("console", [False, True])
def test_control_sequences_of_a_device_do_not_reach_the_terminal(make: Make, live: bool, console: bool) -> None:
    stream = Terminal() if live else io.StringIO()
    text = show(make("passed"), stream, {"TERM": "xterm", "NO_COLOR": "1"}, console=console)
    assert "owned" not in text
    assert "\x1b[2J" not in text
    assert "\x1b[31m" not in text
    assert "\x07" not in text
    if not live:
        assert "\x1b" not in text


def test_the_cursor_is_visible_whenever_the_live_tree_could_be_killed(make: Make) -> None:
    stream = Terminal()
    console = Console(file=stream, force_terminal=True, width=100)
    with LiveTree(console) as tree:
        for event in with_console(read(make("passed") / "journal.jsonl")):
            tree(event)
            text = stream.getvalue()
            assert text.rfind("\x1b[?25h") >= text.rfind("\x1b[?25l")


@pytest.mark.timeout(30)
def test_events_and_drawing_do_not_wait_for_each_other_for_ever(make: Make) -> None:
    console = Console(file=Terminal(), force_terminal=True, width=100)
    events = read(make("passed") / "journal.jsonl")
    for _ in range(3):
        with LiveTree(console, pause=0) as tree:
            for event in with_console(events * 5):
                tree(event)


def test_no_line_is_wider_than_the_terminal_while_it_lives(make: Make) -> None:
    console = Console(file=Terminal(), force_terminal=True, width=60, color_system=None)
    tree = LiveTree(console)
    for event in with_console(read(make("passed") / "journal.jsonl"), b"x" * 500 + b"\n"):
        tree._follow.take(event)
        with console.capture() as capture:
            console.print(tree._frame())
        assert all(len(line) <= 60 for line in capture.get().splitlines())


def test_the_live_tree_shows_what_goes_on(make: Make) -> None:
    console = Console(file=Terminal(), force_terminal=True, width=100, color_system=None)
    tree = LiveTree(console)
    events = read(make("passed") / "journal.jsonl")
    for event in with_console([e for e in events if e["t"] < 12 and not e["event"].endswith("finished")], b"booting\n"):
        tree._follow.take(event)
    tree._follow.take({"t": 9.0, "event": "progress", "path": "image", "done": 5, "total": 10, "unit": "B"})
    with console.capture() as capture:
        console.print(tree._frame())
    frame = capture.get()
    assert "image  flash" in frame
    assert "5 B of 10 B" in frame
    assert "booting" in frame


def test_who_holds_the_device_is_shown_while_waiting() -> None:
    follow = Follow()
    follow.take({"t": 0.0, "event": "lease.waiting", "role": "dut", "owner": "grace", "position": 2})
    assert follow.waiting == {"dut": "waiting for grace, number 2 in the queue"}
    follow.take({"t": 5.0, "event": "lease.acquired", "role": "dut", "exporter": "virt-1"})
    assert follow.waiting == {}


def test_rate_and_time_left_follow_the_progress() -> None:
    moving = Moving(0.0, 100.0, "B")
    for second in range(1, 6):
        moving.advance(float(second), second * 10.0, 100.0)
    assert moving.rate == pytest.approx(10.0)
    assert moving.left == pytest.approx(5.0)


def test_a_reader_that_goes_away_does_not_end_the_run(make: Make) -> None:
    class Gone(io.StringIO):
        def write(self, text: str) -> int:
            raise BrokenPipeError

    folder = make("passed")
    taken = 0
    with display(folder, stream=Gone(), environment={}) as listen:
        for event in read(folder / "journal.jsonl"):
            listen(event)
            taken += 1
    assert taken == len(read(folder / "journal.jsonl"))


def test_a_stream_without_unicode_gets_question_marks(make: Make) -> None:
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding="ascii", write_through=True)
    folder = make("passed")
    with display(folder, stream=stream, environment={}, console=True) as listen:
        for event in with_console(read(folder / "journal.jsonl"), "ü\n".encode()):
            listen(event)
    assert b"dut.console | ?\n" in raw.getvalue()


@pytest.mark.parametrize(
    ("stream", "environment", "live"),
    [
        (Terminal(), {"TERM": "xterm"}, True),
        (io.StringIO(), {"TERM": "xterm"}, False),
        (Terminal(), {"TERM": "dumb"}, False),
        (Terminal(), {"TERM": "xterm", "CI": "true"}, False),
        (Terminal(), {}, False),
    ],
)
def test_the_live_tree_is_for_terminals_that_can(
    stream: io.StringIO, environment: Mapping[str, str], live: bool
) -> None:
    assert is_live(stream, environment) is live


def test_github_gets_groups(make: Make) -> None:
    text = show(make("failed"), io.StringIO(), {"GITHUB_ACTIONS": "true"})
    assert text.count("::group::") == text.count("::endgroup::") > 2


def test_gitlab_sections_are_opened_and_closed_in_pairs(make: Make) -> None:
    text = show(make("failed"), io.StringIO(), {"GITLAB_CI": "true"})
    opened = re.findall(r"section_start:\d+:(\w+)\r", text)
    assert opened
    assert opened == re.findall(r"section_end:\d+:(\w+)\r", text)


def test_lines_of_a_console_are_whole_however_its_bytes_arrive() -> None:
    written: list[str] = []
    lines = PlainLines(written.append, console=True)
    for byte in b"one\r\ntwo\x1b[0m\nthr":
        lines({"t": 0.0, "event": "console.data", "console": "c", "data": bytes([byte])})
    lines.close()
    assert "".join(written) == "c | one\nc | two\nc | thr\n"


@given(st.binary(max_size=300) | st.text(st.characters(codec=None), max_size=100).map(lambda t: t))
def test_plain_text_holds_nothing_that_acts(data: bytes | str) -> None:
    text = plain(data)
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\u202a-\u202e\u2066-\u2069]", text)
    text.encode()
