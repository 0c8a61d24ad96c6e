"""The environment of real U-Boot."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowrunner.console.uboot import quoted
from flowrunner.errors import ExpectationError
from flowrunner_steps.uboot.env import Env
from tests.steps.uboot.conftest import Booted
from tests.support.context import RecordingContext

pytestmark = pytest.mark.machine

VALUES = {
    "plain": "value", "spaces": "a  b", "quotes": """it's "so" """.strip(), "special": "$x ${y} ; | & && > # * ? [a]",
    "slashes": "\\n \\ C:\\x", "sign": "a=b=c", "number": "0x40200000",
}  # fmt: skip


def test_what_was_set_is_what_is_read(uboot: Booted) -> None:
    async def work(context: RecordingContext) -> None:
        found = await Env(set=VALUES, get=list(VALUES)).run(context)
        assert found.values == VALUES
        again = await Env(unset=["plain"], get=["plain", "sign"], optional=True).run(context)
        assert again.values == {"sign": "a=b=c"}

    uboot(work)


def test_a_variable_that_is_missing_is_a_failure_unless_it_may_be(uboot: Booted) -> None:
    async def work(context: RecordingContext) -> None:
        with pytest.raises(ExpectationError, match="no variable nothing, none"):
            await Env(get=["nothing", "none", "arch"]).run(context)

    uboot(work)


def unquoted(text: str) -> str:
    """What the hush shell makes of a word."""
    out, index, inside = "", 0, False
    while index < len(text):
        char = text[index]
        if char == "'":
            inside = not inside
        elif char == "\\" and not inside:
            index += 1
            out += text[index]
        else:
            assert inside or char not in ' ;|&$"#'
            out += char
        index += 1
    assert not inside
    return out


@given(st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=30))
def test_any_value_is_one_word(value: str) -> None:
    assert unquoted(quoted(value)) == value
