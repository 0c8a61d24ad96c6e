"""Logging in at a console: the login prompt, the password, the shell's prompt, and what the kernel prints between."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import anyio

from flowrunner.console.patterns import ConsoleSession, Line, Pattern, Prompt
from flowrunner.console.scan import for_prompts
from flowrunner.console.search import search
from flowrunner.console.text import last_lines, shown, without_kernel_messages
from flowrunner.errors import ExpectationError
from flowrunner.model import Duration

REFUSED = r"[Ll]ogin incorrect|[Ll]ogin failed|[Aa]uthentication failure|[Pp]ermission denied|[Aa]ccess denied"
TRIES = 3
TAIL = 4096

LOGIN_PROMPT = "[Ll]ogin: ?"
PASSWORD_PROMPT = "[Pp]assword: ?"
SHELL_PROMPT = "(?<!=)[#$>] ?"

Answer = Literal["name", "password", "shell", "refused", "broken"]


class LoginRefusedError(ExpectationError):
    """The device did not let the user in: another try would not either."""


@dataclass(frozen=True, slots=True)
class Account:
    """Who logs in, and the prompts on the way: regular expressions that match at the very end of the output.

    After `poke` seconds of silence an empty line asks for a new prompt.
    """

    username: str
    password: str | None = None
    login_prompt: str = LOGIN_PROMPT
    password_prompt: str = PASSWORD_PROMPT
    prompt: str = SHELL_PROMPT
    poke: float = 5.0


async def log_in(console: ConsoleSession, account: Account, *, within: float) -> str:
    """Log in; returns the shell's prompt as it looks. Works when the user is logged in already.

    Raises:
        LoginRefusedError: the user was not let in.
        ExpectationError: the prompt did not come within so many seconds.
    """
    dialogue = _Dialogue(account, console)
    with anyio.move_on_after(within):
        await dialogue.run()
        return dialogue.last_line()
    raise ExpectationError(
        f"'{account.username}' was not logged in within {Duration(within)}: no {dialogue.waits_for}",
        cause="timeout", said=dialogue.said(),
    )  # fmt: skip


class _Dialogue:
    """One login; `waits_for` says how far it has come."""

    def __init__(self, account: Account, console: ConsoleSession) -> None:
        self._account = account
        self._console = console
        self.waits_for = "login prompt"

    async def run(self) -> None:
        """Get to the shell's prompt."""
        answer = await self._visible() or await self._see("login prompt", "name", "shell", "broken")
        for _ in range(TRIES):
            while answer == "broken":
                answer = await self._ask_again()
            if answer == "shell":
                return
            await self._type(self._account.username)
            answer = await self._see("password or shell prompt", "password", "shell", "refused", "name")
            if answer == "password":
                await self._type_password()
                answer = await self._see("shell prompt", "shell", "refused", "name")
            if answer == "refused":
                raise self._refused()
        if answer != "shell":
            raise self._refused()

    async def _visible(self) -> Answer | None:
        """What the console asks for now, also when that has been matched before."""
        with anyio.move_on_after(0.2):
            await self._console.quiet(0.05)
        line = self.last_line()
        asked: tuple[tuple[Answer, str], ...] = (("name", self._account.login_prompt), ("shell", self._account.prompt))
        for answer, prompt in asked:
            if line and await search(rf"(?:{prompt})\Z", line):
                self._console.skip()
                return answer
        return None

    async def _ask_again(self) -> Answer:
        await self._console.quiet(0.3)
        await self._type("")
        return await self._see("login prompt", "name", "shell", "broken")

    async def _see(self, waits_for: str, *answers: Answer) -> Answer:
        """Which of `answers` comes first; pokes the console when it is quiet."""
        self.waits_for = waits_for
        wanted: list[tuple[Answer, Pattern]] = [
            (answer, pattern) for answer in answers for pattern in self._patterns(answer)
        ]
        while True:
            before = self._console.end
            try:
                match = await self._console.expect([pattern for _, pattern in wanted], within=self._account.poke)
            except ExpectationError:
                if self._console.end == before:
                    await self._type("")
                continue
            return wanted[match.index][0]

    def _patterns(self, answer: Answer) -> tuple[Pattern, ...]:
        """What to look for; a prompt inside a complete line was broken by a message of the kernel."""
        account = self._account
        patterns: dict[Answer, tuple[Pattern, ...]] = {
            "name": (Prompt(account.login_prompt, regex=True),),
            "broken": (Line(account.login_prompt),),
            "password": (Prompt(account.password_prompt, regex=True), Line(account.password_prompt)),
            "shell": (Prompt(account.prompt, regex=True, settle=0.1),),
            "refused": (Line(REFUSED),),
        }
        return patterns[answer]

    async def _type_password(self) -> None:
        if self._account.password is None:
            raise LoginRefusedError(
                f"a password was asked for '{self._account.username}', and none is given", said=self.said(),
                help="add password: ${{ secrets.NAME }}",
            )  # fmt: skip
        await self._type(self._account.password, secret=True)

    async def _type(self, text: str, *, secret: bool = False) -> None:
        await self._console.send(text.encode() + b"\n", secret=secret)

    def _refused(self) -> LoginRefusedError:
        return LoginRefusedError(
            f"'{self._account.username}' was not let in", said=self.said(), help="check username and password"
        )

    def last_line(self) -> str:
        """The unfinished line at the end of the output."""
        raw = self._console.read(max(0, self._console.end - TAIL))
        return shown(for_prompts(raw[: without_kernel_messages(raw)].rpartition(b"\n")[2]))

    def said(self) -> str | None:
        """The last lines of the console."""
        return last_lines(self._console.read(max(0, self._console.end - TAIL)))
