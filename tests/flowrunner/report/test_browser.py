"""The page in a real browser: it opens fast, it says nothing to the console, and the viewer shows the right lines."""

from __future__ import annotations

import shutil
import subprocess
import time
from pathlib import Path

import pytest

from flowrunner.report.writer import write_reports
from tests.support.fake_run import FakeRun
from tests.support.fake_runs import failed, huge

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="needs chromium (apt-get install chromium)"),
]

FLAGS = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
    "--disable-background-networking", "--disable-component-update", "--enable-logging=stderr", "--dump-dom",
    "--virtual-time-budget=10000",
)  # fmt: skip


def dump(url: str, profile: Path, size: str = "1280,900") -> tuple[str, list[str], float]:
    """The page's DOM after its scripts ran, what it wrote to the browser's console, and how long that took."""
    command = [str(CHROMIUM), *FLAGS, f"--window-size={size}", f"--user-data-dir={profile}", url]
    began = time.monotonic()
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    said = [line for line in done.stderr.splitlines() if ":CONSOLE" in line]
    return done.stdout, said, time.monotonic() - began


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> str:
    run = FakeRun(tmp_path_factory.mktemp("huge") / "run")
    huge(run)
    write_reports(run.folder)
    return (run.folder / "report.html").as_uri()


def test_a_console_of_50_megabytes_opens_within_seconds(page: str, tmp_path: Path) -> None:
    dom, said, seconds = dump(f"{page}#consoles", tmp_path)
    assert said == []
    assert '<mark class="match">U-Boot 2023.01+dfsg-2</mark>' in dom
    assert 20 < dom.count('class="row') < 120
    assert seconds < 10


def test_a_link_leads_to_a_place_in_the_log(page: str, tmp_path: Path) -> None:
    dom, said, _ = dump(f"{page}#dut.console@{30 << 20}", tmp_path)
    assert said == []
    assert 'class="row here"' in dom


def test_searching_finds_the_one_line_and_shows_it_as_text(page: str, tmp_path: Path) -> None:
    dom, said, _ = dump(f"{page}#dut.console/needle in the", tmp_path)
    assert said == []
    assert "1 of 1<" in dom
    assert "<mark>needle in the</mark> &lt;/script&gt;&lt;haystack&gt;" in dom


def test_a_page_of_a_run_that_failed_opens_without_a_word(tmp_path: Path) -> None:
    run = FakeRun(tmp_path / "run")
    failed(run)
    write_reports(run.folder)
    dom, said, _ = dump((run.folder / "report.html").as_uri() + "#consoles", tmp_path / "profile", "500,900")
    assert said == []
    assert 'class="row failed-here"' in dom
    assert "Waiting for root device" in dom
