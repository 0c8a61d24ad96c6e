import json

from flowrunner.errors import BenchError, PipelineError, Span
from flowrunner.report.diagnostics import render

TEXT = "steps:\n  - expect: {pattern: 'U-Boot', within: 10}\n\twide 電源: x\n" + "k: " + "y" * 300 + "\n"


def error(line: int, start: int, end: int, what: str = "it is wrong", help: str | None = "mend it") -> PipelineError:
    return PipelineError(what, code="a-rule", where=Span("a.yaml", line, start, line, end), help=help)


def test_shows_the_line_with_carets_and_the_hint() -> None:
    shown = render(
        [error(2, 41, 43, "within needs a duration, got the number 10", "add a unit: 10s, 10m")], {"a.yaml": TEXT}
    )
    assert shown.splitlines() == [
        "a.yaml:2:41: error: within needs a duration, got the number 10",
        "    2 |   - expect: {pattern: 'U-Boot', within: 10}",
        "      |                                         ^^ add a unit: 10s, 10m",
    ]


def test_tabs_and_wide_characters_keep_the_carets_right() -> None:
    line, carets = render([error(3, 7, 9)], {"a.yaml": TEXT}).splitlines()[1:]
    assert line.endswith("wide 電源: x")
    assert carets == "      |       ^^^^ mend it"


def test_a_long_line_is_cut_around_the_place() -> None:
    line, carets = render([error(4, 200, 203)], {"a.yaml": TEXT}).splitlines()[1:]
    assert len(line) < 130
    assert line[carets.index("^") : carets.index("^") + 3] == "yyy"


def test_without_the_file_the_hint_has_a_line_of_its_own() -> None:
    assert render([error(2, 1, 2)], {}) == "a.yaml:2:1: error: it is wrong\n  help: mend it"


def test_at_most_twenty_are_shown() -> None:
    shown = render([error(1, 1, 2)] * 23, {})
    assert shown.count("error:") == 20
    assert shown.endswith("and 3 more")


def test_what_the_device_said_is_shown() -> None:
    assert render([BenchError("it broke", said="one\ntwo")], {}).splitlines()[1:] == ["  | one", "  | two"]


def test_github_commands_are_escaped() -> None:
    shown = render([error(2, 3, 4, "50% of\nthis: that")], {}, format="github")
    assert shown == "::error file=a.yaml,line=2,col=3,endLine=2,title=a-rule::50%25 of%0Athis: that (mend it)"


def test_json_and_gitlab_can_be_read_back() -> None:
    (found,) = json.loads(render([error(2, 3, 4)], {}, format="json"))
    assert (found["line"], found["column"], found["code"], found["help"]) == (2, 3, "a-rule", "mend it")
    (entry,) = json.loads(render([error(2, 3, 4)], {}, format="gitlab"))
    assert entry["location"] == {"path": "a.yaml", "lines": {"begin": 2}}
    assert len(entry["fingerprint"]) == 64
