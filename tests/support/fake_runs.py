"""One invented run of each kind. Nothing here ran."""

from __future__ import annotations

import random
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from PIL import ImageChops

from tests.support.fake_run import FakeRun, boot, place, screen

LOGIN = "Debian GNU/Linux 12 virt tty1\n\nvirt login: "


def passed(run: FakeRun) -> None:
    """Everything went well, the second attempt of the flash included."""
    _open(run, wait=6.4)
    _flash(run)
    _boot(run)
    _measure(run, 8.1, "passed")
    _rest(run)
    _snapshot(run, distance=1, verdict="passed")
    _scan(run)
    run.event("scope.finished", path="", part="body", outcome="passed")
    _finally(run)
    run.event("outputs", values={"boot_time": 8.1})
    run.finish()


def failed(run: FakeRun) -> None:
    """The prompt never came: the product's fault."""
    _open(run)
    _flash(run)
    begin_boot(run)
    run.begin(
        "boot.prompt", "expect", "expect:\n          prompt", id="prompt", values={"prompt": "login: ", "within": "25s"}
    )
    run.prints([(0.4, line) for _, line in boot()[9:16]])
    run.prints([(1.2, b"[    2.710031] Waiting for root device /dev/mmcblk2p2...\r\n")])
    run.t += 20.9
    facts = {
        "cause": "timeout", "message": "prompt 'login: ' not seen within 25s", "help": None,
        "said": "Waiting for root device /dev/mmcblk2p2...", "where": place("expect:\n          prompt"),
    }  # fmt: skip
    run.end("boot.prompt", "failed", **facts)
    run.event("scope.finished", path="boot", part="body", outcome="failed")
    run.end("boot", "failed", because="boot.prompt", **facts)
    for path, at in (
        ("measure1", "measure:"),
        ("login1", "login:"),
        ("release", "shell: cat"),
        ("screen", "snapshot:"),
    ):
        run.skip(path, at, "boot.prompt")
    run.event("scope.finished", path="", part="body", outcome="failed")
    run.event("scope.started", path="", part="rescue")
    run.begin("rescue.shell1", "shell", "shell: dmesg", values={"command": "dmesg | tail -50"})
    run.t += 5
    run.end("rescue.shell1", "errored", blame="device", cause="timeout", message="no shell prompt within 5s")
    run.event("scope.finished", path="", part="rescue", outcome="errored")
    _finally(run)
    run.finish("failed", 1, path="boot.prompt", outcome="failed", blame=None, **facts)


def errored(run: FakeRun) -> None:
    """The power switch did not answer: the lab's fault."""
    _open(run)
    run.begin("boot", "group", "group:", id="boot", name="Boot to the login prompt", block=True)
    run.event("scope.started", path="boot", part="body")
    run.begin("boot.power_on", "power", "power: cycle", id="power_on", kind="setup", values={"action": "cycle"})
    run.t += 3.2
    facts = {
        "blame": "device", "cause": "unmet", "message": "dut.power: cycle got no answer within 3s",
        "help": "check that 192.0.2.17 is reachable from the exporter", "said": "HTTP 503\nbusy",
        "where": place("power: cycle"),
    }  # fmt: skip
    run.end("boot.power_on", "errored", **facts)
    run.event("scope.finished", path="boot", part="body", outcome="errored")
    run.end("boot", "errored", because="boot.power_on", **facts)
    run.skip("measure1", "measure:", "boot.power_on")
    run.event("scope.finished", path="", part="body", outcome="errored")
    _finally(run)
    run.finish("errored", 3, path="boot.power_on", outcome="errored", **facts)


