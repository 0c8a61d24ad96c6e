"""What drivers log reaches the run that uses them, with its source."""

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import pytest

from flowrunner.engine.lab import DeviceLog
from flowrunner.interfaces.power import Power
from flowrunner.report.plain import PlainLines
from tests.flowrunner.lab.test_static import Make, lease, request
from tests.support.bench import execute

pytestmark = pytest.mark.usefixtures("events")

VERBOSE = "exporters: {one: {labels: {n: one}, export: {power: {type: acme/verbose}}}, two: {labels: {n: two}, export: {p: {type: acme/verbose}}}}"


@pytest.fixture(autouse=True)
def root() -> Iterator[None]:
    """The root logger is left as it was."""
    before = (logging.getLogger().level, list(logging.getLogger().handlers))
    yield
    assert (logging.getLogger().level, list(logging.getLogger().handlers)) == before


@pytest.mark.anyio
async def test_each_line_comes_with_its_driver_and_the_call(lab: Make) -> None:
    lines: list[DeviceLog] = []
    async with lease(lab(VERBOSE), request("a", "n=one"), request("b", "n=two"), on_log=lines.append) as leases:
        power = cast("Power", leases["a"].device.at("power").client)
        logging.getLogger("elsewhere").info("not a driver's")
        await power.on()
        await power.off()
        async for _ in power.read():
            logging.getLogger("elsewhere").info("between two answers it is not the driver that works")
        await cast("Power", leases["b"].device.at("p").client).off()
    said = [(line.driver, line.call, line.level, line.message) for line in lines]
    assert said[0] == ("a.power", "open", "info", "opening")
    assert said[1] == ("b.p", "open", "info", "opening")
    assert set(said[2:5]) == {
        ("a.power", "on", "warning", "the relay is old"),
        ("a.power", "on", "error", "from a thread"),
        ("a.power", "open", "warning", "worked in the background"),
    }
    wrong = "it does not go off: OSError: [Errno 5] Input/output error"
    assert said[5:] == [
        ("a.power", "off", "error", wrong),
        ("a.power", "read", "info", "before the first"),
        ("a.power", "read", "info", "before the second"),
        ("b.p", "off", "error", wrong),
        ("b.p", "open", "info", "closing"),
        ("a.power", "open", "info", "closing"),
    ]
    assert {(line.role, line.source) for line in lines} == {("a", "driver"), ("b", "driver")}


PIPELINE = """
devices: {dut: board=any}
secrets: {pin: {}}
steps:
  - power: on
  - run: {command: "true", env: {PIN: "${{ secrets.pin }}"}}
finally:
  - power: off
"""


def test_they_are_in_the_journal_and_warnings_are_shown(tmp_path: Path) -> None:
    export = "{power: {type: acme/verbose}}"
    done = execute(tmp_path, PIPELINE, export=export, FLOW_SECRET_PIN="from a thread")
    logs = done.of("device.log")
    assert (
        logs[0].items()
        >= {"role": "dut", "source": "driver", "driver": "dut.power", "call": "open", "level": "info"}.items()
    )
    assert {"level": "error", "message": "***"}.items() <= next(e for e in logs if e["level"] == "error").items()
    shown: list[str] = []
    listener = PlainLines(shown.append)
    for event in done.events:
        listener(event)
    text = "".join(shown)
    assert "warning  dut.power: the relay is old" in text
    assert "error    dut.power: it does not go off: OSError" in text
    assert "opening" not in text


def test_what_nobody_listens_to_is_printed_as_python_does(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logging.getLogger(), "handlers", [])
    pipeline = "\ndevices: {dut: board=any}\nsteps:\n  - power: on\n"
    monkeypatch.setattr("acme_drivers.verbose.Verbose.on", _complain)
    execute(tmp_path, pipeline, export="{power: {type: acme/verbose}}")
    assert capsys.readouterr().err == "somebody else's\n"


async def _complain(self: object) -> None:
    import contextvars

    contextvars.Context().run(logging.getLogger("elsewhere").warning, "somebody else's")
