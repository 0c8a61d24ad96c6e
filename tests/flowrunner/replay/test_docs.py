"""The page about replays is true."""

import re
from pathlib import Path

from flowrunner.pipeline.select import Selection, select
from flowrunner.replay import store
from tests.support.compiler import Bench

PAGE = (Path(__file__).parents[3] / "docs" / "replay.md").read_text()
(EXAMPLE,) = re.findall(r"```yaml\n(.*?)```", PAGE, flags=re.DOTALL)


def test_the_example_compiles_and_can_be_run_in_parts(tmp_path: Path) -> None:
    (tmp_path / "firmware.img").write_bytes(b"firmware")
    plan = Bench(tmp_path).compile(EXAMPLE).plan
    _, left_out = select(plan, Selection(tags=["smoke"], skip_tags=["slow"]))
    assert set(left_out) == {"write"}


def test_the_limits_are_those_of_the_code() -> None:
    assert f"more than {store.INLINE >> 10} KiB" in PAGE
    assert f"{store.LARGEST >> 20} MiB are kept by size only" in PAGE.replace("\n", " ")
    assert f"at most {store.TOTAL >> 20} MiB" in PAGE
    assert store.LAG == 0.1
