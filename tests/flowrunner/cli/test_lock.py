"""`flow lock`, `--frozen` and `flow vendor`, with real repositories, registries and servers that go away."""

from __future__ import annotations

import hashlib
import re
import shutil
from pathlib import Path

import pytest

from flowrunner.pipeline.lock import NAME
from tests.flowrunner.pipeline.test_git import LIBRARY, Repository
from tests.support.flow import Workplace
from tests.support.registry import needs_registry, registry
from tests.support.shelf import Shelf
from tests.support.stores import web_server

pytestmark = pytest.mark.machine

TEMPLATE = "flow: 1\ninclude: {a: {git: '%s', ref: main, path: lib/a.yaml}}\nsteps: [{call: a.say}]\n"


class Desk(Workplace):
    """A folder with a pipeline that includes from a repository."""

    def __init__(self, folder: Path, repository: Repository) -> None:
        super().__init__(folder)
        object.__setattr__(self, "repository", repository)
        (folder / "p.yaml").write_text(TEMPLATE % repository.url)

    def does(self, *words: str, status: int = 0) -> str:
        """Run `flow`; returns all that it said."""
        done = self.flow(*words, FLOW_CACHE_DIR=str(self.folder / "cache"))
        said = (done.stdout + done.stderr).decode()
        assert done.returncode == status, said
        return said

    @property
    def text(self) -> str:
        return (self.folder / NAME).read_text()


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository(tmp_path)


@pytest.fixture
def desk(tmp_path: Path, repository: Repository) -> Desk:
    folder = tmp_path / "desk"
    folder.mkdir()
    return Desk(folder, repository)


def test_what_is_locked_is_what_a_frozen_run_uses_when_the_branch_has_moved(desk: Desk, repository: Repository) -> None:
    first = repository.git("rev-parse", "HEAD")
    desk.does("lock", "p.yaml")
    digest = hashlib.sha256((LIBRARY % "one").encode()).hexdigest()
    assert f"{repository.url}@main" in desk.text
    assert first in desk.text
    assert digest in desk.text
    repository.write("lib/a.yaml", LIBRARY % "two")
    repository.commit()
    desk.does("run", "p.yaml", "--frozen")
    assert said(desk) == "one"
    desk.does("run", "p.yaml")
    assert said(desk) == "two"


def said(desk: Desk) -> str:
    """What the newest run logged."""
    return "\n".join(str(event.get("message")) for event in desk.journal if event["event"] == "log")


def test_the_same_things_make_the_same_file_and_check_sees_a_difference(desk: Desk, repository: Repository) -> None:
    assert "changes" in desk.does("lock", "p.yaml")
    before = desk.text
    assert "up to date" in desk.does("lock", "--check")
    repository.write("lib/a.yaml", LIBRARY % "two")
    second = repository.commit()
    out = desk.does("lock", "--check", status=2)
    assert f"-> {second}" in out
    assert desk.text == before
    assert "up to date" in desk.does("lock", "--check", "--keep")
    desk.does("lock")
    assert second in desk.text


def test_what_is_not_locked_is_refused_with_its_place(desk: Desk, repository: Repository) -> None:
    assert "there is no flow.lock beside p.yaml" in desk.does("check", "p.yaml", "--frozen", status=2)
    desk.does("lock", "p.yaml")
    (desk.folder / "q.yaml").write_text(TEMPLATE % repository.url)
    assert "q.yaml is not in flow.lock" in desk.does("plan", "q.yaml", "--frozen", status=2)
    repository.git("branch", "next")
    (desk.folder / "p.yaml").write_text((TEMPLATE % repository.url).replace("main", "next"))
    out = desk.does("run", "p.yaml", "--frozen", status=2)
    assert f"p.yaml:2:20: error: '{repository.url}@next' is not in flow.lock" in out
    assert not (desk.folder / "runs").exists()


def test_another_version_of_flow_is_refused_and_shown(desk: Desk) -> None:
    desk.does("lock", "p.yaml")
    lines = [line if "flowrunner:" not in line else "  flowrunner: 0.0.9" for line in desk.text.splitlines()]
    (desk.folder / NAME).write_text("\n".join(lines) + "\n")
    out = desk.does("check", "p.yaml", "--frozen", status=2)
    assert "and 0.0.9 in flow.lock" in out
    assert f"{NAME}:{len(lines)}:" in out


def test_a_damaged_lock_is_told(desk: Desk) -> None:
    (desk.folder / NAME).write_text("lock: 2\nimges: {}\n")
    out = desk.does("check", "p.yaml", "--frozen", status=2)
    assert "did you mean 'images'?" in out
    (desk.folder / NAME).write_text("")
    assert "is no lock" in desk.does("lock", status=2)


