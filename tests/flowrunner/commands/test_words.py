"""Command lines: what belongs to a method and what it becomes."""

from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import pytest
from pydantic import BaseModel

from flowrunner.commands.method import REQUIRED, Parameter, methods
from flowrunner.commands.words import parse
from flowrunner.device import Device
from flowrunner.errors import PipelineError
from flowrunner.interface import Interface, call
from flowrunner.interfaces.power import Power
from flowrunner.interfaces.shell import Shell
from flowrunner.model import Seconds


class Point(BaseModel):
    x: int
    y: int = 0


def parsed(annotation: Any, *words: str, default: Any = REQUIRED) -> Any:
    return parse(words, [Parameter("value", annotation, default)]).values.get("value")


@pytest.mark.parametrize(
    ("annotation", "words", "value"),
    [
        (str, ["a b"], "a b"),
        (str | None, ["x"], "x"),
        (int, ["16"], 16),
        (int, ["-5"], -5),
        (int, ["0x10"], 16),
        (int | None, ["64MiB"], 64 << 20),
        (float, ["1.5"], 1.5),
        (Seconds, ["2"], 2.0),
        (Seconds, ["1m30s"], 90.0),
        (Seconds, ["250ms"], 0.25),
        (bool, ["on"], True),
        (bool, ["false"], False),
        (Literal["a", "b"], ["b"], "b"),
        (bytes, ["text"], b"text"),
        (Sequence[str], ["a", "b"], ["a", "b"]),
        (list[int], ["1", "2"], [1, 2]),
        (list[int], ["[1, 2]"], [1, 2]),
        (Mapping[str, str], ["A=1", "B=x=y"], {"A": "1", "B": "x=y"}),
        (dict[str, Any] | None, ["size=5", "name=disk"], {"size": 5, "name": "disk"}),
        (dict[str, Any] | None, ['{"a": [1]}'], {"a": [1]}),
        (Any, ["[1, 2]"], [1, 2]),
        (Any, ["word"], "word"),
        (Point, ['{"x": 3}'], Point(x=3)),
    ],
)
def test_words_become_values_of_the_parameters_type(annotation: Any, words: list[str], value: Any) -> None:
    assert parsed(annotation, *words) == value
    options = [f"--value={word}" for word in words]
    assert parsed(annotation, *options) == value


def test_bytes_come_from_a_file_when_it_is_named(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"\x00\x01")
    assert parsed(bytes, f"@{tmp_path}/f") == b"\x00\x01"
    with pytest.raises(PipelineError, match="could not be read"):
        parsed(bytes, "@/nowhere")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "FIRST is missing"),
        (["1"], "SECOND is missing"),
        (["1", "2", "3"], "'3' is too much"),
        (["x", "2"], "'x' is no whole number"),
        (["1", "2", "--thrid", "3"], "there is no option --thrid"),
        (["1", "2", "--third"], "--third needs a value"),
        (["--third=1", "--third=2", "1", "2"], "--third is written twice"),
        (["1", "2", "--third=soon"], "'soon' does not fit --third"),
    ],
)
def test_what_does_not_fit_is_said(words: list[str], said: str) -> None:
    parameters = [Parameter("first", int), Parameter("second", int), Parameter("third", Seconds, 1.0)]
    with pytest.raises(PipelineError, match=said):
        parse(words, parameters[:2], parameters[2:])


def test_order_options_and_flags_may_be_mixed() -> None:
    parameters = [Parameter("name", str), Parameter("deep_look", bool, False), Parameter("rest", Sequence[str], ())]
    line = parse(["--deep-look", "disk", "a", "--", "--b"], parameters)
    assert line.values == {"name": "disk", "deep_look": True, "rest": ["a", "--b"]}
    assert parse(["disk", "--no-deep-look"], parameters).values["deep_look"] is False
    assert parse(["disk", "--deep_look"], parameters).values["deep_look"] is True


def test_help_wins_over_what_is_missing() -> None:
    assert parse(["--help"], [Parameter("name", str)]).help
    assert parse(["-h", "--nonsense"], []).help


class Odd(Interface):
    """An interface of a third party."""

    name = "odd"

    @property
    def colour(self) -> str:
        """No command."""
        return "red"

    @call
    async def wave(self, how: str, *, twice: bool = False) -> None:
        """Wave.

        More about waving.
        """

    async def both(self) -> AsyncIterator[int]:
        """Runs beside the job."""
        yield 1

    async def _hidden(self) -> None: ...

    def plain(self) -> None: ...


def test_methods_are_found_on_any_interface() -> None:
    found = methods(Device("x", "acme/odd", (Odd,)))
    assert list(found) == ["wave", "both"]
    assert found["wave"].kind == "unary" and found["both"].kind == "iterator"
    assert found["wave"].summary == "Wave."
    assert [parameter.option for parameter in found["wave"].parameters] == ["--how", "--twice"]


def test_a_part_with_several_interfaces_has_the_methods_of_all() -> None:
    found = methods(Device("x", "t", (Power, Shell)))
    assert list(found) == ["on", "off", "read", "cycle", "get_methods", "describe", "call_method"]
    assert found["cycle"].parameters[0].default == 2.0
