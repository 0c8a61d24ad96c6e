"""Recording a run and running pipelines against it: what is the same, and where it differs."""

import json
import re
import shutil
from pathlib import Path

import pytest

from flowrunner.engine.lines import read
from flowrunner.errors import BenchError, PipelineErrors
from flowrunner.pipeline.compiler import compile
from flowrunner.replay import store
from flowrunner.replay.again import environment_of, origin, pipeline_of
from flowrunner.replay.play import Player
from flowrunner.replay.tape import Tape
from tests.support.exporters import exporter
from tests.support.replays import BOARD, HEAD, events, record, replay, timeless

BOOT = """
steps:
  - id: on
    power: cycle
  - id: up
    expect: {prompt: "login: ", within: 5s}
  - login: root
  - id: version
    shell: echo 7
  - measure: {name: boot, value: "${{ steps.up.outputs.at - steps.on.outputs.at }}", unit: s}
  - id: built
    run: echo done > made; echo it is built
finally:
  - power: off
"""


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run of BOOT."""
    folder = tmp_path_factory.mktemp("recorded")
    finished = record(folder, BOOT)
    assert finished.exit == 0, finished.result.message
    return finished.folder


def test_a_replay_measures_the_very_same_values(recorded: Path, tmp_path: Path) -> None:
    played = replay(recorded.parent.parent, recorded)
    assert timeless(played.finished.folder) == timeless(recorded)
    assert read(played.finished.folder / "journal.jsonl")[0]["replay"]["run"] == recorded.name


def test_a_replay_does_nothing_outside(recorded: Path) -> None:
    made = recorded.parent.parent / "made"
    made.unlink(missing_ok=True)
    played = replay(recorded.parent.parent, recorded)
    assert played.finished.exit == 0
    assert not made.exists()


def test_consoles_are_not_kept_twice(recorded: Path) -> None:
    recording = (recorded / store.FILE).read_text()
    assert "virtual login" not in recording
    assert '"method":"connect"' in recording


def test_a_new_check_sees_what_the_device_said_then(recorded: Path, tmp_path: Path) -> None:
    more = BOOT.replace("finally:", "  - assert: ${{ steps.version.outputs.stdout == '8' }}\nfinally:")
    played = replay(tmp_path, recorded, more)
    assert played.divergence is None
    assert played.finished.exit == 1


def test_an_expectation_that_fails_now_is_a_failure_and_no_divergence(recorded: Path, tmp_path: Path) -> None:
    played = replay(tmp_path, recorded, BOOT.replace('"login: "', '"never: "'))
    assert played.finished.exit == 1
    assert not played.unanswered
    assert played.astray == ("up", "failed", "passed")
    assert "prompt not seen within 5s" in str(played.finished.result.message)


def test_a_wait_more_moves_what_the_device_does_after_it(recorded: Path, tmp_path: Path) -> None:
    played = replay(tmp_path, recorded, BOOT.replace("steps:\n", "steps:\n  - wait: 1h\n", 1))
    assert played.finished.exit == 0
    assert played.seconds > 3600
    boot = next(e["value"] for e in events(played.finished.folder) if e["event"] == "measurement")
    then = next(e["value"] for e in events(recorded) if e["event"] == "measurement")
    assert boot == pytest.approx(then, abs=0.05)


def test_both_sides_of_a_divergence_are_shown(recorded: Path, tmp_path: Path) -> None:
    played = replay(tmp_path, recorded, BOOT.replace("shell: echo 7", "shell: echo 8"))
    assert played.unanswered
    found = played.divergence
    assert found is not None
    assert (found.path, found.then_path) == ("version", "version")
    assert "echo 8" in found.now
    assert "echo 7" in str(found.then)
    assert re.search(r"p\.yaml:\d+:5$", str(found.then_where))


def test_nothing_runs_behind_a_divergence(recorded: Path, tmp_path: Path) -> None:
    played = replay(tmp_path, recorded, BOOT.replace("power: cycle", "power: on"))
    outcomes = {e["path"]: e["outcome"] for e in events(played.finished.folder) if e["event"] == "step.finished"}
    assert outcomes.pop("on") == "errored"
    assert set(outcomes.values()) == {"skipped"}


def test_a_command_that_was_not_run_then_is_a_divergence(recorded: Path, tmp_path: Path) -> None:
    played = replay(tmp_path, recorded, BOOT.replace("echo it is built", "rm -rf /"))
    assert played.unanswered
    assert played.divergence is not None
    assert played.divergence.path == "built"


def test_what_waits_for_what_never_comes_ends_at_once(recorded: Path, tmp_path: Path) -> None:
    endless = BOOT.replace("  - login: root\n", "  - login: root\n  - wait: 1ms\n").replace(
        "shell: echo 7", "send: what"
    )
    played = replay(tmp_path, recorded, endless)
    assert played.unanswered


def test_a_step_less_at_the_end_is_told(recorded: Path, tmp_path: Path) -> None:
    played = replay(tmp_path, recorded, BOOT.replace("finally:\n  - power: off\n", ""))
    assert played.divergence is not None
    assert played.divergence.then_path == "finally.power1"
    assert "done with the device" in played.divergence.now


def test_a_device_that_was_not_there_cannot_be_replayed(recorded: Path, tmp_path: Path) -> None:
    head = HEAD.replace("dut", "ap")
    with pytest.raises(PipelineErrors, match="the recording has no device 'ap'"):
        replay(tmp_path, recorded, BOOT, head=head)


def test_the_beginning_of_a_run_that_was_killed_can_be_replayed(recorded: Path, tmp_path: Path) -> None:
    folder = tmp_path / "killed"
    folder.mkdir()
    for file in recorded.iterdir():
        if file.is_file():
            (folder / file.name).write_bytes(file.read_bytes())
    for name, share in (("journal.jsonl", 0.5), (store.FILE, 0.6)):
        data = (folder / name).read_bytes()
        (folder / name).write_bytes(data[: int(len(data) * share)])
    played = replay(tmp_path, folder, BOOT)
    assert played.divergence is not None
    done = [e["path"] for e in events(played.finished.folder) if e["event"] == "step.finished"]
    assert done[0] == "on"


@pytest.mark.machine
def test_a_run_through_an_exporter_is_replayed_as_well(tmp_path: Path) -> None:
    (tmp_path / "board.yaml").write_text(BOARD)
    with exporter(tmp_path / "board.yaml", tmp_path) as served:
        finished = record(tmp_path, BOOT, at=served.unix)
    assert finished.exit == 0, finished.result.message
    played = replay(tmp_path, finished.folder)
    assert timeless(played.finished.folder) == timeless(finished.folder)


def test_a_replay_holds_no_recording_of_its_own(recorded: Path, tmp_path: Path) -> None:
    played = replay(tmp_path, recorded, BOOT)
    with pytest.raises(BenchError, match="holds no recording"):
        Tape(played.finished.folder)


def test_no_secret_is_in_a_recording(tmp_path: Path) -> None:
    head = HEAD + "secrets: {word: {required: true}}\n"
    body = 'steps:\n  - run: {command: "echo $W", env: {W: "${{ secrets.word }}"}}\n'
    finished = record(tmp_path, body, head=head, secrets={"WORD": "s3cret-w0rd"})
    assert finished.exit == 0
    for file in finished.folder.rglob("*"):
        assert not file.is_file() or b"s3cret-w0rd" not in file.read_bytes()
    assert replay(tmp_path, finished.folder).finished.exit == 0


def test_large_answers_are_files_and_too_large_ones_sizes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    body = "steps:\n  - power: on\n  - capture: screen\n"
    monkeypatch.setattr(store, "INLINE", 100)
    whole = record(tmp_path, body)
    assert len(list((whole.folder / store.BLOBS).iterdir())) == 1
    assert replay(tmp_path, whole.folder).finished.exit == 0
    monkeypatch.setattr(store, "LARGEST", 200)
    small = record(tmp_path, body)
    lines = [json.loads(line) for line in (small.folder / store.FILE).read_text().splitlines()]
    assert any(line.get("kept") is False for line in lines)
    played = replay(tmp_path, small.folder)
    assert "the recording does not hold this answer" in str(played.finished.result.message)


def test_a_recording_has_a_limit_and_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "TOTAL", 1500)
    finished = record(tmp_path, "steps:\n  - power: on\n  - power: {action: read, count: 20, interval: 1ms}\n")
    assert finished.exit == 0
    logs = [e["message"] for e in events(finished.folder) if e["event"] == "log"]
    assert logs == [message for message in logs if "the recording ends here" in message]
    assert len(logs) == 1


def test_a_run_that_was_moved_brings_its_pipeline_along(tmp_path: Path) -> None:
    (tmp_path / "there/lib").mkdir(parents=True)
    (tmp_path / "there/lib/more.yaml").write_text("flow: 1\ntemplates: {greet: {steps: [{log: hello}]}}\n")
    body = "include: {more: lib/more.yaml}\nsteps:\n  - power: on\n  - call: more.greet\n"
    finished = record(tmp_path / "there", body)
    moved = tmp_path / "elsewhere"
    finished.folder.rename(moved)
    shutil.rmtree(tmp_path / "there")
    tape = Tape(moved)
    path = pipeline_of(tape, tmp_path / "texts")
    environment = environment_of(tape, {})
    compiled = compile(path, environment=environment)
    played = Player(tape, compiled.plan, compiled.secrets, tmp_path, environment=environment).play()
    assert played.finished.exit == 0
    assert timeless(played.finished.folder)[-1] == timeless(moved)[-1]


def test_to_replay_a_replay_is_to_replay_what_it_is_of(recorded: Path) -> None:
    played = replay(recorded.parent.parent, recorded)
    assert origin(played.finished.folder, recorded.parent) == recorded
    assert origin(recorded, recorded.parent) == recorded
