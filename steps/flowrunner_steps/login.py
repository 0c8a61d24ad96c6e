"""Log in on the console."""

from __future__ import annotations

from typing import Literal

import anyio
from pydantic import Field

from flowrunner.console.patterns import ConsoleSession, Line, Pattern, Prompt
from flowrunner.console.regexes import Regex
from flowrunner.console.scan import for_prompts
from flowrunner.console.search import search
from flowrunner.console.text import last_lines, shown, without_kernel_messages
from flowrunner.errors import ExpectationError
from flowrunner.interfaces.console import Console
from flowrunner.model import Duration, SecretText
from flowrunner.step import Context, Outputs, Step

REFUSED = r"[Ll]ogin incorrect|[Ll]ogin failed|[Aa]uthentication failure|[Pp]ermission denied|[Aa]ccess denied"
TRIES = 3
TAIL = 4096

Answer = Literal["name", "password", "shell", "refused", "broken"]


class LoginOutputs(Outputs):
    """Where the login led to."""

    prompt: str
    """The shell's prompt as it looked, such as `root@board:~# `."""

    at: Duration
    """When it was there, since the run started."""


class Login(Step):
    r"""Log in at the console's login prompt, and wait for the shell's.

    Works when the login prompt has been matched before, when the user is logged in already, and when kernel messages
    break a prompt: once the console has been quiet for `poke`, an empty line asks for a new one. The three prompts are
    regular expressions that must match at the very end of the output.

    ```yaml
    steps:
      - login: root
      - login: {username: root, password: "${{ secrets.root_password }}"}
      - login: {username: admin, password: "${{ secrets.root_password }}", prompt: 'admin@\S+> ', within: 2m}
    ```
    """

    shorthand = "username"
    kind = "setup"
    interfaces = (Console,)

    username: str = Field(min_length=1)
    """Who logs in."""

    password: SecretText | None = None
    """The password; without one, being asked for it is an error."""

    login_prompt: Regex = "[Ll]ogin: ?"
    """What asks for the user's name."""

    password_prompt: Regex = "[Pp]assword: ?"
    """What asks for the password."""

    prompt: Regex = "(?<!=)[#$>] ?"
    """What the shell ends its prompt with."""

    within: Duration = Duration(60)
    """How long all of it may take."""

    poke: Duration = Duration(5)
    """For how long the console must be quiet before an empty line is sent to get a prompt."""

    async def run(self, context: Context) -> LoginOutputs:
        dialogue = _Dialogue(self, context.console())
        with anyio.move_on_after(self.within):
            await dialogue.run()
            return LoginOutputs(prompt=dialogue.last_line(), at=context.now())
        raise ExpectationError(
            f"'{self.username}' was not logged in within {self.within}: no {dialogue.waits_for}",
            cause="timeout", said=dialogue.said(),
        )  # fmt: skip


class _Dialogue:
    """One login; `waits_for` says how far it has come."""

    def __init__(self, step: Login, console: ConsoleSession) -> None:
        self._step = step
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
            await self._type(self._step.username)
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
        asked: tuple[tuple[Answer, str], ...] = (("name", self._step.login_prompt), ("shell", self._step.prompt))
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
                match = await self._console.expect([pattern for _, pattern in wanted], within=self._step.poke)
            except ExpectationError:
                if self._console.end == before:
                    await self._type("")
                continue
            return wanted[match.index][0]

    def _patterns(self, answer: Answer) -> tuple[Pattern, ...]:
        """What to look for; a prompt inside a complete line was broken by a message of the kernel."""
        step = self._step
        patterns: dict[Answer, tuple[Pattern, ...]] = {
            "name": (Prompt(step.login_prompt, regex=True),),
            "broken": (Line(step.login_prompt),),
            "password": (Prompt(step.password_prompt, regex=True), Line(step.password_prompt)),
            "shell": (Prompt(step.prompt, regex=True, settle=0.1),),
            "refused": (Line(REFUSED),),
        }
        return patterns[answer]

    async def _type_password(self) -> None:
        if self._step.password is None:
            raise ExpectationError(
                f"a password was asked for '{self._step.username}', and none is given", said=self.said(),
                help="add password: ${{ secrets.NAME }}",
            )  # fmt: skip
        await self._type(self._step.password, secret=True)

    async def _type(self, text: str, *, secret: bool = False) -> None:
        await self._console.send(text.encode() + b"\n", secret=secret)

    def _refused(self) -> ExpectationError:
        return ExpectationError(
            f"'{self._step.username}' was not let in", said=self.said(), help="check username and password"
        )

    def last_line(self) -> str:
        """The unfinished line at the end of the output."""
        raw = self._console.read(max(0, self._console.end - TAIL))
        return shown(for_prompts(raw[: without_kernel_messages(raw)].rpartition(b"\n")[2]))

    def said(self) -> str | None:
        """The last lines of the console."""
        return last_lines(self._console.read(max(0, self._console.end - TAIL)))