def test_lock_without_anything_to_lock_says_what_to_name(desk: Desk) -> None:
    assert "flow lock boot-test.yaml" in desk.does("lock", status=2)


def test_several_pipelines_share_a_lock_and_one_that_is_gone_is_dropped(desk: Desk, repository: Repository) -> None:
    (desk.folder / "q.yaml").write_text("flow: 1\nsteps: [{log: hello}]\n")
    desk.does("lock", "p.yaml", "q.yaml")
    desk.does("run", "q.yaml", "--frozen")
    (desk.folder / "p.yaml").unlink()
    out = desk.does("lock")
    assert "- pipeline p.yaml" in out
    assert repository.url not in desk.text


IMAGE = """
flow: 1
inputs: {image: {type: string, default: '%s/disk.img'}}
templates:
  write:
    inputs: {image: {type: string}}
    devices: {board: {requires: [flasher]}}
    steps: [{flash: "${{ inputs.image }}"}]
devices: {dut: board=lamp}
steps:
  - {call: write, with: {image: "${{ inputs.image }}"}, devices: {board: dut}}
"""

LAB = """
exporters:
  lamp:
    labels: {board: lamp}
    export: {storage: {type: storage.file, config: {path: DISK}}}
"""


def test_an_image_that_changed_at_its_server_is_not_flashed_when_frozen(tmp_path: Path, desk: Desk) -> None:
    served, disk = tmp_path / "served", tmp_path / "disk"
    served.mkdir()
    (served / "disk.img").write_bytes(b"good" * 1000)
    (desk.folder / "lab.yaml").write_text(LAB.replace("DISK", str(disk)))
    with web_server(served) as url:
        (desk.folder / "p.yaml").write_text(IMAGE % url)
        desk.does("lock", "p.yaml")
        digest = hashlib.sha256(b"good" * 1000).hexdigest()
        assert f"sha256:{digest}" in desk.text
        desk.does("run", "p.yaml", "--frozen")
        (served / "disk.img").write_bytes(b"evil" * 1000)
        assert f"not sha256:{digest}" in desk.does("run", "p.yaml", "--frozen", status=3)
        other = ("-i", f"image={url}/other.img")
        assert f"the image '{url}/other.img' is not in flow.lock" in desk.does(
            "run", "p.yaml", "--frozen", *other, status=2
        )


def test_a_frozen_run_is_replayed_without_its_lock_and_its_images(tmp_path: Path, desk: Desk) -> None:
    served = tmp_path / "served"
    served.mkdir()
    (served / "disk.img").write_bytes(b"good" * 1000)
    (desk.folder / "lab.yaml").write_text(LAB.replace("DISK", str(tmp_path / "disk")))
    with web_server(served) as url:
        (desk.folder / "p.yaml").write_text(IMAGE % url)
        desk.does("lock", "p.yaml")
        desk.does("run", "p.yaml", "--frozen")
    (desk.folder / NAME).unlink()
    desk.does("replay", "last")


@pytest.mark.parametrize("pin", ["--upload-pack=touch OWNED;git-upload-pack", "../../.."])
def test_a_pin_that_was_edited_into_something_else_reaches_nobody(desk: Desk, repository: Repository, pin: str) -> None:
    desk.does("lock", "p.yaml")
    desk.does("vendor", "p.yaml")
    commit = repository.git("rev-parse", "HEAD")
    index = desk.folder / "flow-vendor/index.yaml"
    kept = index.read_text()
    for path, how in ((desk.folder / NAME, ["--frozen"]), (index, [])):
        path.write_text(re.sub(f'pin: "?{commit}"?', f'pin: "{pin}"', path.read_text()))
        out = desk.does("check", "p.yaml", *how, status=2)
        assert "error: pin is a commit or a digest, all of it" in out and f"{path.name}:" in out
        index.write_text(kept)
    shutil.rmtree(desk.folder / "cache")
    shutil.rmtree(desk.folder / "flow-vendor")
    desk.does("check", "p.yaml", "--frozen", status=2)
    assert not list(desk.folder.parent.rglob("OWNED"))


def test_an_index_of_copies_leads_to_nothing_else(desk: Desk) -> None:
    desk.does("vendor", "p.yaml")
    index = desk.folder / "flow-vendor/index.yaml"
    index.write_text(re.sub("folder: .*", "folder: ../../outside", index.read_text()))
    assert "folder is the name of one beside the index" in desk.does("check", "p.yaml", status=2)


