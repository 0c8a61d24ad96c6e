"""`flow` with an exporter that listens somewhere, as a person types it."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from flowrunner.cli.executing import argv
from flowrunner.engine.lines import Event, read
from tests.support.exporters import Exporter, exporter
from tests.support.flow import clean

BENCH = "{metadata: {name: lamp}, export: {power: {type: power.virtual, config: {state: %s}}}}"
PIPELINE = "flow: 1\nname: lamp\ndevices: {dut: {selector: ''}}\nsteps:\n  - power: on\n"
PHRASE = "hun22"
"""Too short to be masked wherever it turns up: it must not turn up."""


class Desk:
    """A folder in which `flow` is typed, and an exporter that asks for a passphrase."""

    def __init__(self, folder: Path, served: Exporter) -> None:
        self.folder, self.served = folder, served

    @property
    def lamp(self) -> str:
        return (self.folder / "lamp").read_text() if (self.folder / "lamp").exists() else "untouched"

    @property
    def last(self) -> Path:
        return self.folder / "runs" / "last"

    @property
    def journal(self) -> list[Event]:
        return read(self.last / "journal.jsonl") if (self.last / "journal.jsonl").exists() else []

    def start(self, *words: str, **environment: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "flowrunner", *words], cwd=self.folder, text=True, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            env={**clean(), "FLOW_LOCK_DIR": str(self.folder / "locks"), **environment},
        )  # fmt: skip

    def flow(self, *words: str, **environment: str) -> tuple[int, str]:
        process = self.start(*words, **environment)
        said, _ = process.communicate(timeout=60)
        return process.returncode, said

    def until(self, event: str, **fields: object) -> None:
        end = time.monotonic() + 20
        while not any(e["event"] == event and fields.items() <= e.items() for e in self.journal):
            assert time.monotonic() < end, f"no {event}"
            time.sleep(0.02)


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    folder = tmp_path_factory.mktemp("d")
    (folder / "bench.yaml").write_text(BENCH % (folder / "lamp"))
    (folder / "p.yaml").write_text(PIPELINE)
    with exporter(folder / "bench.yaml", folder, passphrase=PHRASE) as served:
        yield Desk(folder, served)


@pytest.mark.parametrize("words", [["--passphrase", PHRASE], []], ids=["option", "variable"])
def test_the_passphrase_is_sent_and_written_nowhere(desk: Desk, words: list[str]) -> None:
    environment = {} if words else {"JMP_GRPC_PASSPHRASE": PHRASE}
    status, said = desk.flow(
        "run", "p.yaml", "--exporter", f"dut={desk.served.tcp}", "--insecure", *words, **environment
    )
    assert status == 0, said
    files = [path for path in desk.last.rglob("*") if path.is_file()]
    assert len(files) > 4
    assert [path.name for path in files if PHRASE.encode() in path.read_bytes()] == []
    assert PHRASE not in said


def test_the_passphrase_is_left_out_of_the_command_line_however_it_is_written() -> None:
    assert argv(["run", "--passphrase", PHRASE, "-i", "a=b"]) == ["run", "--passphrase", "***", "-i", "a=b"]
    assert argv(["run", f"--passphrase={PHRASE}", "p.yaml"]) == ["run", "--passphrase=***", "p.yaml"]


def test_an_error_in_a_lab_shows_the_line_without_its_passphrase(desk: Desk) -> None:
    (desk.folder / "bad.yaml").write_text(f"exporters: {{a: {{endpoint: 'h:1', passphrase: {PHRASE}, grace: 1}}}}\n")
    status, said = desk.flow("run", "p.yaml", "--lab", "bad.yaml")
    assert status == 2
    assert f"passphrase: {'*' * len(PHRASE)}, grace: 1" in said
    assert PHRASE not in said


def test_a_wrong_passphrase_is_the_labs_fault_and_says_what_to_do(desk: Desk) -> None:
    status, said = desk.flow("run", "p.yaml", "-e", desk.served.tcp, "--insecure", FLOW_PASSPHRASE="something else")
    assert status == 3
    assert "passphrase" in said


def test_plain_text_must_be_said(desk: Desk) -> None:
    status, said = desk.flow("run", "p.yaml", "-e", desk.served.tcp)
    assert (status, "--insecure" in said) == (3, True), said
    status, said = desk.flow("run", "p.yaml", "-e", desk.served.tcp, JMP_GRPC_INSECURE="1", FLOW_PASSPHRASE=PHRASE)
    assert status == 0, said


def test_an_exporter_that_is_not_there_is_the_labs_fault_and_makes_no_run(desk: Desk) -> None:
    before = list((desk.folder / "runs").iterdir()) if (desk.folder / "runs").exists() else []
    status, said = desk.flow("run", "p.yaml", "-e", "127.0.0.1:1", "--insecure")
    assert (status, "'127.0.0.1:1' cannot be reached" in said) == (3, True), said
    assert before == (list((desk.folder / "runs").iterdir()) if before else [])


def test_ctrl_c_ends_the_asking_of_an_exporter_that_does_not_answer(desk: Desk) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        run = desk.start("run", "p.yaml", "-e", f"127.0.0.1:{silent.getsockname()[1]}", "--insecure")
        silent.settimeout(20)
        near, _ = silent.accept()
        run.send_signal(signal.SIGINT)
        said, _ = run.communicate(timeout=5)
        near.close()
    assert (run.returncode, said) == (4, "canceled while the exporters were asked what they have\n")


def test_what_is_held_is_listed_and_what_a_killed_run_left_is_recovered(desk: Desk) -> None:
    (desk.folder / "long.yaml").write_text(PIPELINE + "  - run: sleep 60\n")
    words = ("-e", desk.served.unix, "--passphrase", PHRASE)
    run = desk.start("run", "long.yaml", *words)
    desk.until("step.started", path="run2")
    _, said = desk.flow("leases")
    assert f"lamp ({desk.served.unix})" in said
    assert desk.lamp == "on"
    run.send_signal(signal.SIGKILL)
    run.communicate()
    status, said = desk.flow("recover", FLOW_PASSPHRASE=PHRASE)
    assert status == 0, said
    assert "drove dut.power: off" in said
    assert desk.lamp == "off"
    assert desk.flow("leases")[1] == "no device of this machine is leased\n"
    assert os.path.exists(desk.last / "report.html")
