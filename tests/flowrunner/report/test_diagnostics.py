import json
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowrunner.errors import BenchError, ExpectationError, PipelineError, PipelineErrors, Span
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


def test_all_errors_of_a_pipeline_are_shown() -> None:
    shown = render([PipelineErrors([error(2, 1, 2, "one"), error(1, 1, 2, "two")])], {"a.yaml": TEXT})
    assert [line for line in shown.splitlines() if "error:" in line] == [
        "a.yaml:1:1: error: two",
        "a.yaml:2:1: error: one",
    ]


def test_a_missed_expectation_has_failed() -> None:
    assert render([ExpectationError("prompt not seen within 25s")], {}) == "failed: prompt not seen within 25s"
    assert render([ExpectationError("no prompt", outcome="errored")], {}) == "error: no prompt"


def test_only_the_line_breaks_of_yaml_count() -> None:
    text = "a: \u2028\x85\x0c\r\nb: 1\rc: 2\n"
    assert render([error(3, 1, 2)], {"a.yaml": text}).splitlines()[1] == "    3 | c: 2"


def test_a_byte_order_mark_moves_no_caret() -> None:
    assert render([error(1, 1, 2)], {"a.yaml": "\ufeffa: 1"}).splitlines()[1:] == ["    1 | a: 1", "      | ^ mend it"]


def test_nothing_in_an_error_commands_the_terminal() -> None:
    bad = "\x1b[2Jx\x07"
    shown = render([error(1, 1, 2, bad, bad), BenchError(bad, said=bad)], {"a.yaml": bad})
    assert all(char.isprintable() or char == "\n" for char in shown)


def test_colours_are_only_there_when_they_are_wanted() -> None:
    assert "\x1b[31merror:" in render([error(1, 1, 2)], {"a.yaml": TEXT}, color=True)
    assert "\x1b" not in render([error(1, 1, 2)], {"a.yaml": TEXT})


def columns(text: str) -> int:
    return sum(
        0 if unicodedata.category(c) in ("Mn", "Me") else 2 if unicodedata.east_asian_width(c) in "WF" else 1
        for c in text
    )


@given(st.text(max_size=250), st.integers(0, 260), st.integers(1, 300))
def test_carets_stand_below_the_place_in_every_line(line: str, start: int, length: int) -> None:
    line = line.translate(dict.fromkeys(map(ord, "\r\n\ufeff")))
    start = min(start, len(line))
    shown, carets = render([error(1, start + 1, start + 1 + length, help=None)], {"a.yaml": line}).split("\n")[1:]
    before = carets.index("^")
    marked = line[start : start + min(length, 110)]
    flat = "".join(" " if c == "\t" else c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in marked)
    position = 0
    while columns(shown[:position]) < before:
        position += 1
    while flat and not shown[position:].startswith(flat) and columns(shown[position : position + 1]) == 0:
        position += 1
    assert shown[position:].startswith(flat)
    assert carets.count("^") == max(1, columns(flat))
    assert len(shown) < 300


def test_fingerprints_stay_when_lines_move_and_are_unique() -> None:
    def prints(*errors: PipelineError) -> list[str]:
        return [entry["fingerprint"] for entry in json.loads(render(errors, {}, format="gitlab"))]

    assert prints(error(2, 3, 4)) == prints(error(7, 3, 4))
    assert len(set(prints(error(2, 3, 4), error(3, 3, 4)))) == 2


@pytest.mark.parametrize("format", ["text", "json", "github", "gitlab"])
def test_what_is_no_unicode_can_be_printed(format: str) -> None:
    where = Span("\udcff.yaml", 1, 1, 1, 2)
    render([PipelineError("\udcff", code="x", where=where)], {}, format=format).encode()


@pytest.mark.parametrize("format", ["text", "json", "github", "gitlab"])
def test_no_error_has_no_place_that_is_needed(format: str) -> None:
    assert "it broke" in render([BenchError("it broke", help="mend it")], {}, format=format)
