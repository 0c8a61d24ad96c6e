import math
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


@given(st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), max_size=40))
def test_quoted_text_is_that_text_and_its_span_holds_it(text: str) -> None:
    assume("\u2028" not in text and "\u2029" not in text and "\ufeff" not in text)
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
