"""The shell of the virtual board: a real `sh` of this host, in a folder of its own."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from flowrunner_drivers.machine._virtual_boot import KERNEL

NOBODY = 65534
"""Whom the shell runs as when we are root: it can then harm nothing of this host."""

_START = f"""\
PS1='root@virtual:~# '
PS2='> '
_at() {{  # run a command with the absolute paths that exist below the board's root
  _run=$1; shift
  for _arg do
    shift
    case $_arg in /*) [ -e "$BOARD$_arg" ] && _arg=$BOARD$_arg ;; esac
    set -- "$@" "$_arg"
  done
  command "$_run" "$@"
}}
for _name in cat ls head tail grep wc; do eval "$_name() {{ _at $_name \\"\\$@\\"; }}"; done
uname() {{
  case $* in
    ''|-s) echo Linux ;;
    -r) echo {KERNEL} ;;
    -n) echo virtual ;;
    -a) echo 'Linux virtual {KERNEL} #1 virtual board, no hardware' ;;
    *) command uname "$@" ;;
  esac
}}
hostname() {{ echo virtual; }}
whoami() {{ echo root; }}
dmesg() {{ cat /var/log/dmesg; }}
reboot() {{ echo reboot >"$BOARD/run/request"; exit; }}
poweroff() {{ echo poweroff >"$BOARD/run/request"; exit; }}
"""


class Root:
    """The board's file system: a folder in which the shell works."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.user = NOBODY if os.geteuid() == 0 else None
        for name in ("etc", "run", "root", "tmp", "var/log"):
            (folder / name).mkdir(parents=True)
        (folder / "etc/profile").write_text(_START)
        (folder / "etc/hostname").write_text("virtual\n")
        if self.user is not None:
            folder.parent.chmod(0o755)
            for path in (folder, *folder.rglob("*")):
                os.chown(path, self.user, self.user)

    def write(self, name: str, text: str) -> None:
        """Write a file of the system."""
        (self.folder / name).write_text(text)

    def request(self) -> str:
        """What the shell has asked for when it ended: `reboot`, `poweroff`, or nothing."""
        path = self.folder / "run/request"
        text = path.read_text().strip() if path.exists() else ""
        path.unlink(missing_ok=True)
        return text

    @property
    def home(self) -> Path:
        """Where the shell starts."""
        return self.folder / "root"

    def environment(self) -> Mapping[str, str]:
        """All that the shell knows of the host."""
        return {
            "PATH": "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin",
            "HOME": str(self.home),
            "TMPDIR": str(self.folder / "tmp"),
            "BOARD": str(self.folder),
            "ENV": str(self.folder / "etc/profile"),
            "USER": "root",
            "LANG": "C.UTF-8",
            "TERM": "dumb",
        }
