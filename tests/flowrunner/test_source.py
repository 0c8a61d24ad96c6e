import json
import math
import re
from pathlib import Path

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from ruamel.yaml import YAML

from flowrunner.errors import PipelineErrors
from flowrunner.source import Mapping, Scalar, Sequence, load, parse, plain


def value(text: str) -> object:
    root = parse(f"k: {text}\n", "t.yaml").root
    assert isinstance(root, Mapping)
    return plain(root)["k"]


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("on", "on"), ("off", "off"), ("yes", "yes"), ("No", "No"), ("y", "y"), ("52:54:00:12:34:56", "52:54:00:12:34:56"),
        ("1.10", 1.10), ("'1.10'", "1.10"), ("007", 7), ("0o17", 15), ("0x10", 16), ("0b1", "0b1"), ("1_000", "1_000"),
        ("1e3", 1000.0), ("2024-01-01", "2024-01-01"), ("null", None), ("~", None), ("", None), ("true", True),
        ("False", False), ("tRue", "tRue"), (".inf", math.inf), ("-.INF", -math.inf), ("12:30:45", "12:30:45"), ("+", "+"),
        (".", "."), ("-", [None]), ("1.2.3", "1.2.3"), ("=", "="),
    ],
)  # fmt: skip
def test_plain_scalars_follow_the_core_schema_of_yaml_1_2(text: str, wanted: object) -> None:
    if text != "-":
        assert value(text) == wanted
        assert type(value(text)) is type(wanted)


def test_nan_is_a_number() -> None:
    found = value(".nan")
    assert isinstance(found, float) and math.isnan(found)


@given(
    st.one_of(st.integers(), st.floats(allow_nan=False).map(repr), st.sampled_from(["0o7", "0xfF", "1.", ".5", "-1e9"]))
)
def test_numbers_agree_with_ruamel(number: object) -> None:
    oracle = YAML(typ="safe", pure=True)
    wanted = oracle.load(f"k: {number}\n")["k"]
    assume(not isinstance(wanted, str))
    assert value(str(number)) == wanted


def differs(text: str) -> bool:
    """Where ruamel.yaml reads more into a plain scalar than the core schema does."""
    return "_" in text or bool(re.match(r"[-+]?0b|[-+]0[xo]|[-+]?[0-9][0-9.]*:|[<=]|[0-9]{4}-", text))


@given(st.text("0123456789.+-eExXoOaAfFnNtruUlLsiI~ :_b=", min_size=1, max_size=12))
def test_plain_scalars_agree_with_ruamel_where_it_keeps_to_the_schema(text: str) -> None:
    text = text.strip()
    assume(text and not differs(text) and not text.startswith("- ") and text != "-" and ": " not in text)
    assume(not text.endswith(":") and text[0] != ":")
    wanted = YAML(typ="safe", pure=True).load(f"k: {text}\n")["k"]
    found = value(text)
    assert type(found) is type(wanted)
    assert found == wanted or (repr(found) == repr(wanted) == "nan")


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
        | st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cn"])),
        lambda inner: st.lists(inner, max_size=4)
        | st.dictionaries(st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cn"]), min_size=1), inner, max_size=4),
        max_leaves=20,
    )
)  # fmt: skip
def test_json_is_yaml(data: object) -> None:
    written = json.dumps(data, ensure_ascii=False)
    assume("\x7f" not in written and "\ufeff" not in written and not re.search("[\x80-\x84\x86-\x9f]", written))
    root = parse(written, "t.yaml").root
    assert root is not None
    assert plain(root) == data


