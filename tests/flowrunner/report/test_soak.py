"""The same pipeline many times."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from flowrunner.report.soak import KEPT, Soak, spread
from flowrunner.report.summary import summarize_folder
from tests.support.flow import Workplace


@pytest.fixture
def place(tmp_path: Path) -> Workplace:
    return Workplace(tmp_path)


@pytest.mark.parametrize(
    ("values", "found"),
    [
        ([], {}),
        ([3.0], {"p50": 3.0, "p95": 3.0, "max": 3.0}),
        ([float(n) for n in range(1, 101)], {"p50": 50.0, "p95": 95.0, "max": 100.0}),
    ],
)
def test_percentiles_are_by_nearest_rank(values: Sequence[float], found: dict[str, float]) -> None:
    assert spread(values) == found


def test_a_soak_test_tells_how_many_passed_and_keeps_the_first_failures(place: Workplace) -> None:
    place.write(
        "steps:\n  - power: on\n"
        "  - run: echo x >> count; test $(( $(wc -l < count) % 2 )) = 1\n"
        "  - measure: {name: answer, value: 42 V, unit: V}\n"
    )
    done = place.flow("run", "p.yaml", "--repeat", str(2 * KEPT + 2), "--no-fsync")
    said = done.stdout.decode()
    assert done.returncode == 1, said + done.stderr.decode()
    assert f"{2 * KEPT + 2} runs: {KEPT + 1} passed, {KEPT + 1} failed; pass rate 50.0%" in said
    assert "measured  answer: p50 42  p95 42  max 42 V" in said
    assert f"{KEPT + 1} x  product failed at run2: the command exited 1" in said
    whole = list((place.folder / "runs").glob("2*/report.html"))
    assert len(whole) == KEPT + 1  # the first failures, and one that passed
    assert len(list((place.folder / "runs").glob("2*/journal.jsonl"))) == 2 * KEPT + 2
    assert len(list((place.folder / "runs").glob("soak-*.json"))) == 1


def test_until_failure_stops_at_the_first_one(place: Workplace) -> None:
    place.write("steps:\n  - run: echo x >> count; test $(wc -l < count) -lt 3\n")
    done = place.flow("run", "p.yaml", "--until-failure", "--no-fsync")
    assert done.returncode == 1
    assert "3 runs: 2 passed, 1 failed" in done.stdout.decode()


def test_failures_that_differ_in_numbers_only_are_one_kind(place: Workplace) -> None:
    place.write("steps:\n  - run: echo x >> count; exit $(wc -l < count)\n")
    soak = Soak()
    for _ in range(2):
        assert place.flow("run", "p.yaml", "--no-fsync").returncode == 1
        folder = (place.folder / "runs/last").resolve()
        soak.add(summarize_folder(folder), folder)
    (failure,) = soak.facts()["failures"]
    assert failure["count"] == 2
