"""Calls of templates, from pipeline text to journal."""

from pathlib import Path

from tests.support.bench import execute

HEAD = "devices: {board: board=any}\n"


def test_a_template_works_on_the_callers_device_with_the_callers_values(tmp_path: Path) -> None:
    pipeline = HEAD + (
        "inputs: {budget: {type: duration, default: 5s}}\n"
        "templates:\n"
        "  boot:\n"
        "    devices: {dut: {requires: [power, console]}}\n"
        "    inputs: {within: {type: duration}}\n"
        "    steps:\n"
        "      - id: up\n        power: on\n"
        "      - id: seen\n        expect: {prompt: 'login: ', within: '${{ inputs.within }}'}\n"
        "      - log: on ${{ devices.dut.name }}\n"
        "    outputs: {took: '${{ steps.seen.outputs.at - steps.up.outputs.at }}'}\n"
        "steps:\n"
        "  - {id: boot, call: boot, with: {within: '${{ inputs.budget }}'}}\n"
        "  - assert: ${{ steps.boot.outputs.took > ('0s' | duration) }}\n"
    )
    done = execute(tmp_path, pipeline)
    assert done.outcome == "passed", done.finished.result
    assert [event["path"] for event in done.of("step.started")] == [
        "boot", "boot.up", "boot.seen", "boot.log3", "assert2",
    ]  # fmt: skip
    assert done.of("log")[0]["message"] == "on board"


def test_attempts_and_iterations_of_a_call_have_paths_of_their_own(tmp_path: Path) -> None:
    pipeline = (
        "templates:\n"
        "  try:\n    inputs: {n: {type: int}}\n    steps: [{id: go, run: 'test ${{ inputs.n }} = 2'}]\n"
        "    outputs: {n: '${{ inputs.n }}'}\n"
        "steps:\n"
        "  - id: loop\n    call: try\n    with: {n: '${{ loop.item }}'}\n    foreach: [2, 2]\n"
        "  - id: again\n    call: try\n    with: {n: '${{ attempt }}'}\n    retry: {attempts: 2, on: [failed]}\n"
        "  - assert: ${{ steps.loop.outputs.n == [2, 2] and steps.again.outputs.n == 2 }}\n"
    )
    done = execute(tmp_path, pipeline)
    assert done.outcome == "passed", done.finished.result
    assert [event["path"] for event in done.of("step.finished") if event["path"].endswith(".go")] == [
        "loop[0].go", "loop[1].go", "again#1.go", "again#2.go",
    ]  # fmt: skip


def test_ids_of_a_template_are_not_those_of_its_caller(tmp_path: Path) -> None:
    pipeline = (
        "templates:\n  t: {steps: [{id: same, run: echo inner}]}\n"
        "steps:\n"
        "  - {id: same, run: echo outer}\n"
        "  - {call: t}\n"
        "  - {call: t, if: false}\n"
        "  - {call: t, foreach: [1, 2]}\n"
        "  - assert: ${{ steps.same.outputs.stdout | trim == 'outer' }}\n"
    )
    done = execute(tmp_path, pipeline)
    assert done.outcome == "passed", done.finished.result


def test_a_failure_inside_is_that_of_the_call_and_its_place_is_in_the_template(tmp_path: Path) -> None:
    (tmp_path / "lib.yaml").write_text("flow: 1\ntemplates:\n  t:\n    steps:\n      - run: exit 1\n")
    done = execute(tmp_path, "include: {lib: lib.yaml}\nsteps:\n  - {id: here, call: lib.t}\n  - log: never\n")
    assert done.outcome == "failed"
    assert (done.record("here")["outcome"], done.record("here")["because"]) == ("failed", "here.run1")
    where = done.finished.result.where
    assert where
    assert where.file == str(tmp_path / "lib.yaml")
    assert done.of("run.finished")[0]["cause"]["path"] == "here.run1"


def test_a_secret_stays_one_inside_a_template(tmp_path: Path) -> None:
    pipeline = (
        "secrets: {token: {}}\n"
        "templates:\n"
        "  t:\n    inputs: {token: {type: secret}}\n"
        "    steps:\n      - id: say\n        run: {command: 'echo $TOKEN', env: {TOKEN: '${{ inputs.token }}'}}\n"
        "steps:\n  - {call: t, with: {token: '${{ secrets.token }}'}}\n"
    )
    done = execute(tmp_path, pipeline, FLOW_SECRET_TOKEN="s3cret-value")
    assert done.outcome == "passed", done.finished.result
    assert not [name for name, data in done.files().items() if b"s3cret-value" in data]


def test_relative_paths_of_a_template_start_beside_it(tmp_path: Path) -> None:
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib" / "t.yaml").write_text(
        "flow: 1\ntemplates:\n  t:\n    inputs: {given: {type: file}, own: {type: file, default: own.txt}}\n"
        "    steps:\n      - id: here\n        run: cat own.txt ${{ inputs.given }} ${{ inputs.own }}\n"
        "    outputs: {all: '${{ steps.here.outputs.stdout }}'}\n"
    )
    (tmp_path / "lib" / "own.txt").write_text("own ")
    (tmp_path / "mine.txt").write_text("mine ")
    pipeline = (
        "include: {t: lib/t.yaml}\nsteps:\n  - {id: a, call: t.t, with: {given: mine.txt}}\n"
        "  - {id: b, call: t.t, with: {given: '${{ run.dir }}/../../mine.txt'}}\n"
        "  - assert: ${{ steps.a.outputs.all == 'own mine own ' and steps.b.outputs.all == 'own mine own ' }}\n"
    )
    done = execute(tmp_path, pipeline)
    assert done.outcome == "passed", done.finished.result


def test_a_value_that_does_not_fit_is_an_error_of_the_caller(tmp_path: Path) -> None:
    pipeline = (
        "templates:\n  t: {inputs: {n: {choices: [a, b]}}, steps: [{log: hello}]}\n"
        "steps:\n  - {id: word, run: echo c}\n"
        "  - {id: bad, call: t, with: {n: '${{ steps.word.outputs.stdout | trim }}'}}\n"
    )
    done = execute(tmp_path, pipeline)
    assert (done.outcome, done.finished.result.blame) == ("errored", "config")
    assert "is one of a, b; got 'c'" in str(done.finished.result.message)
    assert done.record("bad")["where"]["line"] == 7