def canceled(run: FakeRun) -> None:
    """Somebody pressed Ctrl-C while the board booted."""
    _open(run)
    _flash(run)
    begin_boot(run)
    run.begin("boot.prompt", "expect", "expect:\n          prompt", id="prompt")
    run.prints(boot()[9:14])
    run.event("cancel.requested", level=1, by="SIGINT")
    run.t += 0.1
    run.end("boot.prompt", "canceled", cause="cancel", because="canceled by SIGINT")
    run.event("scope.finished", path="boot", part="body", outcome="canceled")
    run.end("boot", "canceled", cause="cancel", because="canceled by SIGINT")
    run.skip("measure1", "measure:", "canceled by SIGINT", cause="cancel")
    run.event("scope.finished", path="", part="body", outcome="canceled")
    _finally(run)
    run.finish("canceled", 4, path="", outcome="canceled", message="canceled by SIGINT", because="SIGINT", where=None)


def retried(run: FakeRun) -> None:
    """A block needed a second attempt, with steps in between."""
    _open(run)
    run.begin("boot", "group", "group:", id="boot", name="Boot to the login prompt", block=True)
    run.event("attempt.started", path="boot", attempt=1)
    run.event("scope.started", path="boot#1", part="body")
    run.begin("boot#1.power_on", "power", "power: cycle", id="power_on", kind="setup")
    run.t += 1.1
    run.end("boot#1.power_on")
    run.begin("boot#1.spl", "expect", "expect: {pattern", id="spl", kind="setup")
    run.t += 10
    miss = {"cause": "timeout", "blame": "infra", "message": "no line matched 'U-Boot (?P<version>\\S+)' within 10s"}
    run.end("boot#1.spl", "errored", **miss)
    run.skip("boot#1.prompt", "prompt: 'login", "boot#1.spl")
    run.event("scope.finished", path="boot#1", part="body", outcome="errored")
    run.event("attempt.finished", path="boot", attempt=1, outcome="errored", pause=5.0, **miss)
    run.t += 5
    run.event("scope.started", path="boot#1", part="between")
    run.begin("boot#1.between.power1", "power", "power: off", kind="setup", values={"action": "off"})
    run.t += 0.3
    run.end("boot#1.between.power1")
    run.event("scope.finished", path="boot#1", part="between", outcome="passed")
    run.event("attempt.started", path="boot", attempt=2)
    run.event("scope.started", path="boot#2", part="body")
    _boot_steps(run, "boot#2.")
    run.event("scope.finished", path="boot#2", part="body", outcome="passed")
    run.event(
        "attempt.finished", path="boot", attempt=2, outcome="passed", pause=None, cause=None, blame=None, message=None
    )
    run.end("boot", attempts=2)
    _measure(run, 18.2, "marginal")
    run.event("scope.finished", path="", part="body", outcome="passed")
    _finally(run)
    run.finish()


def snapshot(run: FakeRun) -> None:
    """The screen shows something else than the golden picture."""
    _open(run)
    _boot(run)
    _snapshot(run, distance=17, verdict="failed")
    run.event("scope.finished", path="", part="body", outcome="failed")
    _finally(run)
    message = "the screen differs from login-screen by 17, allowed are 4"
    run.finish("failed", 1, path="screen", outcome="failed", message=message, cause="unmet", where=place("snapshot:"))


def crashed(run: FakeRun) -> None:
    """The runner was killed: the journal just stops, in the middle of a line."""
    _open(run)
    _flash(run)
    begin_boot(run)
    run.begin("boot.prompt", "expect", "expect:\n          prompt", id="prompt")
    run.prints(boot()[9:14])
    run.close()
    with (run.folder / "journal.jsonl").open("ab") as journal:
        journal.write(b'{"n":99,"t":12.1,"event":"mat')


