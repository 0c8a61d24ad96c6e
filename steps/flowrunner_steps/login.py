"""Log in on the console."""

from __future__ import annotations

from pydantic import Field

from flowrunner.console.login import LOGIN_PROMPT, PASSWORD_PROMPT, SHELL_PROMPT, Account, log_in
from flowrunner.console.regexes import Regex
from flowrunner.interfaces.console import Console
from flowrunner.model import Duration, SecretText
from flowrunner.step import Context, Outputs, Step


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

    login_prompt: Regex = LOGIN_PROMPT
    """What asks for the user's name."""

    password_prompt: Regex = PASSWORD_PROMPT
    """What asks for the password."""

    prompt: Regex = SHELL_PROMPT
    """What the shell ends its prompt with."""

    within: Duration = Duration(60)
    """How long all of it may take."""

    poke: Duration = Duration(5)
    """For how long the console must be quiet before an empty line is sent to get a prompt."""

    async def run(self, context: Context) -> LoginOutputs:
        account = Account(
            self.username, self.password, self.login_prompt, self.password_prompt, self.prompt, poke=self.poke
        )
        prompt = await log_in(context.console(), account, within=self.within)
        return LoginOutputs(prompt=prompt, at=context.now())
