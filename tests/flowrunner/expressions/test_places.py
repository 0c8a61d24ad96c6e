"""An offset in a scalar's value is a place in the file, however the scalar is written."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowrunner.errors import PipelineErrors
from flowrunner.expressions import parse
from flowrunner.source import Mapping, Scalar
from flowrunner.source import parse as read

TEXT = st.lists(st.text("ab'\"\\xé\U0001f600", min_size=1, max_size=6), min_size=1, max_size=4).map(" ".join)
PIECES = st.lists(TEXT, min_size=0, max_size=4)


def wrong_word(source: str) -> tuple[str, str]:
    """The characters that the one error in the value of k points at, and the value."""
    root = read(source, "t.yaml").root
    assert isinstance(root, Mapping)
    node = root.get("k")
    assert isinstance(node, Scalar)
    with pytest.raises(PipelineErrors) as caught:
        parse(str(node.value), node.where, source=source, names={})
    (error,) = caught.value.errors
    assert error.where is not None and error.where.line == error.where.end_line
    return source.split("\n")[error.where.line - 1][error.where.column - 1 : error.where.end_column - 1], str(
        node.value
    )


@given(PIECES, PIECES)
def test_in_double_quotes(before: list[str], after: list[str]) -> None:
    text = "\n".join([*before, "${{ wrong }}", *after])
    assert wrong_word("k: " + json.dumps(text, ensure_ascii=False) + "\n") == ("wrong", text)


@given(PIECES, PIECES)
def test_in_single_quotes_on_several_lines(before: list[str], after: list[str]) -> None:
    text = " ".join([*before, "${{ wrong }}", *after])
    written = "\n   ".join(line.replace("'", "''") for line in [*before, "${{ wrong }}", *after])
    assert wrong_word(f"k: '{written}'\n") == ("wrong", text)


@given(PIECES, PIECES, st.sampled_from(["|", ">", "|-", ">-", "|+", "&anchor |", "|  # a comment"]))
def test_in_blocks(before: list[str], after: list[str], style: str) -> None:
    written = "\n    ".join([*before, "x ${{ wrong }}", *after])
    assert wrong_word(f"k: {style}\n    {written}\nl: 1\n")[0] == "wrong"


@pytest.mark.parametrize(
    "source",
    [
        "k: ${{ wrong }}\n", "k: &a ${{ wrong }}\n", "k: &wrong '${{ wrong }}'\n", "k: it ${{\n  wrong }} is\n",
        "k: >\n\n  a\n\n    b\n  ${{ wrong }}\n", "k: |2\n    ${{ wrong }}\n", 'k: "a \\\n  ${{ wrong }}"\n',
        'k: "a\n\n  ${{ wrong }}"\n', "{k: '${{ wrong }}'}\n", 'k: "\\x41\\u00e9\\U0001F600${{ wrong }}"\n',
        "k: |\r\n  a\r\n  ${{ wrong }}\r\n", "k: 'a\u2028 ${{ wrong }}'\n",
    ],
)  # fmt: skip
def test_in_every_style(source: str) -> None:
    assert wrong_word(source.replace("\r\n", "\n"))[0] == "wrong"