def huge(run: FakeRun, megabytes: int = 50) -> None:
    """A console of many megabytes."""
    _open(run)
    begin_boot(run)
    run.begin("boot.prompt", "expect", "expect:\n          prompt", id="prompt")
    chance = random.Random(1)
    drivers = ("usb 1-1", "eth0", "mmcblk2", "systemd[1]", "can0", "thermal_zone0", "i2c-3")
    line = size = 0
    while size < megabytes << 20:
        block = [
            b"[%12.6f] %s: event %d, status 0x%04x, register %08x\r\n"
            % (n * 1e-4, chance.choice(drivers).encode(), n, chance.getrandbits(16), chance.getrandbits(6))
            for n in range(line, line + 500)
        ]
        line += 500
        size += sum(map(len, block))
        run.prints([(0.004, b"".join(block))])
    run.prints([(0.01, b"needle in the </script><haystack>\r\nvirt login: ")])
    run.end("boot.prompt")
    run.event("scope.finished", path="boot", part="body", outcome="passed")
    run.end("boot")
    _finally(run)
    run.finish()


KINDS: dict[str, Callable[[FakeRun], None]] = {
    kind.__name__: kind for kind in (passed, failed, errored, canceled, retried, snapshot, crashed)
}
"""Those that are small."""


def write_all(folder: Path) -> Iterator[Path]:
    """One run of each kind below `folder`."""
    for name, kind in {**KINDS, "huge": huge}.items():
        run = FakeRun(folder / name)
        kind(run)
        yield run.folder


def _open(run: FakeRun, wait: float = 0.0) -> None:
    run.start()
    run.t += 0.02
    run.lease(wait=wait)
    run.t += 0.2
    run.event("scope.started", path="", part="body")


def _flash(run: FakeRun) -> None:
    values = {"image": "disk.img.xz", "target": "root", "verify": True}
    run.begin("image", "flash", "flash:", id="image", kind="setup", values=values)
    run.event("attempt.started", path="image", attempt=1)
    run.t += 1.4
    miss = {"outcome": "errored", "cause": "unmet", "blame": "infra", "message": "the download broke off after 3.1MiB"}
    run.event("attempt.finished", path="image", attempt=1, pause=0.5, **miss)
    run.t += 0.5
    run.event("attempt.started", path="image", attempt=2)
    run.t += 4.2
    run.event("log", path="image", level="info", message="verified 1073741824 bytes by reading back")
    run.event(
        "attempt.finished", path="image", attempt=2, pause=None, outcome="passed", cause=None, blame=None, message=None
    )
    run.end("image", attempts=2, outputs={"digest": "sha256:" + "ab" * 32, "bytes": 1073741824, "seconds": 4.2})


def begin_boot(run: FakeRun) -> None:
    """The first steps of the block `boot`, in its only attempt."""
    run.begin("boot", "group", "group:", id="boot", name="Boot to the login prompt", block=True)
    run.event("scope.started", path="boot", part="body")
    _power_and_spl(run, "boot.")


def _power_and_spl(run: FakeRun, above: str) -> None:
    run.begin(f"{above}power_on", "power", "power: cycle", id="power_on", kind="setup", values={"action": "cycle"})
    run.t += 1.1
    run.end(f"{above}power_on", outputs={"at": "7.4s"})
    values = {"pattern": "U-Boot (?P<version>\\S+)", "within": "10s"}
    run.begin(f"{above}spl", "expect", "expect: {pattern", id="spl", kind="setup", values=values)
    run.prints(boot(9))
    run.event(
        "match", path=f"{above}spl", console="dut.console", start=0, end=21, text="U-Boot 2023.01+dfsg-2",
        pattern="U-Boot (?P<version>\\S+)", groups={"version": "2023.01+dfsg-2"},
    )  # fmt: skip
    run.end(f"{above}spl", outputs={"match": {"version": "2023.01+dfsg-2"}})


def _boot_steps(run: FakeRun, above: str) -> None:
    _power_and_spl(run, above)
    values = {"prompt": "login: ", "within": "25s"}
    run.begin(f"{above}prompt", "expect", "expect:\n          prompt", id="prompt", values=values)
    run.prints([*boot()[9:], (0.2, b"virt login: ")])
    end = (run.folder / "dut.console.log").stat().st_size
    run.event(
        "match", path=f"{above}prompt", console="dut.console", start=end - 7, end=end, text="login: ", pattern=None,
        groups={},
    )  # fmt: skip
    run.end(f"{above}prompt", outputs={"at": "15.5s"})


