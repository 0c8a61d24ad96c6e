from pathlib import Path

import pytest

from flowrunner.errors import ExpectationError
from flowrunner_steps.artifact import Artifact
from tests.support.context import RecordingContext

pytestmark = pytest.mark.anyio


async def test_keeps_a_file_of_the_pipelines_folder(tmp_path: Path) -> None:
    (tmp_path / "boot.log").write_text("hello")
    context = RecordingContext(tmp_path)
    assert (await Artifact(path="boot.log").run(context)).files == ["boot.log"]
    (tmp_path / "boot.log").write_text("changed later")
    assert [path.read_text() for path in context.told.artifacts] == ["hello"]


async def test_understands_patterns_and_keeps_files_of_one_name_apart(tmp_path: Path) -> None:
    for folder in ("a", "b"):
        (tmp_path / "logs" / folder).mkdir(parents=True)
        (tmp_path / "logs" / folder / "x.txt").write_text(folder)
    context = RecordingContext(tmp_path)
    assert (await Artifact(path=["logs/**/*.txt"]).run(context)).files == ["x.txt", "x-2.txt"]
    assert [path.read_text() for path in context.told.artifacts] == ["a", "b"]


async def test_a_name_with_brackets_is_a_name_when_there_is_such_a_file(tmp_path: Path) -> None:
    (tmp_path / "log[1].txt").write_text("")
    assert (await Artifact(path="log[1].txt").run(RecordingContext(tmp_path))).files == ["log[1].txt"]


@pytest.mark.parametrize("path", ["gone.txt", "gone/*.txt"])
async def test_finding_none_is_a_miss_unless_it_is_optional(tmp_path: Path, path: str) -> None:
    with pytest.raises(ExpectationError, match="there is no file 'gone"):
        await Artifact(path=path).run(RecordingContext(tmp_path))
    assert (await Artifact(path=path, optional=True).run(RecordingContext(tmp_path))).files == []


async def test_a_folder_is_refused_with_the_pattern_for_its_files(tmp_path: Path) -> None:
    with pytest.raises(ExpectationError, match="'work/' is a folder") as caught:
        await Artifact(path="work/").run(RecordingContext(tmp_path))
    assert caught.value.help == "name its files: work/**/*"
