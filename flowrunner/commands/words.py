"""Taking a command line apart: what belongs to the method, what to every command."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from flowrunner.commands.method import REQUIRED, Parameter
from flowrunner.commands.reading import read, repeats, usage
from flowrunner.errors import near


@dataclass(slots=True)
class Line:
    """A command line that was understood: the values of the parameters, and which were written out."""

    values: dict[str, Any] = field(default_factory=dict)
    help: bool = False


def parse(
    words: Sequence[str], parameters: Sequence[Parameter], options: Sequence[Parameter] = (),
    spellings: Mapping[str, str] | None = None,
) -> Line:  # fmt: skip
    """Take `words` apart. `parameters` may be positional or options, `options` only the latter.

    `spellings` are other names of options, such as `-o` for `--output`. Behind `--` all is positional.

    Raises:
        PipelineError: an unknown option, too much, too little, or a value that does not fit.
    """
    line = Line()
    known = {each.option: each for each in (*options, *parameters)}
    known |= {short: known[long] for short, long in (spellings or {}).items() if long in known}
    given: dict[str, list[str]] = {}
    left = list(words)
    while left:
        word = left.pop(0)
        if word in ("-h", "--help"):
            line.help = True
            return line
        if word == "--":
            _place(left, parameters, given)
            break
        if re.match(r"-[A-Za-z-]", word):
            _option(word, left, known, given)
        else:
            _place([word], parameters, given)
    _read(line, given, {each.name: each for each in known.values()})
    missing = [each for each in parameters if each.default is REQUIRED and each.name not in line.values]
    if missing:
        raise usage(f"{missing[0].name.upper()} is missing", "--help shows what the command takes")
    return line


def _option(word: str, left: list[str], known: Mapping[str, Parameter], given: dict[str, list[str]]) -> None:
    name, sign, value = word.partition("=")
    name = name if not name.startswith("--") else name.replace("_", "-")
    negated = known.get("--" + name.removeprefix("--no-"))
    if name.startswith("--no-") and name not in known and negated and negated.flag and not sign:
        given[negated.name] = ["false"]
        return
    if name not in known:
        raise usage(f"there is no option {name}", near(name, known))
    parameter = known[name]
    if parameter.flag and not sign:
        given[parameter.name] = ["true"]
        return
    if not sign:
        if not left:
            raise usage(f"{name} needs a value")
        value = left.pop(0)
    if parameter.name in given and not repeats(parameter.annotation):
        raise usage(f"{name} is written twice")
    given.setdefault(parameter.name, []).append(value)


def _place(words: list[str], parameters: Sequence[Parameter], given: dict[str, list[str]]) -> None:
    """Give each of `words` to the first parameter that has nothing yet; a list takes all that come."""
    for word in words:
        parameter = next((p for p in parameters if p.name not in given or repeats(p.annotation)), None)
        if parameter is None:
            raise usage(f"'{word}' is too much", "--help shows what the command takes")
        given.setdefault(parameter.name, []).append(word)


def _read(line: Line, given: Mapping[str, list[str]], parameters: Mapping[str, Parameter]) -> None:
    for name, words in given.items():
        line.values[name] = read(parameters[name].annotation, words, parameters[name].option)
