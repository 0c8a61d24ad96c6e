"""`flow shell`: commands, terminals, signals; the bench is safe and free behind each."""

import os
import signal
import termios
import time
from pathlib import Path

import psutil
import pytest

from tests.support.certificates import certificate
from tests.support.hands import Desk, children, line, slow
from tests.support.peers import BIN
from tests.support.processes import ended

ON = "flow device power on; "


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def free(desk: Desk) -> bool:
    """Whether its power is off and nobody has the bench."""
    return not desk.lamp.exists() and not desk.leases()


def wait_for(path: Path) -> None:
    deadline = time.monotonic() + 20
    while not path.exists():
        assert time.monotonic() < deadline, f"{path} did not come"
        time.sleep(0.01)


def test_a_command_has_the_bench_and_its_status_is_returned(desk: Desk) -> None:
    script = ON + 'test -e lamp && j power read -n 1 && env | sort > seen; echo "$PATH" > path; exit 7'
    done = desk.flow("shell", "-e", "bench.yaml", "--", "sh", "-c", script, TMPDIR=str(desk.folder))
    assert (done.returncode, done.stdout) == (7, "voltage=5.0 current=0.1\n"), done.stderr
    seen = dict(each.split("=", 1) for each in (desk.folder / "seen").read_text().splitlines() if "=" in each)
    assert seen["FLOW_EXPORTER"] == f"unix:{seen['JUMPSTARTER_HOST']}"
    assert seen["FLOW_LEASE"] and seen["JMP_DRIVERS_ALLOW"] == "UNSAFE" and seen["JMP_EXPORTER"] == "lamp"
    assert not Path(seen["JUMPSTARTER_HOST"]).parent.exists(), "the private folder stays behind"
    assert free(desk)


@slow
def test_the_socket_of_a_bench_here_is_for_this_user_only(desk: Desk) -> None:
    script = 'stat -c %a "$(dirname "$JUMPSTARTER_HOST")"'
    done = desk.flow("shell", "-e", "bench.yaml", "--", "sh", "-c", script)
    assert done.stdout == "700\n"


@slow
def test_power_can_be_kept(desk: Desk) -> None:
    assert desk.flow("shell", "-e", "bench.yaml", "--keep", "--", "flow", "device", "power", "on").returncode == 0
    assert desk.lamp.exists()


def test_an_exporter_is_leased_and_given_back(desk: Desk) -> None:
    with desk.exporter():
        done = desk.flow("shell", "-e", desk.socket, "--", "sh", "-c", ON + "test -e lamp")
        assert (done.returncode, done.stderr) == (0, "")
        assert not desk.lamp.exists()
        assert desk.device("power", "on").returncode == 0


@slow
def test_a_command_that_is_killed_by_a_signal_says_which(desk: Desk) -> None:
    assert desk.flow("shell", "-e", "bench.yaml", "--", "sh", "-c", "kill -9 $$").returncode == 128 + 9
    assert free(desk)


@slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_ends_the_command_and_what_it_started(desk: Desk, number: signal.Signals) -> None:
    shell = desk.start("shell", "-e", "bench.yaml", "--", "sh", "-c", ON + "touch begun; sleep 77; exit 0")
    wait_for(desk.folder / "begun")
    below = psutil.Process(shell.pid).children(recursive=True)
    shell.send_signal(number)
    shell.communicate(timeout=20)
    assert shell.returncode == 128 + number
    assert all(ended(process.pid) for process in below)
    assert free(desk)


@slow
def test_a_shell_that_is_killed_leaves_the_bench_safe_at_an_exporter(desk: Desk) -> None:
    with desk.exporter():
        shell = desk.start("shell", "-e", desk.socket, "--", "sh", "-c", ON + "echo on; exec sleep 77")
        assert line(shell) == "on\n"
        (command,) = children(shell.pid)
        shell.kill()
        deadline = time.monotonic() + 10
        while desk.lamp.exists():
            assert time.monotonic() < deadline, "the exporter did not make it safe"
            time.sleep(0.01)
        os.kill(command, signal.SIGKILL)
        shell.communicate()