@given(st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs", "Cn"]), max_size=40))
def test_quoted_text_is_that_text_and_its_span_holds_it(text: str) -> None:
    assume("\ufeff" not in text)
    written = "'" + text.replace("'", "''") + "'"
    source = f"k: {written}\n"
    root = parse(source, "t.yaml").root
    assert isinstance(root, Mapping)
    node = root.get("k")
    assert isinstance(node, Scalar)
    assert node.value == text
    assert source[node.where.column - 1 : node.where.end_column - 1] == written


def test_each_node_has_its_place() -> None:
    root = parse("a:\n  - x: 'y z'\n    u: |\n      t\n  - 2\n", "t.yaml").root
    assert isinstance(root, Mapping)
    items = root.get("a")
    assert isinstance(items, Sequence)
    first = items.items[0]
    assert isinstance(first, Mapping)
    assert (first.where.line, first.where.column) == (2, 5)
    assert str(items.items[1].where) == "t.yaml:5:5"
    key = first.key("u")
    assert key is not None and str(key.where) == "t.yaml:3:5"


BROKEN = {
    "a: 1\na: 2\n": ("2:1", "duplicate-key", "the key 'a' is there twice"),
    "b:\n  <<: {}\n": ("2:3", "merge-key", "merge keys are not part of the language"),
    "a: !!str 3\n": ("1:4", "tag", "the tag '!!str' is not part of the language"),
    "a: &q !t x\n": ("1:4", "tag", "the tag '!t' is not part of the language"),
    "a: 1\n---\nb: 1\n": ("2:1", "several-documents", "there is more than one document"),
    "a: *x\n": ("1:4", "unknown-alias", "the alias has no anchor before it"),
    "a: !x\n": ("1:4", "tag", "the tag '!x' is not part of the language"),
    "!x a: 1\n": ("1:1", "tag", "the tag '!x' is not part of the language"),
    "a: !<tag:x> 1\n": ("1:4", "tag", "the tag '!<tag:x>' is not part of the language"),
    "? \n: 1\n": ("1:2", "bad-key", "a key must be text"),
    "a: {{ x }}\n": ("1:5", "bad-key", "a key must be text"),
    "a: 1\nb: 'x\nc: 1\n": ("2:4", "syntax", "the quote that begins here is not closed"),
    'a: "\\d"\n': ("1:5", "syntax", "the text has a backslash that means nothing"),
    "a: 1\nb\nc: 2\n": ("2:1", "syntax", "there is no ':' behind this key"),
    "a: - b\n": ("1:4", "syntax", "a '-' is not allowed here"),
    "a: \x1b\n": ("1:4", "syntax", "a control character is not allowed here"),
    "a: 'x\ty' z\n": ("1:10", "syntax", "this line does not fit what is above it"),
    "a: [1\nb: 2\n": ("2:2", "syntax", "this line does not fit what is above it"),
    "a: \ud800\n": ("1:4", "bad-encoding", "the character U+D800 is not valid"),
    "a: &x [*x]\n": ("1:4", "recursive-alias", "an alias stands inside its own anchor"),
    "a:\n\t- b\n": ("2:1", "syntax", "a tab cannot indent"),
    "a: b: c\n": ("1:5", "syntax", "a ':' is not allowed here"),
    "a: @x\n": ("1:4", "syntax", "this cannot stand here"),
    "true: 1\n": ("1:1", "bad-key", "a key must be text"),
    "? [a]\n: b\n": ("1:3", "bad-key", "a key must be text"),
    "a: " + "[" * 150 + "]" * 150 + "\n": (
        "1:104",
        "too-large",
        "the file is more than 100 levels deep, aliases written out",
    ),
}


@pytest.mark.parametrize("text", BROKEN)
def test_what_the_language_does_not_have_is_refused_at_its_place(text: str) -> None:
    place, code, what = BROKEN[text]
    with pytest.raises(PipelineErrors) as caught:
        parse(text, "t.yaml")
    (error,) = caught.value.errors
    assert error.where is not None
    assert (error.where.short, error.code, error.what) == (place, code, what)


def test_colons_in_flow_mappings_are_yaml_1_2() -> None:
    root = parse("k: {mac: 52:54:00:12:34:56, path: usb-0:0, u: http://h:1/x}\n", "t.yaml").root
    assert root is not None
    assert plain(root) == {"k": {"mac": "52:54:00:12:34:56", "path": "usb-0:0", "u": "http://h:1/x"}}


def test_independent_errors_come_together() -> None:
    with pytest.raises(PipelineErrors) as caught:
        parse("a: 1\na: 2\n<<: {}\nb: !x y\n", "t.yaml")
    assert [error.code for error in caught.value.errors] == ["duplicate-key", "merge-key", "tag"]


def test_a_bomb_of_aliases_is_refused_quickly() -> None:
    lines = ["a0: &a0 [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 12)]
    with pytest.raises(PipelineErrors, match="more than 100000 values"):
        parse("\n".join(lines), "t.yaml")


@pytest.mark.parametrize(
    "text", ["[" * 200_000, "{" * 200_000, "- " * 5000, "? " * 5000, "[" * 100_000 + "]" * 100_000]
)
def test_bottomless_nesting_is_refused_at_once(text: str) -> None:
    with pytest.raises(PipelineErrors, match="more than 100 levels deep"):
        parse(text, "t.yaml")


def test_aliases_cannot_dig_deeper_than_brackets() -> None:
    lines = ["a0: &a0 [1]", *(f"a{n}: &a{n} [*a{n - 1}]" for n in range(1, 120))]
    with pytest.raises(PipelineErrors, match="more than 100 levels deep, aliases written out"):
        parse("\n".join(lines), "t.yaml")


@pytest.mark.parametrize("text", ["a: 1\r\nb: 2\r\nb: 3\r\n", "a: 1\rb: 2\rb: 3\r", "a: '\u2028\x85'\nb: 2\nb: 3\n"])
def test_lines_are_those_of_yaml_1_2(text: str) -> None:
    with pytest.raises(PipelineErrors) as caught:
        parse(text, "t.yaml")
    assert [str(error.where) for error in caught.value.errors] == ["t.yaml:3:1"]


def test_line_breaks_of_yaml_1_1_are_text() -> None:
    assert value("'a\u2028b\u2029c\x85d'") == "a\u2028b\u2029c\x85d"


def test_an_anchor_is_no_part_of_what_it_names() -> None:
    root = parse("a: &first 'x y'\nb: *first\nc: &second\n  z\nd: &third\n", "t.yaml").root
    assert isinstance(root, Mapping)
    assert plain(root) == {"a": "x y", "b": "x y", "c": "z", "d": None}
    places = [node.where for name in "abc" if (node := root.get(name))]
    assert [(where.short, where.end_column) for where in places] == [("1:11", 16), ("1:11", 16), ("4:3", 4)]


def help_of(text: str) -> str:
    with pytest.raises(PipelineErrors) as caught:
        parse(text, "t.yaml")
    return caught.value.errors[0].help or ""


def test_hints_say_what_to_do() -> None:
    assert help_of("b: {a: ${{ x }}}\n") == "inside { } and [ ] put an expression in quotes"
    assert help_of("a: [1\nb: 2\n") == "a ',' is missing, or the '[' at 1:4 is not closed"
    assert help_of('a: "U-Boot (\\S+)"\n').startswith("in double quotes write")
    assert help_of("a: &first 1\nb: *frist\n") == "did you mean 'first'?"
    assert "${{ ... }}" in help_of("a: {{ x }}\n")


@given(st.text("ab:-?[]{}&*!|>'\"%@`#, \n\t~<=1.", max_size=40))
def test_any_text_is_read_or_refused_at_a_place_inside_it(text: str) -> None:
    try:
        parse(text, "t.yaml")
    except PipelineErrors as several:
        lines = text.split("\n")
        for error in several.errors:
            assert error.where and error.code and error.help
            assert 1 <= error.where.line <= len(lines)
            assert 1 <= error.where.column <= len(lines[error.where.line - 1]) + 1


def test_files_that_cannot_be_read_say_why(tmp_path: Path) -> None:
    with pytest.raises(PipelineErrors, match="no such file"):
        load(tmp_path / "none.yaml")
    with pytest.raises(PipelineErrors, match="is a directory"):
        load(tmp_path)
    bad = tmp_path / "bad.yaml"
    bad.write_bytes(b"a: 1\nb: \xff\n")
    with pytest.raises(PipelineErrors) as caught:
        load(bad, name="bad.yaml")
    assert str(caught.value.errors[0].where) == "bad.yaml:2:4"


def test_a_byte_order_mark_is_no_part_of_the_text(tmp_path: Path) -> None:
    path = tmp_path / "bom.yaml"
    path.write_bytes(b"\xef\xbb\xbfa: 1\n")
    root = load(path).root
    assert root is not None and plain(root) == {"a": 1}
