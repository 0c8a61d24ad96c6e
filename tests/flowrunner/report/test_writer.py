from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flowrunner.errors import BenchError
from flowrunner.report.writer import write_reports
from tests.support.fake_run import FakeRun
from tests.support.fake_runs import KINDS, begin_boot

Make = Callable[[str], Path]

ANY_TEXT = st.text(st.characters(codec=None), max_size=60)


class Page(HTMLParser):
    """What a report's HTML contains."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.links: list[str] = []
        self.external: list[str] = []
        self.scripts: list[str | None] = []
        self.text = ""
        self.chips: dict[str, int] = {}
        self._outcome: str | None = None
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        known = dict(attrs)
        self.ids += [known["id"] or ""] if "id" in known else []
        self.links += [known["href"] or ""] if tag == "a" and "href" in known else []
        self.external += [known[name] or "" for name in ("src", "srcset", "action") if name in known]
        self.external += [known["href"] or ""] if tag == "link" else []
        if tag == "script":
            self.scripts.append(known.get("type"))
        if known.get("class") == "chip":
            self._outcome = known["data-outcome"]

    def handle_data(self, data: str) -> None:
        self.text += data
        if self._outcome and (found := re.match(rf"(\d+) {self._outcome}", data)):
            self.chips[self._outcome] = int(found[1])
            self._outcome = None


def reports(folder: Path) -> tuple[dict[str, object], ET.Element, Page]:
    write_reports(folder)
    results = json.loads((folder / "results.json").read_text("utf-8"), parse_constant=pytest.fail)
    junit = ET.fromstring((folder / "junit.xml").read_bytes())
    return results, junit, Page((folder / "report.html").read_text("utf-8"))


def _property(case: ET.Element, name: str) -> str | None:
    found = case.find(f"properties/property[@name='{name}']")
    return None if found is None else found.get("value")


@pytest.mark.parametrize("kind", KINDS)
def test_the_three_reports_agree(make: Make, kind: str) -> None:
    results, junit, page = reports(make(kind))
    counts = results["counts"]
    assert isinstance(counts, dict)
    suite = junit[0]
    assert (int(suite.get("tests", "")), int(suite.get("failures", "")), int(suite.get("errors", ""))) == (
        counts["total"], counts["failed"], counts["errored"],
    )  # fmt: skip
    assert int(suite.get("skipped", "")) == counts["skipped"] + counts["canceled"]
    assert len(suite.findall("testcase")) == counts["total"]
    for tag, number in (("failure", counts["failed"]), ("error", counts["errored"])):
        assert len(suite.findall(f"testcase/{tag}")) == number
    assert page.chips == {name: counts[name] for name in page.chips}
    assert sum(page.chips.values()) == counts["total"]


@pytest.mark.parametrize("kind", KINDS)
def test_junit_names_each_step_with_its_outcome(make: Make, kind: str) -> None:
    results, junit, _ = reports(make(kind))
    cases = results["cases"]
    assert isinstance(cases, list)
    told = {_property(case, "path"): _property(case, "outcome") for case in junit.iter("testcase")}
    assert told == {case["path"]: case["outcome"] for case in cases}


@pytest.mark.parametrize("kind", KINDS)
def test_the_page_needs_nothing_else_and_its_links_lead_somewhere(make: Make, kind: str) -> None:
    folder = make(kind)
    _, _, page = reports(folder)
    assert all(link.startswith("data:") for link in page.external)
    inner = {link[1:] for link in page.links if link.startswith("#")}
    assert inner <= set(page.ids)
    assert len(page.ids) == len(set(page.ids))
    assert all((folder / link).is_file() for link in page.links if not link.startswith("#"))


def test_the_page_says_why_and_shows_the_place(make: Make) -> None:
    _, _, page = reports(make("failed"))
    assert "product failed" in page.text
    assert "prompt 'login: ' not seen within 25s" in page.text
    assert "Waiting for root device /dev/mmcblk2p2..." in page.text
    assert "boot-test.yaml:37:9" in page.text


def test_a_folder_that_was_moved_gives_the_same_reports(make: Make, tmp_path: Path) -> None:
    folder = make("snapshot")
    before = [path.read_bytes() for path in write_reports(folder)]
    moved = tmp_path / "elsewhere" / "run"
    moved.parent.mkdir()
    shutil.move(folder, moved)
    assert [path.read_bytes() for path in write_reports(moved)] == before


def test_writing_again_changes_nothing(make: Make) -> None:
    folder = make("passed")
    before = [path.read_bytes() for path in write_reports(folder)]
    assert [path.read_bytes() for path in write_reports(folder)] == before
    assert not [path for path in folder.iterdir() if path.name.startswith(".")]


def test_a_report_that_cannot_be_written_is_an_error_that_says_so(make: Make) -> None:
    folder = make("passed")
    (folder / "junit.xml").mkdir()
    with pytest.raises(BenchError, match=r"the report .*junit.xml could not be written: Is a directory"):
        write_reports(folder)
    assert not list(folder.glob(".junit*"))


def test_what_a_console_prints_cannot_end_the_script_or_start_one(tmp_path: Path) -> None:
    run = FakeRun(tmp_path / "run")
    run.start()
    run.lease()
    begin_boot(run)
    evil = "</script><script>alert(1)</script><!-- <img src=x onerror=alert(2)> ]]> \"'"
    run.begin("boot.prompt", "expect", "expect: {pattern", id="prompt", name=evil, values={"prompt": evil})
    run.prints([(0.1, evil.encode() + b"\r\n")])
    run.event("log", path="boot.prompt", level="info", message=evil)
    run.end("boot.prompt", "failed", message=evil, said=evil, outputs={evil: evil})
    run.finish("failed", 1, path="boot.prompt", message=evil)
    _, junit, page = reports(run.folder)
    assert [kind for kind in page.scripts if kind is None] == [None]
    assert not page.external
    assert evil in page.text
    failure = junit.find(".//failure")
    assert failure is not None
    assert failure.get("message") == evil


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=ANY_TEXT, data=st.binary(max_size=200), number=st.floats())
def test_reports_are_well_formed_for_any_text_and_bytes(
    tmp_path_factory: pytest.TempPathFactory, text: str, data: bytes, number: float
) -> None:
    run = FakeRun(tmp_path_factory.mktemp("any") / "run")
    run.start()
    run.lease()
    run.begin("shell1", "shell", "shell: dmesg", name=text, values={"command": text})
    run.prints([(0.1, data)])
    run.event("output", path="shell1", stream="stderr", text=text)
    run.event("sent", path="shell1", console="dut.console", bytes=1, text=text)
    run.event("log", path="shell1", level="warning", message=text)
    limits = {"min": number, "max": 3}
    run.event("measurement", path="shell1", name=text, value=number, unit=text, limits=limits, verdict="failed")
    run.end("shell1", "failed", message=text, said=text, help=text, outputs={text: [text, number]})
    run.finish("failed", 1, path="shell1", message=text)
    results, junit, page = reports(run.folder)
    assert results["outcome"] == "failed"
    assert len(list(junit.iter("failure"))) == 1
    assert [kind for kind in page.scripts if kind is None] == [None]


def test_a_file_outside_the_folder_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "secret.png").write_bytes(b"\x89PNG")
    (tmp_path / "secret.log").write_bytes(b"hunter2hunter2\n")
    run = FakeRun(tmp_path / "run")
    run.start()
    run.event("console.opened", console="dut.console", log="../secret.log", times="../secret.log")
    run.event("artifact", path="x", name="x", file="../secret.png", title="x", media="image/png", size=4, sha256="")
    run.begin("x", "shell", "shell: dmesg")
    run.end("x")
    run.finish()
    _, junit, page = reports(run.folder)
    assert not page.external
    assert "hunter2" not in page.text + ET.tostring(junit, encoding="unicode")


def test_long_output_is_bounded_in_junit(make: Make, tmp_path: Path) -> None:
    run = FakeRun(tmp_path / "run")
    run.start()
    run.lease()
    run.begin("shell1", "shell", "shell: dmesg")
    run.prints([(0.1, b"x" * 99 + b"\n")] * 20000)
    run.end("shell1", "passed")
    run.finish()
    _, junit, _ = reports(run.folder)
    out = junit.findtext(".//system-out") or ""
    assert len(out) < 80_000
    assert "bytes left out" in out
