"""All commands of a part: the methods of its interfaces, and what is more than a call."""

from __future__ import annotations

from flowrunner.commands.board import board_shell
from flowrunner.commands.command import Command, of_method
from flowrunner.commands.console import console_command
from flowrunner.commands.dump import dump_command
from flowrunner.commands.forward import forward_tcp_command, forward_udp_command, forward_unix_command
from flowrunner.commands.method import methods
from flowrunner.commands.pipe import pipe_command
from flowrunner.commands.screen import open_command
from flowrunner.commands.shell import shell_command
from flowrunner.commands.ssh import ssh_commands, ssh_word
from flowrunner.commands.storage import flash_command
from flowrunner.device import Device
from flowrunner.interfaces.console import Console
from flowrunner.interfaces.network import Network
from flowrunner.interfaces.screen import Screen
from flowrunner.interfaces.shell import Shell
from flowrunner.interfaces.ssh import Ssh
from flowrunner.interfaces.storage import BoardFlasher, Flasher

LOCAL_FILE = {"write-local-file": flash_command, "read-local-file": dump_command}
"""As Jumpstarter writes them."""


def commands(node: Device) -> dict[str, Command]:
    """The commands of this part by word. A byte stream is a command only as a console or a pipe."""
    called = [of_method(method) for method in methods(node).values() if method.kind != "stream"]
    found = {command.word: command for command in called}
    if node.offers(Flasher):
        found |= {"flash": flash_command(), "dump": dump_command()}
    if node.offers(BoardFlasher):
        shells = (board_shell("bootloader"), board_shell("system"))
        found |= {shell.word: shell for shell in shells}
        del found["flash-all"]  # what `flash` does with several images
    if node.offers(Console):
        found["console"] = console_command()
    if node.offers(Ssh):
        found |= ssh_commands()
        del found["execute"]  # what `run` does, for programs
    elif any(method.kind == "stream" for method in methods(node).values()):
        found["pipe"] = pipe_command(watched=node.offers(Console))
    if node.offers(Network, Screen):
        doors = (forward_tcp_command(), forward_unix_command())
        found |= {door.word: door for door in doors}
    if node.offers(Network):
        found["forward-udp"] = forward_udp_command()
    if node.offers(Screen):
        found["open"] = open_command()
    return found


def command(node: Device, word: str) -> Command | None:
    """The command `word` of this part; None when there is none.

    A part with a shell or a login takes any word: only the device knows which commands it has.
    """
    spelled = word.replace("_", "-")
    found = commands(node).get(spelled)
    if found is None and spelled == "start-console" and node.offers(Console):
        return console_command(spelled)  # as Jumpstarter writes it
    if found is None and spelled in LOCAL_FILE and node.offers(Flasher):
        return LOCAL_FILE[spelled](spelled)
    if found is None and spelled == "busybox-shell" and node.offers(BoardFlasher):
        return board_shell("system")  # as Jumpstarter writes it
    if found is None and node.offers(Shell):
        return shell_command(word)
    if found is None and node.offers(Ssh):
        return ssh_word(word)
    return found
