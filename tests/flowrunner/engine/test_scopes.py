"""Scopes with consoles, watches and background commands, from pipeline text to journal."""

from pathlib import Path

import pytest

from tests.support.bench import execute

HEAD = "devices: {dut: board=any}\n"


def test_a_watch_ends_the_run_and_the_trace_is_complete(tmp_path: Path) -> None:
    script = "echo booting; sleep 0.2; echo Kernel panic - not syncing: bad; sleep 0.1; echo end of trace; sleep 9"
    export = f"{{console: {{type: console.process, config: {{command: ['bash', '-c', '{script}']}}}}}}"
    pipeline = HEAD + (
        "watch: [{pattern: 'Kernel panic - (?P<why>.+)', outcome: failed, grace: 400ms}]\n"
        "steps:\n  - {id: wait, expect: {prompt: 'login: ', within: 8s}}\nfinally:\n  - log: bye\n"
    )
    done = execute(tmp_path, pipeline, export=export)
    assert done.outcome == "failed"
    assert done.finished.result.cause == "watch"
    assert "Kernel panic" in str(done.finished.result.message)
    assert done.record("wait")["outcome"] == "canceled"
    assert done.record("finally.log1")["outcome"] == "passed"
    assert b"end of trace" in done.files()["dut.console.log"]


def test_output_between_two_steps_is_matched(tmp_path: Path) -> None:
    pipeline = HEAD + (
        "steps:\n  - power: on\n  - wait: 500ms\n  - expect: {pattern: 'U-Boot', within: 1s}\n  - expect: 'login: '\n"
    )
    assert execute(tmp_path, pipeline).outcome == "passed"


def test_a_background_command_is_up_before_the_next_step_and_ends_with_its_scope(tmp_path: Path) -> None:
    pipeline = (
        "steps:\n"
        '  - id: server\n    background: {run: "touch up; echo ready; sleep 60", ready: {pattern: ^ready$, within: 5s}}\n'
        "  - run: test -e up\n"
    )
    done = execute(tmp_path, pipeline)
    assert done.outcome == "passed", done.finished.result
    assert done.record("server")["outcome"] == "passed"
    assert done.of("run.finished")[0]["seconds"] < 10


def test_a_background_command_that_ends_before_it_is_ready_is_the_labs_fault(tmp_path: Path) -> None:
    pipeline = "steps:\n  - background: {run: 'echo no; false', ready: {pattern: ready, within: 5s}}\n  - log: never\n"
    done = execute(tmp_path, pipeline)
    assert (done.outcome, done.finished.result.blame) == ("errored", "infra")
    assert "ended before it was ready" in str(done.finished.result.message)


def test_outputs_of_a_loop_are_lists_in_order(tmp_path: Path) -> None:
    pipeline = (
        "steps:\n  - foreach: [b, a, c]\n    group:\n      - id: say\n        run: echo ${{ loop.item }}\n"
        "  - assert: ${{ steps.say.outputs.stdout | map('trim') | list == ['b', 'a', 'c'] }}\n"
    )
    assert execute(tmp_path, pipeline).outcome == "passed"


def test_an_if_that_is_no_boolean_is_an_error_and_not_a_skip(tmp_path: Path) -> None:
    pipeline = (
        "steps:\n  - {id: x, run: 'echo 1'}\n  - {id: y, if: \"${{ steps.x.outputs.stdout | fromjson }}\", log: a}\n"
    )
    done = execute(tmp_path, pipeline)
    assert (done.outcome, done.finished.result.blame) == ("errored", "config")
    assert "if needs true or false" in done.record("y")["message"]


def test_outputs_of_a_step_that_did_not_run_are_not_there(tmp_path: Path) -> None:
    pipeline = 'steps:\n  - {id: x, if: "${{ 1 > 2 }}", run: echo}\n  - log: ${{ steps.x.outputs.stdout }}\n'
    done = execute(tmp_path, pipeline)
    assert (done.outcome, done.finished.result.blame) == ("errored", "config")
    assert "'outputs'" in done.record("log2")["message"]


@pytest.mark.parametrize("secret", ["p+ss.w0rd", 'x(y"z\\w', "pässwört&<>", "two\nlines'here"])
def test_no_secret_reaches_any_file(tmp_path: Path, secret: str) -> None:
    pipeline = HEAD + (
        "secrets: {token: {}}\nsteps:\n  - power: on\n  - expect: 'login: '\n"
        '  - send: {text: "${{ secrets.token }}", secret: true}\n  - wait: 200ms\n'
        '  - run:\n      command: printf %s "$T"; printf %s "$T" | base64 -w0; printf %s "$T" >kept; echo; env | sed \'s/^/e /\'\n'
        '      env: {T: "${{ secrets.token }}"}\n'
        '  - artifact: kept\n  - run: {command: \'echo "$T" >&2; false\', env: {T: "${{ secrets.token }}"}}\n'
    )
    done = execute(tmp_path, pipeline, FLOW_SECRET_TOKEN=secret)
    assert done.outcome == "failed"
    from flowrunner.report.writer import write_reports

    write_reports(done.finished.folder)
    for name, data in done.files().items():
        for line in secret.split("\n"):
            if len(line) >= 6:
                assert line.encode() not in data, name
        assert secret.encode() not in data, name
