"""Two runs side by side."""

import json
from pathlib import Path

import pytest

from flowrunner.report.compare import compare, unified, unvarying
from flowrunner.report.compared import data, lines
from tests.support.flow import Workplace
from tests.support.replays import record

BOOT = """
steps:
  - id: on
    power: on
  - id: up
    expect: {prompt: "login: ", within: 5s}
  - measure: {name: level, value: 3 V, unit: V, limits: {max: 4}}
"""


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("[    1.234567] usb 1-1: new device", "[   12.000001] usb 1-1: new device"),
        ("RIP: 0xffffffff81001234", "RIP: 0xdeadbeef"),
        ("took 4.1 s on 2026-11-23", "took 17.25 s on 2027-01-02"),
        ("eth0: 52:54:00:12:34:56", "eth0: 52:54:00:ab:cd:ef"),
        ("root=6f1b8f1e-0c0a-4f0e-9a55-0123456789ab", "root=00000000-1111-2222-3333-444444444444"),
    ],
)
def test_what_is_another_in_each_run_is_no_difference(one: str, other: str) -> None:
    assert unvarying(one) == unvarying(other)


def test_words_are_a_difference() -> None:
    assert unvarying("usb 1-1: new device") != unvarying("usb 1-1: lost device")
    assert list(unified(["a", "same 1", "b"], ["a", "same 2", "c"])) == ["@@ -1,3 +1,3 @@", " a", " same 2", "-b", "+c"]


def test_the_same_pipeline_twice_is_the_same(tmp_path: Path) -> None:
    first, second = record(tmp_path, BOOT).folder, record(tmp_path, BOOT).folder
    found = compare(first, second)
    assert not found.different
    assert "no difference but in times, numbers and addresses" in "\n".join(lines(found))


def test_steps_verdicts_and_consoles_that_differ_are_told(tmp_path: Path) -> None:
    first = record(tmp_path, BOOT).folder
    changed = BOOT.replace("max: 4", "max: 2").replace("power: on", "log: on").replace("within: 5s", "within: 50ms")
    second = record(tmp_path, changed + "  - log: more\n").folder
    found = compare(first, second)
    assert found.different
    steps = {one.path: (one.before, one.after) for one in found.steps}
    assert steps["up"] == ("passed", "failed")
    assert steps["log4"] == (None, "skipped")
    assert [console.name for console in found.consoles] == ["dut.board.console"]
    said = "\n".join(lines(found))
    assert "up: passed -> failed   prompt not seen within 50ms" in said
    assert "log4: not there -> skipped" in said
    assert "-virtual login:" in said
    assert json.loads(json.dumps(data(found)))["steps"][0]["path"] == "up"


def test_a_verdict_that_changed_is_a_difference_and_a_value_is_not(tmp_path: Path) -> None:
    first = record(tmp_path, BOOT).folder
    other = compare(first, record(tmp_path, BOOT.replace("3 V", "3.5 V")).folder)
    assert not other.different
    assert "level: 3 -> 3.5 V  (+17 %)" in "\n".join(lines(other))
    worse = compare(first, record(tmp_path, BOOT.replace("max: 4", "max: 2")).folder)
    assert worse.different
    assert "passed -> failed" in "\n".join(lines(worse))


def test_the_exit_status_is_that_of_diff(tmp_path: Path) -> None:
    place = Workplace(tmp_path)
    place.write("steps:\n  - run: echo hello\n")
    assert place.flow("run", "p.yaml").returncode == 0
    first = (tmp_path / "runs/last").resolve().name
    assert place.flow("run", "p.yaml").returncode == 0
    assert place.flow("diff", first, "last").returncode == 0
    place.write("steps:\n  - run: 'false'\n")
    assert place.flow("run", "p.yaml").returncode == 1
    done = place.flow("diff", first, "last", "--json")
    assert done.returncode == 1
    assert json.loads(done.stdout)["steps"][0]["after"] == "failed"
    lost = place.flow("diff", first, "never")
    assert lost.returncode == 2
    assert b"no run 'never'" in lost.stderr