@slow
def test_a_bench_whose_shell_was_killed_is_free(desk: Desk) -> None:
    shell = desk.start("shell", "-e", "bench.yaml", "--", "sh", "-c", "echo on; exec sleep 77")
    assert line(shell) == "on\n"
    (command,) = children(shell.pid)
    shell.kill()
    os.kill(command, signal.SIGKILL)
    shell.communicate()
    again = desk.flow("shell", "-e", "bench.yaml", "--", "true")
    assert (again.returncode, again.stderr) == (0, "")


@slow
def test_a_lost_exporter_ends_the_command(desk: Desk) -> None:
    with desk.exporter() as process:
        shell = desk.start("shell", "-e", desk.socket, "--", "sh", "-c", "echo on; sleep 77")
        assert line(shell) == "on\n"
        (child,) = children(process.pid)
        os.kill(child, signal.SIGKILL)
        _, err = shell.communicate(timeout=20)
        assert shell.returncode == 3
        assert "the lease was lost" in err


@slow
def test_waiting_for_a_bench_can_be_given_up(desk: Desk) -> None:
    first = desk.start("shell", "-e", "bench.yaml", "--", "sh", "-c", "echo held; exec sleep 77")
    assert line(first) == "held\n"
    second = desk.start("shell", "-e", "bench.yaml", "--", "true")
    assert "waiting: in use by" in line(second, error=True)
    second.send_signal(signal.SIGINT)
    second.communicate(timeout=10)
    assert second.returncode == 128 + signal.SIGINT
    first.terminate()
    first.communicate()


@slow
def test_power_that_cannot_be_turned_off_is_an_error(desk: Desk) -> None:
    desk.write(desk.bench.replace("rm -f {folder}/lamp", "echo stuck >&2; exit 1"))
    done = desk.flow("shell", "-e", "bench.yaml", "--", "true")
    assert done.returncode == 3
    assert "'power' could not be turned off" in done.stderr and "stuck" in done.stderr


@slow
def test_a_command_that_is_not_there_is_a_usage_error(desk: Desk) -> None:
    done = desk.flow("shell", "-e", "bench.yaml", "--", "no-such-program")
    assert done.returncode == 2
    assert "'no-such-program' could not be started" in done.stderr
    assert free(desk)


@pytest.mark.parametrize("program", ["bash", "sh"])
def test_a_shell_names_the_exporter_and_returns_its_status(desk: Desk, program: str) -> None:
    (desk.folder / ".bashrc").write_text("PS1='mine> '; alias hi='echo from my bashrc'\n")
    environment = {"SHELL": f"/bin/{program}", "HOME": str(desk.folder), "ENV": ""}
    with desk.terminal("shell", "-e", "bench.yaml", **environment) as terminal:
        terminal.expect_exact("'lamp' is yours until this shell ends")
        terminal.expect_exact("(flow lamp) mine> " if program == "bash" else "(flow lamp) $ ")
        terminal.sendline("j power on && ls lamp")
        terminal.expect_exact("\nlamp")
        if program == "bash":
            terminal.sendline("hi")
            terminal.expect_exact("\r\nfrom my bashrc")
        terminal.sendline("sleep 77")
        terminal.expect_exact("sleep 77")
        time.sleep(0.3)
        terminal.sendintr()
        terminal.expect_exact("(flow lamp) ")
        terminal.sendline("exit 5")
        terminal.wait()
        assert terminal.exitstatus == 5
    assert free(desk)


@slow
def test_the_terminal_is_restored_behind_a_shell_that_was_killed(desk: Desk) -> None:
    with desk.terminal("shell", "-e", "bench.yaml", SHELL="/bin/bash", HOME=str(desk.folder)) as terminal:
        terminal.expect_exact("(flow lamp) ")
        before = termios.tcgetattr(terminal.child_fd)
        terminal.sendline("stty raw -echo; kill -9 $$")
        terminal.wait()
        assert terminal.exitstatus == 128 + 9
        assert termios.tcgetattr(terminal.child_fd)[3] & termios.ICANON
        assert before[3] is not None
    assert free(desk)


@slow
def test_ctrl_c_is_the_commands_own_business(desk: Desk) -> None:
    script = "trap 'echo caught; exit 9' INT; echo begun; while :; do sleep 0.05; done"
    with desk.terminal("shell", "-e", "bench.yaml", "--", "bash", "-c", script) as terminal:
        terminal.expect_exact("begun")
        terminal.sendintr()
        terminal.expect_exact("caught")
        terminal.wait()
        assert terminal.exitstatus == 9
    assert free(desk)


