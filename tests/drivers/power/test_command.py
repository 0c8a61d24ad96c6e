from pathlib import Path

import anyio
import pytest

from flowrunner.errors import BenchError
from flowrunner.interface import Direct
from flowrunner.interfaces.power import Power, PowerReading
from flowrunner_drivers.power.command import CommandPower
from tests.support.processes import ended

pytestmark = pytest.mark.anyio


def power(**config: object) -> Power:
    driver = CommandPower.make({"on": "true", "off": "true", **config})
    assert isinstance(driver, Power)
    return Power.client(Direct(driver))


async def test_runs_text_by_a_shell_and_a_list_as_it_is(tmp_path: Path) -> None:
    lamp = tmp_path / "a lamp"
    supply = power(on=f"touch '{lamp}' && true", off=["rm", str(lamp)])
    await supply.on()
    assert lamp.exists()
    await supply.off()
    assert not lamp.exists()


async def test_says_what_a_failed_command_said() -> None:
    supply = power(on="echo working; ls /nowhere; exit 7", off="kill -9 $$")
    with pytest.raises(BenchError, match="exited with 7") as error:
        await supply.on()
    assert (error.value.said or "").startswith("working\n")
    assert "/nowhere" in (error.value.said or "")
    with pytest.raises(BenchError, match="was ended by SIGKILL"):
        await supply.off()


async def test_a_command_that_is_not_there_is_the_fault_of_the_config() -> None:
    with pytest.raises(BenchError, match="'/no/such/tool' could not be started: No such file or directory") as error:
        await power(on=["/no/such/tool"]).on()
    assert error.value.blame == "config"


async def test_a_command_that_takes_too_long_is_ended_with_all_it_started(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    supply = power(on=f"echo begun; sleep 60 & echo $! > {pids}; echo $$ >> {pids}; wait", timeout=1)
    with pytest.raises(BenchError, match="had not ended after 1s") as error:
        await supply.on()
    assert error.value.said == "begun"
    for pid in pids.read_text().split():
        assert ended(int(pid))


async def test_a_cancelled_call_leaves_no_process(tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    with anyio.move_on_after(0.3):
        await power(on=f"echo $$ > {pid}; trap '' TERM; sleep 60", timeout=60).on()
    assert ended(int(pid.read_text()))


@pytest.mark.parametrize("printed", ['{"voltage": 5.1, "current": 0.25}', "5.1 V, 0.25 A", "5.10e0 2.5e-1"])
async def test_reads_what_a_command_prints(printed: str) -> None:
    async for reading in power(read=["echo", printed]).read():
        assert reading == PowerReading(voltage=5.1, current=0.25)
        break


async def test_a_reading_that_is_none_is_an_error() -> None:
    with pytest.raises(BenchError, match="printed no reading") as error:
        async for _ in power(read="echo no meter").read():
            pass
    assert error.value.said == "no meter"


async def test_cannot_measure_without_a_command() -> None:
    with pytest.raises(NotImplementedError):
        async for _ in power().read():
            pass
