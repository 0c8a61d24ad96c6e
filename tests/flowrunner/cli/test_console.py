"""`console` as a person uses it: keys that leave, logs, recordings, and the terminal as it was behind it."""

import json
import os
import re
import select
import termios
from collections.abc import Iterator

import pytest

from flowrunner.commands.terminal import raw_terminal
from tests.support.hands import Desk, slow
from tests.support.terminals import BENCH, console, status


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """A bench that is served for all tests of this file."""
    desk = Desk(tmp_path_factory.mktemp("c"), BENCH)
    with desk.exporter():
        yield desk


def test_the_keys_that_leave_are_shown_can_be_set_and_do_not_reach_the_device(desk: Desk) -> None:
    with console(desk, "--escape", "ctrl-a x", "--log", "keys.log") as terminal:
        terminal.expect_exact("connected to console; Ctrl-A, then x leaves")
        terminal.expect_exact("ready")
        terminal.send("\x02\x02\x02marco\r")
        terminal.expect_exact("marco")
        terminal.send("\x01")
        terminal.expect_exact("\x01")
        terminal.send("x")
        terminal.expect_exact("left console")
        assert status(terminal) == 0
    assert (desk.folder / "keys.log").read_bytes() == b"ready\n\x02\x02\x02marco\r\x01"


@slow
def test_what_a_console_says_is_logged_with_times_and_recorded(desk: Desk) -> None:
    with console(desk, "--log", "times.log", "--timestamps", "--record", "it.cast") as terminal:
        terminal.expect_exact("ready")
        terminal.send("grün\n\x02\x02")
        terminal.expect_exact("\x02\x02")
        terminal.send("\x02")
        terminal.expect_exact("left console")
        assert status(terminal) == 0
    lines = (desk.folder / "times.log").read_text().splitlines()
    assert [re.sub(r"^\[ +\d+\.\d{6}\] ", "", each) for each in lines] == ["ready", "grün", r"\x02\x02"]
    header, *events = map(json.loads, (desk.folder / "it.cast").read_text().splitlines())
    assert (header["version"], header["width"], header["height"], header["title"]) == (2, 200, 30, "console")
    assert "".join(text for _, _, text in events) == "ready\ngrün\n\x02\x02"
    assert [kind for _, kind, _ in events] == ["o"] * len(events)
    assert [at for at, _, _ in events] == sorted(at for at, _, _ in events)


@slow
def test_a_console_whose_device_goes_away_says_so_and_fails(desk: Desk) -> None:
    with console(desk, part="short") as terminal:
        terminal.expect_exact("bye")
        terminal.send("\r")
        terminal.expect_exact("short closed the connection")
        assert status(terminal) == 3


@slow
def test_a_log_that_cannot_be_written_ends_the_console_with_a_sentence(desk: Desk) -> None:
    with console(desk, "--log", "/dev/full") as terminal:
        terminal.expect_exact("'/dev/full' did not take what the device said: No space left on device")
        assert status(terminal) == 3
    with console(desk, "--log", "none/x.log") as terminal:
        terminal.expect_exact("'none/x.log' could not be written: No such file or directory")
        assert status(terminal) == 2


@slow
@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["console", "--timestamps"], "--timestamps needs --log FILE"),
        (["console", "--escape", "ctrl-bb"], "there is no key 'ctrl-bb'"),
        (["console", "--log", "x", "--record", "x"], "--record and --log name the same file"),
        (["pipe", "--linger", "1s", "--no-input"], "--linger needs standard input"),
        (["pipe", "--watch", "--input"], "--watch and --input exclude each other"),
    ],
)
def test_options_that_mean_nothing_are_refused(desk: Desk, options: list[str], said: str) -> None:
    refused = desk.device("console", *options)
    assert refused.returncode == 2
    assert said in refused.stderr


def test_what_was_typed_for_the_device_is_not_left_for_a_shell(monkeypatch: pytest.MonkeyPatch) -> None:
    far, near = os.openpty()
    before = termios.tcgetattr(near)
    with os.fdopen(far, "wb", buffering=0) as typing, os.fdopen(near) as terminal:
        monkeypatch.setattr("sys.stdin", terminal)
        with raw_terminal():
            typing.write(b"reboot\n")
            assert select.select([terminal], [], [], 10)[0]
        assert not select.select([terminal], [], [], 0)[0], "a shell would run it"
        assert termios.tcgetattr(near) == before


def test_a_terminal_that_is_gone_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    far, near = os.openpty()
    with os.fdopen(near) as terminal:
        monkeypatch.setattr("sys.stdin", terminal)
        with raw_terminal():
            os.close(far)