@slow
def test_a_terminal_that_hangs_up_frees_the_bench(desk: Desk) -> None:
    with desk.terminal("shell", "-e", "bench.yaml", SHELL="/bin/bash", HOME=str(desk.folder)) as terminal:
        terminal.expect_exact("(flow lamp) ")
        terminal.sendline("flow device power on; touch on")
        wait_for(desk.folder / "on")
        with Path(os.devnull).open() as nothing:
            os.dup2(nothing.fileno(), terminal.child_fd)  # which closes our end of it
        deadline = time.monotonic() + 20
        while desk.lamp.exists() or not free(desk):
            assert time.monotonic() < deadline
            time.sleep(0.05)


@slow
def test_a_j_of_jumpstarters_own_goes_first(desk: Desk) -> None:
    programs = desk.folder / "bin"
    programs.mkdir()
    (programs / "j").write_text("#!/bin/sh\necho the real one\n")
    (programs / "j").chmod(0o755)
    path = f"{programs}:{desk.environment()['PATH']}"
    done = desk.flow("shell", "-e", "bench.yaml", "--", "j", PATH=path)
    assert done.stdout == "the real one\n"


@slow
def test_a_run_in_a_shell_uses_its_bench(desk: Desk) -> None:
    (desk.folder / "p.yaml").write_text(
        "flow: 1\nname: t\ndevices: {dut: ''}\nsteps: [{power: on}, {run: test -e lamp}]\n"
    )
    done = desk.flow("shell", "-e", "bench.yaml", "--", "flow", "run", "p.yaml", "--plain")
    assert done.returncode == 0, done.stdout + done.stderr
    assert free(desk)


@slow
def test_tls_and_passphrase_reach_what_runs_inside(desk: Desk) -> None:
    made = certificate(desk.folder)
    (desk.folder / "secret").write_text("open sesame\n")
    options = ["-l", "127.0.0.1:0", "--tls-cert", str(made.certificate), "--tls-key", str(made.key)]
    process = desk.start("exporter", "run", "bench.yaml", *options, "--passphrase-file", "secret")
    try:
        port = line(process).strip().rpartition(":")[2]
        known = ["--tls-ca", str(made.certificate), "--passphrase-file", "secret"]
        inside = ["sh", "-c", "flow device power on; flow device power read -n 1"]
        for trust in (known, ["--tls-pin", made.pin, "--passphrase-file", "secret"]):
            done = desk.flow("shell", "-e", f"localhost:{port}", *trust, "--", *inside)
            assert (done.returncode, done.stdout) == (0, "voltage=5.0 current=0.1\n"), done.stderr
        unknown = desk.flow("shell", "-e", f"localhost:{port}", *known[:2], "--", "true")
        assert unknown.returncode == 3
        assert "passphrase" in unknown.stderr
    finally:
        process.terminate()
        process.communicate(timeout=10)


@slow
@pytest.mark.skipif(
    not (BIN / "j").exists(), reason="Jumpstarter is not installed beside us (make .cache/peers/.ready)"
)
def test_jumpstarters_own_j_works_in_it(desk: Desk) -> None:
    path = f"{BIN}:{desk.environment()['PATH']}"
    done = desk.flow("shell", "-e", "bench.yaml", "--", "sh", "-c", "which j; j power on; test -e lamp", PATH=path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(str(BIN))


@slow
def test_hooks_of_the_file_run_around_a_shell(desk: Desk) -> None:
    hooks = "hooks: {{beforeLease: {{script: 'echo prepared; touch {folder}/before'}}, afterLease: {{script: 'touch {folder}/after'}}}}"
    desk.write(hooks + desk.bench)
    done = desk.flow("shell", "-e", "bench.yaml", "--", "sh", "-c", "test -e before && rm -f after")
    assert done.returncode == 0, done.stderr
    assert (desk.folder / "after").exists()
    assert "prepared" in done.stderr


def test_a_shell_in_a_shell_uses_the_same_lease(desk: Desk) -> None:
    script = ON + "flow shell -- sh -c 'flow device power read -n 1; exit 4'; test $? = 4 && test -e lamp"
    done = desk.flow("shell", "-e", "bench.yaml", "--", "sh", "-c", script)
    assert (done.returncode, done.stdout, done.stderr) == (0, "voltage=5.0 current=0.1\n", "")
    assert free(desk)
