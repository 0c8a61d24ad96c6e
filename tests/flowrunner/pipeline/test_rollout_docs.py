"""The example on the page about rollouts is a pipeline."""

import re
from pathlib import Path

from flowrunner.pipeline.rollout_keys import RolloutKeys, WaveKeys
from tests.support.compiler import Bench

PAGE = (Path(__file__).parents[3] / "docs" / "rollouts.md").read_text()


def test_every_example_compiles_and_every_key_is_on_the_page(bench: Bench) -> None:
    blocks = re.findall(r"```yaml\n(.*?)```", PAGE, flags=re.DOTALL)
    assert blocks
    for text in blocks:
        bench.compile(text)
    assert {*RolloutKeys.model_fields, *WaveKeys.model_fields} <= set(re.findall(r"`(\w+)`", PAGE)) | {"name"}
