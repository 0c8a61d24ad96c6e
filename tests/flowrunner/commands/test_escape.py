"""The keys that leave a console."""

import pytest

from flowrunner.commands.escape import ESCAPE, Escape
from flowrunner.errors import PipelineError


def all_typed(words: str, *pieces: bytes) -> tuple[bytes, bool]:
    escape, sent = Escape(words), b""
    for piece in pieces:
        rest, leaves = escape.typed(piece)
        sent += rest
        if leaves:
            return sent, True
    return sent, False


@pytest.mark.parametrize(
    ("words", "pieces", "sent"),
    [
        (ESCAPE, (b"\x02\x02\x02",), b"\x02\x02"),
        (ESCAPE, (b"a\x02", b"\x02", b"\x02rest"), b"a\x02\x02"),
        (ESCAPE, (b"\x02\x02x\x02\x02\x02",), b"\x02\x02x\x02\x02"),
        ("ctrl-]", (b"ls\r\x1d",), b"ls\r"),
        ("ctrl-a x", (b"\x01\x01x",), b"\x01\x01"),
        ("enter ~ .", (b"~.\r~", b"."), b"~.\r~"),
        ("a a b", (b"aaab",), b"aaa"),
        ("f12", (b"x\x1b[24~",), b"x"),
    ],
)
def test_the_device_gets_all_but_the_last_of_them(words: str, pieces: tuple[bytes, ...], sent: bytes) -> None:
    assert all_typed(words, *pieces) == (sent, True)


def test_other_keys_in_between_do_not_leave() -> None:
    assert all_typed(ESCAPE, b"\x02\x02a\x02\x02") == (b"\x02\x02a\x02\x02", False)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (ESCAPE, "Ctrl-B three times"),
        ("ctrl-]", "Ctrl-]"),
        ("enter ~ .", "Enter, then ~, then ."),
        ("ctrl-a ctrl-a", "Ctrl-A twice"),
    ],
)
def test_they_are_said_as_they_are_typed(words: str, said: str) -> None:
    assert Escape(words).words == said


@pytest.mark.parametrize(("words", "said"), [("ctrl-bb", "there is no key 'ctrl-bb'"), (" ", "names no key")])
def test_a_key_that_is_none_is_refused(words: str, said: str) -> None:
    with pytest.raises(PipelineError, match=said):
        Escape(words)
