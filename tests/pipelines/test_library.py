"""The templates that are shipped: each of them, called on a virtual board."""

import shutil
from pathlib import Path

import pytest

from flowrunner.source import Mapping, load
from tests.support.bench import Done, execute

PIPELINES = Path(__file__).parents[2] / "pipelines"
LIBRARY = PIPELINES / "lib"

HEAD = "include: {boot: lib/boot.yaml, linux: lib/linux.yaml}\ndevices: {board: board=any}\nsteps:\n"
UP = "  - {call: boot.to_prompt, with: {off_for: 10ms, within: 10s}}\n"
IN = UP + "  - call: linux.login\n"
BOARD = "{board: {type: machine.virtual, config: {boot_time: 20ms}}}"

STEPS = {
    "boot.to_prompt": UP.replace("- {", "- {id: up, ")
    + "  - assert: ${{ steps.up.outputs.took < ('10s' | duration) }}\n",
    "boot.flash": "  - {id: f, call: boot.flash, with: {image: lib/boot.yaml}}\n"
    "  - assert: ${{ steps.f.outputs.size > size('100B') }}\n",
    "boot.flash_and_boot": "  - {id: f, call: boot.flash_and_boot, with: {image: image.txt, off_for: 10ms}}\n"
    "  - call: linux.login\n  - {id: v, shell: cat /etc/version}\n"
    "  - assert: ${{ steps.v.outputs.stdout == 'mine 1.0' }}\n",
    "boot.reboots": "  - {id: r, call: boot.reboots, with: {count: 3, off_for: 10ms}}\n"
    "  - assert: ${{ steps.r.outputs.times | length == 3 and steps.r.outputs.slowest == steps.r.outputs.times | max }}\n",
    "linux.login": IN + "  - shell: 'true'\n",
    "linux.collect_logs": IN
    + "  - {call: linux.collect_logs, with: {commands: [echo one, 'false', no-such-command, echo two]}}\n",
    "linux.network_up": IN + "  - {call: linux.network_up, with: {interface: lo, within: 5s}}\n",
}


def run(folder: Path, steps: str, export: str = BOARD) -> Done:
    shutil.copytree(LIBRARY, folder / "lib")
    (folder / "image.txt").write_text("mine 1.0\n")
    return execute(folder, HEAD + steps, export=export)


def test_every_template_is_called_here() -> None:
    declared = set()
    for path in LIBRARY.glob("*.yaml"):
        root = load(path).root
        assert isinstance(root, Mapping)
        templates = root.get("templates")
        assert isinstance(templates, Mapping)
        declared |= {f"{path.stem}.{name}" for name, _ in templates.items()}
    assert declared == set(STEPS)


@pytest.mark.parametrize("template", STEPS)
def test_does_its_work_on_a_virtual_board(tmp_path: Path, template: str) -> None:
    done = run(tmp_path, STEPS[template])
    assert done.outcome == "passed", done.finished.result


def test_logs_are_kept_as_files(tmp_path: Path) -> None:
    done = run(tmp_path, STEPS["linux.collect_logs"])
    files = {name: data for name, data in done.files().items() if name.startswith("artifacts/log-")}
    assert sorted(files) == [f"artifacts/log-{number}.txt" for number in (1, 2, 3, 4)]
    assert (files["artifacts/log-1.txt"].strip(), files["artifacts/log-4.txt"].strip()) == (b"one", b"two")


@pytest.mark.parametrize(("boots", "why"), [("panic", "was printed before"), ("hang", "not seen within 500ms")])
def test_a_board_that_does_not_come_up_is_a_failure_of_the_product(tmp_path: Path, boots: str, why: str) -> None:
    export = f"{{board: {{type: machine.virtual, config: {{boot_time: 20ms, boots: [ok, {boots}]}}}}}}"
    done = run(tmp_path, "  - {call: boot.reboots, with: {count: 3, within: 500ms, off_for: 10ms}}\n", export)
    assert done.outcome == "failed"
    assert why in str(done.finished.result.message)
    assert done.finished.result.path == "call1.boot[1].up.seen"


def test_the_reboot_test_runs_on_the_virtual_board_of_the_repository(tmp_path: Path) -> None:
    shutil.copytree(LIBRARY, tmp_path / "lib")
    text = (PIPELINES / "reboot-test.yaml").read_text().replace("flow: 1\nname: reboot-test\n", "")
    text = text.replace('selector: "board=${{ inputs.board }}"', "selector: board=any")
    done = execute(tmp_path, text, export=BOARD)
    assert done.outcome == "passed", done.finished.result
    assert done.of("outputs")[0]["values"]["boots"] == 3
