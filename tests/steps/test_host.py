import signal
from pathlib import Path

import pytest

from flowrunner.errors import BenchError, ExpectationError
from flowrunner.model import Size
from flowrunner_drivers.shell.command import CommandShell
from flowrunner_steps.host import Host
from tests.support.bench import execute
from tests.support.context import RecordingContext
from tests.support.devices import device
from tests.support.exporters import exporter, running, served
from tests.support.flow import Workplace, end
from tests.support.processes import ended


def context(folder: Path, **methods: object) -> RecordingContext:
    return RecordingContext(folder, device(tools=CommandShell.make({"methods": methods})))


@pytest.mark.anyio
async def test_gives_both_outputs_and_shows_them_as_they_come(tmp_path: Path) -> None:
    it = context(tmp_path, tell='echo "$1 $WHO"; echo oops >&2')
    outputs = await Host(method="tell", args=["a b"], env={"WHO": "me"}).run(it)
    assert (outputs.stdout, outputs.stderr, outputs.exit) == ("a b me", "oops", 0)
    assert (it.told.stdout, it.told.stderr) == (b"a b me\n", b"oops\n")


@pytest.mark.anyio
async def test_a_wrong_status_names_the_method_and_its_last_words(tmp_path: Path) -> None:
    it = context(tmp_path, relay="echo no such relay >&2; exit 4", killed="kill -9 $$")
    with pytest.raises(ExpectationError, match="the method 'relay' exited 4") as caught:
        await Host(method="relay").run(it)
    assert caught.value.said == "no such relay"
    assert (await Host(method="relay", expect_exit=[0, 4]).run(it)).exit == 4
    with pytest.raises(ExpectationError, match="the method 'killed' was ended by SIGKILL"):
        await Host(method="killed").run(it)
    assert (await Host(method="killed", expect_exit=137).run(it)).exit == 137


@pytest.mark.anyio
async def test_json_lines_and_bytes_are_read(tmp_path: Path) -> None:
    it = context(tmp_path, climate="echo '{\"t\": 21.5}'", list="printf 'a\\n\\nb\\n'", bytes="printf '\\377\\000'")
    assert (await Host(method="climate", parse="json").run(it)).parsed == {"t": 21.5}
    assert (await Host(method="list", parse="lines").run(it)).parsed == ["a", "b"]
    assert (await Host(method="bytes").run(it)).stdout == "\\xff\x00"
    with pytest.raises(ExpectationError, match="is not JSON"):
        await Host(method="list", parse="json").run(it)
    with pytest.raises(ExpectationError, match="printed more than 4B") as caught:
        await Host(method="climate", parse="json", limit=Size(4)).run(it)
    assert caught.value.help == "raise limit"


@pytest.mark.anyio
async def test_what_the_owner_did_not_configure_cannot_be_run(tmp_path: Path) -> None:
    with pytest.raises(BenchError, match="the exporter has no method 'tempratur'") as caught:
        await Host(method="tempratur").run(context(tmp_path, temperature="true"))
    assert (caught.value.blame, caught.value.help) == ("config", "did you mean 'temperature'?")
    with pytest.raises(BenchError, match="may not set the variable 'LD_PRELOAD'"):
        await Host(method="x", env={"LD_PRELOAD": "/tmp/x.so"}).run(context(tmp_path, x="true"))


PIPELINE = """
flow: 1
name: hosted
secrets: {token: {required: true}}
devices: {dut: board=any}
steps:
  - id: tell
    host: {method: tell, args: ["${{ run.id }}"], env: {TOKEN: "${{ secrets.token }}"}}
  - assert: ${{ steps.tell.outputs.stdout == run.id }}
  - id: hang
    host: hang
    timeout: 1s
finally:
  - host: bye
"""


@pytest.mark.anyio
async def test_a_secret_does_not_get_into_the_journal_and_a_timeout_ends_all_that_ran(tmp_path: Path) -> None:
    (tmp_path / "bench.yaml").write_text(
        "export:\n  tools:\n    type: shell.command\n    config:\n      methods:\n"
        '        tell: \'echo "$1"; printf %.4s "$TOKEN" >&2; sleep 0.1; printf %s "${TOKEN#????}" >&2\'\n'
        f"        hang: 'sleep 60 & echo $! $$ > {tmp_path}/pids; wait'\n        bye: echo bye\n"
    )
    (tmp_path / "p.yaml").write_text(PIPELINE)

    async def work(unix: str, tcp: str) -> None:
        done = await running(tmp_path / "p.yaml", tmp_path, exporters=[unix], FLOW_SECRET_TOKEN="opensesame")
        assert done.outcome == "failed"
        assert done.record("hang")["cause"] == "timeout"
        assert done.record("finally.host1")["outcome"] == "passed"
        assert not any(b"opensesame" in content for content in done.files().values())
        assert any("***" in event["text"] for event in done.of("output"))

    await served(tmp_path / "bench.yaml", tmp_path, work)
    assert all(ended(int(pid)) for pid in (tmp_path / "pids").read_text().split())


def test_a_killed_runner_leaves_no_method_running_on_the_exporter(tmp_path: Path) -> None:
    place = Workplace(tmp_path)
    (tmp_path / "bench.yaml").write_text(
        "export:\n  tools:\n    type: shell.command\n    config:\n      methods:\n"
        f"        hang: 'sleep 60 & echo $! $$ > {tmp_path}/pids; echo up; wait'\n"
    )
    place.write("steps:\n  - {id: hang, host: hang}\n")
    with exporter(tmp_path / "bench.yaml", tmp_path) as served_:
        process = place.start("run", "p.yaml", "--exporter", served_.unix)
        place.wait_for("output")
        process.send_signal(signal.SIGKILL)
        process.communicate(timeout=30)
        pids = (tmp_path / "pids").read_text().split()
        assert all(ended(int(pid), within=30) for pid in pids)


def test_ctrl_c_ends_the_method_on_the_host(tmp_path: Path) -> None:
    place = Workplace(tmp_path)
    (tmp_path / "lab.yaml").write_text(
        "exporters:\n  lamp:\n    labels: {board: lamp}\n    export:\n      tools: {type: shell.command, config: "
        f"{{methods: {{hang: 'sleep 60 & echo $! $$ > {tmp_path}/pids; echo up; wait'}}}}}}\n"
    )
    place.write("steps:\n  - {id: hang, host: hang}\n")
    process = place.start("run", "p.yaml")
    place.wait_for("output")
    assert end(process, signal.SIGINT)[0] == 4
    assert all(ended(int(pid)) for pid in (tmp_path / "pids").read_text().split())


def test_an_unknown_method_is_told_with_those_that_there_are(tmp_path: Path) -> None:
    done = execute(
        tmp_path, "devices: {dut: board=any}\nsteps: [{host: relais}]\n",
        export="{tools: {type: shell.command, config: {methods: {relay: 'true'}}}}",
    )  # fmt: skip
    assert (done.outcome, done.finished.result.blame) == ("errored", "config")
    assert done.finished.result.message == "dut.tools: the exporter has no method 'relais'"
