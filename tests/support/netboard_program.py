"""A board that boots over the network, made of real parts: run as `python netboard_program.py FOLDER` on a console.

It has power while there is a file `power` in FOLDER. U-Boot is a shell with its commands as functions, which fetch by
a real TFTP client; the system is busybox, with this host's block devices. Files in FOLDER provoke faults:

    no-dhcp     nobody answers to DHCP
    password    the login wants what is in it
    hang        the kernel starts and says no more
    stop        the countdown stops for what is in it only
"""

from __future__ import annotations

import fcntl
import os
import pty
import select
import signal
import subprocess
import sys
import termios
import tty
from pathlib import Path

TOOLS = (
    "ash", "basename", "blockdev", "cat", "dd", "dirname", "echo", "false", "grep", "gzip", "head", "kill", "ls", "nc",
    "pidof", "printf", "readlink", "sed", "sha256sum", "sleep", "stty", "sync", "test", "tftp", "true", "wget", "zcat",
)  # fmt: skip

UBOOT = r"""
PS1='=> '
setenv() { _n=$1; shift; if [ $# = 0 ]; then unset "$_n"; else eval "$_n=\"\$*\""; fi; }
printenv() { eval "_v=\${$1-}"; [ "$_v" ] && echo "$1=$_v"; }
dhcp() {
    echo 'BOOTP broadcast 1'
    [ ! -e "$FOLDER/no-dhcp" ] || { echo 'Retry time exceeded'; return 1; }
    ipaddr=127.0.0.1 netmask=255.0.0.0
    echo 'DHCP client bound to address 127.0.0.1 (1 ms)'
}
tftpboot() {
    echo "Filename '${2#*:}'."
    if _e=$(tftp -b 1468 -g -l "$FOLDER/memory-$1" -r "${2#*:}" "${2%%:*}" 2>&1); then
        filesize=$(printf %x $(cat "$FOLDER/memory-$1" | wc -c))
    else
        case $_e in *timeout*) echo 'Retry count exceeded; starting again' ;; *) echo "TFTP error: '$_e' (1)" ;; esac
        return 1
    fi
}
boot() { echo 'Starting kernel ...'; exec ash "$FOLDER/system"; }
"""

RESET = r"""
echo 'U-Boot 2023.01 (a shell)'
if [ -e "$FOLDER/stop" ]; then
    printf 'Enter password within 3 seconds to stop autoboot\n'
    read -r -s -t 3 _k && [ "$_k" = "$(cat "$FOLDER/stop")" ] && ENV=$FOLDER/uboot exec ash -i
    exec ash "$FOLDER/system" flashed
fi
printf 'Hit any key to stop autoboot:  1 '
if read -r -s -n 1 -t 1 _k; then echo; ENV=$FOLDER/uboot exec ash -i; fi
echo
exec ash "$FOLDER/system" flashed
"""

SYSTEM = r"""
while [ -e "$FOLDER/hang" ]; do sleep 0.1; done
while :; do
    printf '%s login: ' "${1:-flasher}"
    read -r name
    [ -e "$FOLDER/password" ] || break
    printf 'Password: '
    read -r word
    [ "$word" != "$(cat "$FOLDER/password")" ] || break
    echo 'Login incorrect'
done
ENV=$FOLDER/shell exec ash -i
"""

SHELL = r"""
PS1='~ # '
reboot() { exec ash "$FOLDER/reset"; }
"""


def prepare(folder: Path) -> None:
    """Put the board's scripts and tools into `folder`."""
    for name, text in (("uboot", UBOOT), ("reset", RESET), ("system", SYSTEM), ("shell", SHELL)):
        (folder / name).write_text(text)
    (folder / "bin").mkdir(exist_ok=True)
    for tool in (*TOOLS, "wc"):
        link = folder / "bin" / tool
        if not link.is_symlink():
            link.symlink_to("/bin/busybox")


def main(folder: Path) -> None:
    """Be the board, at the terminal that we have."""
    prepare(folder)
    tty.setraw(0)
    power = folder / "power"
    environment = {"PATH": str(folder / "bin"), "FOLDER": str(folder), "TERM": "vt102"}
    while True:
        while not power.exists():
            select.select([], [], [], 0.02)
        near, far = pty.openpty()
        process = subprocess.Popen(
            ["ash", str(folder / "reset")], executable="/bin/busybox", stdin=far, stdout=far, stderr=far,
            env=environment, start_new_session=True, preexec_fn=_own_terminal,
        )  # fmt: skip
        os.close(far)
        _relay(near, power)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        os.close(near)


def _relay(near: int, power: Path) -> None:
    """Carry bytes between our terminal and the board's, as long as it has power."""
    while power.exists():
        ready, _, _ = select.select([0, near], [], [], 0.02)
        for source, target in ((0, near), (near, 1)):
            if source in ready:
                try:
                    os.write(target, os.read(source, 4096))
                except OSError:
                    return


def _own_terminal() -> None:
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
