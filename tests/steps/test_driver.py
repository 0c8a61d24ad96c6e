from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from flowrunner.errors import PipelineError
from flowrunner_steps.driver import Driver
from tests.support.context import RecordingContext
from tests.support.devices import CountingPower, EchoMachine, device

pytestmark = pytest.mark.anyio


async def call(folder: Path, **values: Any) -> Any:
    context = RecordingContext(folder, device(power=CountingPower(readings=5), machine=EchoMachine()))
    return (await Driver.model_validate(values).run(context)).result


async def test_calls_a_method_with_arguments(tmp_path: Path) -> None:
    answer = await call(tmp_path, call="dut.machine.qmp", **{"with": {"command": "stop", "arguments": {"a": 1}}})
    assert answer == {"command": "stop", "arguments": {"a": 1}}


async def test_calls_what_runs_beside_the_job_too(tmp_path: Path) -> None:
    power = CountingPower()
    context = RecordingContext(tmp_path, device(power=power))
    await Driver.model_validate({"call": "dut.power.cycle", "with": {"off_for": "10ms"}}).run(context)
    assert power.asked == ["off", "on"]


async def test_takes_as_many_answers_as_asked(tmp_path: Path) -> None:
    readings = await call(tmp_path, call="dut.power.read", count=2)
    assert readings == [{"voltage": 1.0, "current": 0.5}, {"voltage": 2.0, "current": 0.5}]
    assert len(await call(tmp_path, call="dut.power.read")) == 5


async def test_binary_data_becomes_a_file(tmp_path: Path) -> None:
    name = await call(tmp_path, call="dut.machine.snapshot")
    assert Path(name).read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"call": "dut.power.onn"}, "'dut.power' has no method 'onn'\n  help: did you mean 'on'"),
        ({"call": "dut.power.__init__"}, "has no method '__init__'"),
        ({"call": "dut.power.calls"}, "has no method 'calls'"),
        ({"call": "dut.powr.on"}, "'dut' has no part 'powr'"),
        ({"call": "dut.on"}, "'dut' has no method 'on'"),
        ({"call": "dut.machine.qmp", "with": {}}, "'dut.machine.qmp' needs the argument 'command'"),
        ({"call": "dut.machine.qmp", "with": {"command": "x", "argumnts": {}}}, "did you mean 'arguments'"),
        ({"call": "dut.power.cycle", "with": {"off_for": -1}}, "'dut.power.cycle' cannot take 'off_for'"),
    ],
)
async def test_says_what_cannot_be_called(tmp_path: Path, values: dict[str, Any], says: str) -> None:
    with pytest.raises(PipelineError) as caught:
        await call(tmp_path, **values)
    assert says in str(caught.value)


def test_needs_a_path_and_a_method() -> None:
    with pytest.raises(ValidationError, match="pattern"):
        Driver(call="power")
