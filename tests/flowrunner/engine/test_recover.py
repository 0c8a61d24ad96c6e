"""What recovery does behind a run that was killed while several jobs held a device under the same role."""

from __future__ import annotations

from pathlib import Path

import anyio

from flowrunner.engine.lines import read
from flowrunner.engine.recover import recover
from tests.support.engine_kit import VirtualLab, act, execute, job, jobs


def test_the_device_of_each_job_is_made_safe(tmp_path: Path) -> None:
    made = [job(name, act(f"{name}.s", takes=5, device="dut", turn="on"), devices=["dut"]) for name in "ab"]
    ran = execute(jobs(*made), tmp_path)
    folder = ran.finished.folder
    lines = (folder / "journal.jsonl").read_bytes().splitlines(keepends=True)
    held = max(event["n"] for event in ran.of("lease.acquired"))
    (folder / "journal.jsonl").write_bytes(b"".join(lines[: held + 1]))
    lab = VirtualLab()

    recovery = anyio.run(recover, folder, lab)
    assert recovery.failed == []
    assert recovery.done == ["drove dut.power: off", "drove dut.power: off"]
    assert [call for _, call in lab.power["dut"].done] == ["off", "off"]
    events = read(folder / "journal.jsonl")
    assert sorted(e["job"] for e in events if e["event"] == "lease.released") == ["a", "b"]
    assert events[-1]["event"] == "run.finished"
    assert anyio.run(recover, folder, lab).done == [], "doing it again changes nothing"
