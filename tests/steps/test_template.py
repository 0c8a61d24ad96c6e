from pathlib import Path
from typing import Any

import pytest

from flowrunner.errors import PipelineError
from flowrunner_steps.template import Template
from tests.support.context import RecordingContext

pytestmark = pytest.mark.anyio

TEXT = """\
# ${{ board }}
{% for server in servers %}
  {% if loop.first %}
primary ${{ server }}
  {% else %}
server ${{ server }}
  {% endif %}
{% endfor %}
"""


async def test_renders_expressions_and_statements_into_a_kept_file(tmp_path: Path) -> None:
    (tmp_path / "ntp.conf.j2").write_text(TEXT)
    context = RecordingContext(tmp_path)
    outputs = await Template(src="ntp.conf.j2", values={"board": "rpi4", "servers": ["a", "b"]}).run(context)
    assert Path(outputs.path).read_text() == "# rpi4\nprimary a\nserver b\n"
    assert [path.name for path in context.told.artifacts] == ["ntp.conf"]


async def test_values_never_become_code(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("${{ text }}")
    outputs = await Template(src="a", values={"text": "${{ 1 + 1 }}{% if x %}"}).run(RecordingContext(tmp_path))
    assert Path(outputs.path).read_text() == "${{ 1 + 1 }}{% if x %}"


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        ("ok\n${{ bord }}\n", 2, "bord"),
        ("ok\n\n{% for %}", 3, "Expected"),
        ("{% if a %}", 1, "Unexpected end of template"),
        ("x\n${{ 'a' * 99999999 }}", 2, "more than"),
        ("${{ board.__class__ }}", 1, "__class__"),
        ("a\n{% include 'x' %}", 2, "loader"),
    ],
)
async def test_says_which_line_is_wrong(tmp_path: Path, text: str, line: int, says: str) -> None:
    (tmp_path / "a.j2").write_text(text)
    values: dict[str, Any] = {"board": "rpi4"}
    with pytest.raises(PipelineError) as caught:
        await Template(src="a.j2", values=values).run(RecordingContext(tmp_path))
    assert says in caught.value.what
    assert str(caught.value.where) == f"{tmp_path}/a.j2:{line}:1"


async def test_a_template_cannot_grow_without_bounds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("flowrunner_steps._render.LARGEST", 1000)
    (tmp_path / "a.j2").write_text("{% for a in range(90) %}{% for b in range(90) %}x{% endfor %}{% endfor %}")
    with pytest.raises(PipelineError, match="the file would have more than 1000 characters"):
        await Template(src="a.j2").run(RecordingContext(tmp_path))


async def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(PipelineError, match=r"the template '.*gone.j2' cannot be read: No such file"):
        await Template(src="gone.j2").run(RecordingContext(tmp_path))
