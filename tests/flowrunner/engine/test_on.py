"""A step for several devices, from its text to the journal."""

from pathlib import Path

from tests.support.bench import Done, execute

LAB = """
exporters:
  left: {labels: {side: left}, export: {power: {type: power.command, config: COMMANDS}}}
  right: {labels: {side: right}, export: {power: {type: power.virtual}, fan: {type: power.virtual}}}
"""
HEAD = "devices: {left: side=left, right: side=right}\n"


def ran(folder: Path, steps: str, *, on: str = "true") -> Done:
    commands = f"{{'on': '{on}', 'off': 'true'}}"
    return execute(folder, HEAD + steps, lab=LAB.replace("COMMANDS", commands))


def test_outputs_are_there_by_device_when_all_passed(tmp_path: Path) -> None:
    done = ran(
        tmp_path,
        "steps:\n  - {id: up, power: on, on: [left, right.power]}\n"
        "  - {id: idle, power: {action: read}, on: [right.fan, right.power]}\n"
        "  - assert: ${{ steps.up.outputs.at['left'] <= steps.up.outputs.at['right.power'] }}\n"
        "  - assert: ${{ steps.idle.outputs.readings['right.power'][0].voltage > 0 }}\n"
        "  - assert: ${{ steps.idle.outputs.readings['right.fan'][0].voltage == 0 }}\n"
        "  - {id: often, power: {action: read}, on: {together: [left, right.fan]}, foreach: [1, 2], if: false}\n"
        "  - {id: twice, power: off, on: [left, right.fan], foreach: [1, 2]}\n"
        "  - assert: ${{ steps.twice.outputs.at[0].left < steps.twice.outputs.at[1]['right.fan'] }}\n",
    )
    assert done.outcome == "passed", done.finished.result
    assert list(done.record("up")["outputs"]["at"]) == ["left", "right.power"]


def test_one_after_the_other_stops_at_the_first_that_fails_unless_it_is_to_go_on(tmp_path: Path) -> None:
    done = ran(tmp_path, "steps:\n  - {id: up, power: on, on: [left, right.power]}\n", on="false")
    assert done.outcome == "errored"
    assert done.record("up.left")["outcome"] == "errored"
    assert done.record("up.right_power")["outcome"] == "skipped"
    assert done.finished.result.path == "up.left"
    assert "left.power" in str(done.finished.result.message)
    on = ran(tmp_path, "steps:\n  - {id: up, power: on, on: [left, right.power], on_failure: continue}\n", on="false")
    assert (on.outcome, on.record("up.right_power")["outcome"]) == ("errored", "passed")


def test_at_once_all_come_to_their_end(tmp_path: Path) -> None:
    meet = f"touch {tmp_path}/left; false"
    done = ran(tmp_path, "steps:\n  - {id: up, power: on, on: {together: [left, right.power]}}\n", on=meet)
    assert done.outcome == "errored"
    assert done.record("up.right_power")["outcome"] == "passed"
    assert done.finished.result.path == "up.left.power1"
    names = {event["path"]: event["name"] for event in done.of("step.started")}
    assert names["up.left.power1"] == "power on on left"


def test_at_once_takes_as_long_as_the_slowest(tmp_path: Path) -> None:
    lab = "exporters:\n" + "".join(
        f"  {name}: {{labels: {{side: {name}}}, export: {{power: {{type: power.command, config: "
        f"{{'on': 'touch {tmp_path}/{name}; until [ -e {tmp_path}/{other} ]; do sleep 0.01; done', 'off': 'true'}}}}}}}}\n"
        for name, other in (("left", "right"), ("right", "left"))
    )
    body = HEAD + "steps:\n  - {power: on, on: {together: [left, right]}, timeout: 20s}\n"
    done = execute(tmp_path, body, lab=lab)
    assert done.outcome == "passed", "each waits for the other"


def test_members_of_a_role_with_a_count_are_devices_of_their_own(tmp_path: Path) -> None:
    lab = "exporters:\n" + "".join(
        f"  {name}: {{labels: {{board: x}}, export: {{power: {{type: power.virtual}}}}}}\n" for name in ("a", "b", "c")
    )
    text = (
        "devices: {node: {selector: board=x, count: 3}}\nsteps:\n  - {power: on, on: {together: [node]}}\n"
        "  - {id: draw, power: {action: read}, on: node}\n"
        "  - assert: ${{ steps.draw.outputs.readings.node3[0].voltage > 0 }}\n"
        "  - {id: names, log: '${{ devices.node1.name }}${{ devices.node2.name }}${{ devices.node3.name }}'}\n"
    )
    done = execute(tmp_path, text, lab=lab)
    assert done.outcome == "passed", done.finished.result
    (named,) = [event["message"] for event in done.events if event["event"] == "log"]
    assert sorted(named) == ["a", "b", "c"], "each has one of its own"
    assert sorted(event["role"] for event in done.events if event["event"] == "lease.released") == [
        "node1",
        "node2",
        "node3",
    ]
