"""What is generated from the code is as fresh as the code."""

from tools.generate import ROOT, files, stale


def test_schemas_and_reference_pages_are_fresh() -> None:
    assert [str(path.relative_to(ROOT)) for path in stale(files())] == [], "run 'python -m tools.generate'"