def _boot(run: FakeRun) -> None:
    run.begin("boot", "group", "group:", id="boot", name="Boot to the login prompt", block=True)
    run.event("scope.started", path="boot", part="body")
    _boot_steps(run, "boot.")
    run.event("scope.finished", path="boot", part="body", outcome="passed")
    run.end("boot")


def _measure(run: FakeRun, value: float, verdict: str) -> None:
    run.begin("measure1", "measure", "measure:", values={"name": "boot_time", "unit": "s"})
    run.event(
        "measurement", path="measure1", name="boot_time", value=value, unit="s",
        limits={"max": 25, "warn_max": 15}, verdict=verdict,
    )  # fmt: skip
    run.t += 0.001
    run.end("measure1", outputs={"value": value, "verdict": verdict})


def _rest(run: FakeRun) -> None:
    run.begin("login1", "login", "login:", kind="setup", values={"username": "root", "password": "***"})
    run.event("sent", path="login1", console="dut.console", bytes=5, text="root\n")
    run.prints([(0.05, b"root\r\nPassword: "), (0.4, b"\r\n\x1b[01;31mroot@virt\x1b[00m:~# ")])
    run.end("login1")
    run.begin("release", "shell", "shell: cat", id="release", values={"command": "cat /etc/os-release"})
    run.event("sent", path="release", console="dut.console", bytes=20, text="cat /etc/os-release\n")
    run.prints([(0.02, b"cat /etc/os-release\r\n"), (0.01, b'NAME="Debian GNU/Linux"\r\nVERSION_ID="12"\r\n')])
    run.end("release", outputs={"stdout": 'NAME="Debian GNU/Linux"\nVERSION_ID="12"', "exit": 0})


def _snapshot(run: FakeRun, *, distance: int, verdict: str) -> None:
    run.begin("screen", "snapshot", "snapshot:", id="screen", values={"name": "login-screen", "tolerance": 4})
    golden = screen(LOGIN)
    actual = screen(
        LOGIN if verdict == "passed" else "Kernel panic - not syncing: VFS\n\n---[ end Kernel panic ]---", "#e0e0e0"
    )
    run.t += 0.6
    files = {
        "golden": run.picture("screen", "login-screen.golden.png", golden, "golden"),
        "actual": run.picture("screen", "login-screen.png", actual, "the screen"),
        "diff": run.picture("screen", "login-screen.diff.png", ImageChops.difference(golden, actual), "difference"),
    }
    run.event(
        "snapshot", path="screen", name="login-screen", distance=distance, tolerance=4, verdict=verdict,
        **files,
    )  # fmt: skip
    message = None if verdict == "passed" else f"the screen differs from login-screen by {distance}, allowed are 4"
    run.end("screen", verdict, message=message, cause=None if verdict == "passed" else "unmet")


def _scan(run: FakeRun) -> None:
    run.begin("scan", "shell", "shell: ip", id="scan")
    for index, name in enumerate(("eth0", "eth1")):
        run.begin(f"scan[{index}]", "shell", "shell: ip", name=f"ip link show {name}")
        run.event(
            "output", path=f"scan[{index}]", stream="stdout", text=f"{index + 1}: {name}: <BROADCAST,UP> mtu 1500\n"
        )
        run.t += 0.12
        run.end(f"scan[{index}]", outputs={"exit": 0})
    run.end("scan", outputs={"exit": [0, 0]})


def _finally(run: FakeRun) -> None:
    run.event("scope.started", path="", part="finally")
    run.begin("finally.power1", "power", "power: off\n", kind="setup", values={"action": "off"})
    run.t += 0.7
    run.end("finally.power1")
    run.event("scope.finished", path="", part="finally", outcome="passed")
    run.release()


if __name__ == "__main__":
    for written in write_all(Path(sys.argv[1])):
        print(written)
