"""The example on the page about rollouts is a pipeline."""

import re
from pathlib import Path

from flowrunner.pipeline.rollout_keys import RolloutKeys, WaveKeys
from flowrunner.pipeline.text import plan_text
from tests.support.compiler import Bench

PAGE = (Path(__file__).parents[3] / "docs" / "rollouts.md").read_text()


def test_every_example_compiles_and_every_key_is_on_the_page(bench: Bench) -> None:
    blocks = re.findall(r"```yaml\n(.*?)```", PAGE, flags=re.DOTALL)
    assert blocks
    for text in blocks:
        bench.compile(text)
    assert {*RolloutKeys.model_fields, *WaveKeys.model_fields} <= set(re.findall(r"`(\w+)`", PAGE)) | {"name"}


def test_the_plan_says_what_a_rollout_will_do(bench: Bench) -> None:
    (text,) = re.findall(r"```yaml\n(.*?)```", PAGE, flags=re.DOTALL)
    lines = [line.lstrip("│├└─ ") for line in plan_text(bench.compile(text).plan).splitlines()]
    for wanted in (
        "rollout over product=gateway, as device gw", "wave canary: 3 devices, soaks for 30m", "wave early: until 10%",
        "wave broad: until 100%, when somebody approves", "20 at once", "at most 1 out of service for each site",
        "halts when ${{ wave.name == 'canary' and wave.failed >= 1 }}", "on halt: rollback",
    ):  # fmt: skip
        assert wanted in lines
    assert any(line.startswith("update.gate.canary.assert1") for line in lines)
    assert any(line.startswith("update.rollback.call1: restore") for line in lines)


def test_the_plan_changes_with_all_that_a_rollout_says(bench: Bench) -> None:
    (text,) = re.findall(r"```yaml\n(.*?)```", PAGE, flags=re.DOTALL)
    changes = [
        ("product=gateway", "product=router"), ("size: 3", "size: 4"), ("size: 10%", "size: 11%"), ("30m", "31m"),
        ("max_parallel: 20", "max_parallel: 21"), ("count: 1", "count: 2"), ("per: site", "per: rack"), ("0.02", "0.03"),
        ("wave.failed == 0", "wave.errored == 0"), ("before: broad", "before: early"), ("gw:", "gate_way:"),
    ]  # fmt: skip
    digests = {
        bench.compile(
            text.replace(*change).replace("devices.gw.", "devices.gate_way." if change[0] == "gw:" else "devices.gw.")
        ).plan.digest
        for change in changes
    }
    assert len(digests | {bench.compile(text).plan.digest}) == len(changes) + 1