def test_each_of_several_images_is_locked(tmp_path: Path, desk: Desk) -> None:
    served = tmp_path / "served"
    served.mkdir()
    for name in ("a", "b"):
        (served / f"{name}.img").write_bytes(name.encode() * 1000)
    with web_server(served) as url:
        text = "flow: 1\ndevices: {dut: board=lamp}\nsteps:\n  - flash: {images: {one: URL/a.img, two: {image: URL/b.img}}}\n"
        (desk.folder / "p.yaml").write_text(text.replace("URL", url))
        desk.does("lock", "p.yaml")
        assert all(f"{url}/{name}.img" in desk.text for name in ("a", "b"))
        desk.does("plan", "p.yaml", "--frozen")
        (desk.folder / "p.yaml").write_text(text.replace("URL/a", "URL/c").replace("URL", url))
        assert f"the image '{url}/c.img' is not in flow.lock" in desk.does("plan", "p.yaml", "--frozen", status=2)


def test_a_frozen_run_is_resumed_as_it_was(desk: Desk, repository: Repository) -> None:
    text = TEMPLATE % repository.url
    (desk.folder / "p.yaml").write_text(text.replace("[{call: a.say}]", "[{call: a.say}, {run: test -e ok}]"))
    desk.does("lock", "p.yaml")
    desk.does("run", "p.yaml", "--frozen", status=1)
    repository.write("lib/a.yaml", LIBRARY % "two")
    repository.commit()
    (desk.folder / "ok").touch()
    desk.does("resume")


def test_what_is_vendored_needs_neither_network_nor_cache(desk: Desk, repository: Repository) -> None:
    desk.does("lock", "p.yaml")
    repository.write("lib/a.yaml", LIBRARY % "two")
    repository.commit()
    out = desk.does("vendor", "p.yaml")
    assert "flow-vendor: 1 from elsewhere" in out
    shutil.rmtree(repository.folder)
    shutil.rmtree(desk.folder / "cache")
    desk.does("run", "p.yaml", "--frozen")
    assert "one" in said(desk), "what is locked was vendored"
    desk.does("run", "p.yaml")
    (vendored,) = (desk.folder / "flow-vendor").rglob("a.yaml")
    vendored.write_text(LIBRARY % "changed")
    assert "is sha256:" in desk.does("check", "p.yaml", "--frozen", status=2)


def test_vendored_content_of_another_commit_than_the_lock_is_refused(desk: Desk, repository: Repository) -> None:
    desk.does("vendor", "p.yaml")
    repository.write("lib/a.yaml", LIBRARY % "two")
    repository.commit()
    desk.does("lock", "p.yaml")
    out = desk.does("check", "p.yaml", "--frozen", status=2)
    assert "and flow.lock says" in out
    assert "fetch it anew with 'flow vendor'" in out


@needs_registry
def test_templates_are_pushed_locked_and_vendored_from_a_registry(desk: Desk, tmp_path: Path) -> None:
    library = tmp_path / "library"
    library.mkdir()
    (library / "boot.yaml").write_text(LIBRARY % "pushed")
    with registry(tmp_path) as running:
        shelf = Shelf(running, tmp_path)
        reference = f"{running.host}/flows/oem:1.4"
        pinned = desk.does("push", str(library), reference).strip()
        (desk.folder / "p.yaml").write_text(shelf.pipeline())
        desk.does("lock", "p.yaml")
        assert pinned.partition("@")[2] in desk.text
        (library / "boot.yaml").write_text(LIBRARY % "newer")
        desk.does("push", str(library), reference)
        desk.does("run", "p.yaml", "--frozen")
        assert "pushed" in said(desk)
        desk.does("vendor", "p.yaml")
    shutil.rmtree(desk.folder / "cache")
    desk.does("run", "p.yaml", "--frozen")
    assert "pushed" in said(desk)


@needs_registry
def test_a_library_with_a_mistake_is_not_pushed(desk: Desk, tmp_path: Path) -> None:
    (tmp_path / "library").mkdir()
    (tmp_path / "library/a.yaml").write_text("flow: 1\ntemplates: {say: {steps: [{lgo: hello}]}}\n")
    assert "did you mean 'log'" in desk.does("push", str(tmp_path / "library"), "127.0.0.1:1/flows/oem:1.4", status=2)


def test_two_that_lock_at_once_both_have_their_pipeline_in_it(desk: Desk) -> None:
    for name in ("q", "r", "s"):
        (desk.folder / f"{name}.yaml").write_text("flow: 1\nsteps: [{log: hello}]\n")
    both = [desk.start("lock", f"{name}.yaml") for name in ("q", "r", "s")]
    for process in both:
        process.communicate(timeout=60)
    assert [process.returncode for process in both] == [0, 0, 0]
    assert all(f"- {name}.yaml" in desk.text for name in ("q", "r", "s"))


def test_what_a_killed_vendor_left_is_removed_by_the_next(desk: Desk) -> None:
    left = desk.folder / ".flow-vendor-killed"
    left.mkdir()
    (left / "old").touch()
    desk.does("vendor", "p.yaml")
    assert sorted(path.name for path in desk.folder.iterdir() if "vendor" in path.name) == ["flow-vendor"]
