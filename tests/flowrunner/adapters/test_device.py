"""Leasing a device in a program: what it leaves behind, and who waits for it."""

from pathlib import Path

import anyio
import pytest

from flowrunner.adapters.device import device, part
from flowrunner.device import Device
from flowrunner.errors import BenchError, PipelineError
from flowrunner.interfaces.power import Power
from flowrunner.interfaces.shell import Shell
from tests.flowrunner.adapters.conftest import Use

pytestmark = pytest.mark.anyio


async def test_power_is_off_behind_the_block_also_when_that_failed(use: Use, tmp_path: Path) -> None:
    async def work(dut: Device) -> None:
        await part(dut, Power).on()
        assert (tmp_path / "lamp").exists()
        raise KeyError("mine")

    with pytest.raises(KeyError):
        await use(work)
    assert not (tmp_path / "lamp").exists()


async def test_power_stays_where_that_is_wanted(bench: Path, tmp_path: Path) -> None:
    async with device(bench, keep=True) as dut:
        await part(dut, Power).on()
    assert (tmp_path / "lamp").exists()


async def test_power_that_cannot_be_turned_off_is_not_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FLOW_LOCK_DIR", str(tmp_path / "locks"))
    (tmp_path / "b.yaml").write_text(
        "export: {power: {type: power.virtual, config: {faults: [{call: off, fail: stuck}]}}}"
    )
    with pytest.raises(BenchError, match="'power' could not be turned off: stuck"):
        async with device(tmp_path / "b.yaml"):
            pass


async def test_who_comes_second_is_told_and_waits(bench: Path) -> None:
    told: list[str] = []
    order: list[str] = []

    async def second() -> None:
        async with device(bench, waiting=lambda owner, position: told.append(owner)):
            order.append("second")

    async with anyio.create_task_group() as tasks, device(bench):
        tasks.start_soon(second)
        with anyio.fail_after(20):
            while not told:
                await anyio.sleep(0.01)
        order.append("first")
    assert order == ["first", "second"]
    assert "a Python program" in told[0]


async def test_what_is_not_there_is_said(bench: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FLOW_EXPORTER", raising=False)
    with pytest.raises(PipelineError, match="there is no exporter 'nothing"):
        async with device("nothing.yaml"):
            pass
    async with device(bench) as dut:
        with pytest.raises(PipelineError, match="offers no shell"):
            part(dut, Shell)
