"""What holds for every pipeline: SEMANTICS D1."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from flowrunner.errors import PipelineError, PipelineErrors, Span
from flowrunner.pipeline import compile, plan_json
from flowrunner.source import Mapping, Node, Scalar, Sequence, parse

GOOD = """
flow: 1
name: boot-test
inputs:
  budget: {type: duration, default: 25s}
secrets:
  password: {required: false}
timeout: 20m
defaults:
  expect: {within: 10s}
devices:
  dut:
    selector: board=virt
    requires: [power, console]
    duration: 30m
    safe_state: {power: off}
watch:
  - pattern: Kernel panic
    outcome: failed
    grace: 2s
steps:
  - id: boot
    group:
      - id: power_on
        power: cycle
      - id: prompt
        expect:
          prompt: login
          within: ${{ inputs.budget }}
          reject:
            - {pattern: VFS, outcome: failed}
        kind: setup
    retry:
      attempts: 3
      on: [infra, device]
      backoff: {initial: 5s, factor: 2, max: 30s}
      between:
        - power: off
        - wait: 10s
  - measure:
      name: boot_time
      value: ${{ steps.prompt.outputs.at - steps.power_on.outputs.at }}
      unit: s
      limits: {max: 25, warn_max: 15}
  - login: {username: root, password: "${{ secrets.password }}"}
    timeout: 1m
    on_failure: stop
    severity: error
    interruptible: false
  - id: release
    shell: cat /etc/version
    if: ${{ steps.boot.outcome == 'passed' }}
  - background: {run: serve, ready: {pattern: up, within: 5s}}
  - assert:
      that: ${{ 'rc' not in steps.release.outputs.stdout }}
      message: a release candidate
  - log: done
    foreach: [1, 2]
finally:
  - power: off
outputs:
  boot_time: ${{ steps.prompt.outputs.at }}
"""

JOBS = """
flow: 1
inputs:
  budget: {type: duration, default: 25s}
templates:
  boot:
    devices:
      board: {requires: [power, console]}
    inputs:
      within: {type: duration, default: 30s}
      mode: {choices: [fast, slow], default: fast}
    steps:
      - power: cycle
        device: board
      - id: seen
        expect: {prompt: login, within: "${{ inputs.within }}"}
    outputs: {at: "${{ steps.seen.outputs.at }}"}
defaults: {timeout: 5m}
timeout: 1h
jobs:
  smoke:
    strategy:
      matrix:
        board: [rpi3, rpi4]
        storage: [emmc, sd]
        exclude: [{board: rpi3, storage: sd}]
        include: [{board: rpi5, storage: sd}]
      max_parallel: 2
      fail_fast: false
    concurrency: {group: lab}
    retry: {attempts: 2, on: [infra]}
    devices:
      dut: {selector: "board=${{ matrix.board }}"}
      ap: {selector: board=ap}
    steps:
      - id: boot
        call: boot
        with: {within: "${{ inputs.budget }}", mode: slow}
        devices: {board: dut}
      - parallel:
          fail_fast: true
          branches:
            left:
              - {power: on, device: dut}
              - {barrier: up, timeout: 5s}
            right:
              - {power: on, device: ap}
              - barrier: up
        finally:
          - power: off
            device: ap
    outputs: {at: "${{ steps.boot.outputs.at }}"}
  summary:
    needs: [smoke]
    if: ${{ needs.smoke.outcome == 'passed' }}
    severity: warning
    steps:
      - log: ${{ needs.smoke.outputs.at | length }} boards
finally:
  - log: ${{ needs.summary.outcome }}
"""

FREE = {
    "name",
    "message",
    "unit",
    "username",
    "shell",
    "run",
    "prompt",
    "log",
    "value",
    "selector",
    "description",
    "tags",
    "choices",
}
"""Keys whose value may be any text, or nearly."""

FILE = {
    "syntax", "duplicate-key", "merge-key", "tag", "several-documents", "unknown-alias", "recursive-alias", "bad-key",
    "too-large",
}  # fmt: skip
SHAPE = {
    "unknown-action",
    "no-action",
    "two-actions",
    "unknown-key",
    "missing-key",
    "wrong-type",
    "no-steps",
}


def errors(text: str) -> list[PipelineError]:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "test.yaml"
        path.write_text(text)
        try:
            compile(path)
        except PipelineErrors as found:
            return list(found.errors)
    return []


CHOSEN = {
    "inputs",
    "secrets",
    "devices",
    "outputs",
    "safe_state",
    "templates",
    "jobs",
    "branches",
    "matrix",
    "exclude",
    "include",
}
"""Keys below which names stand that the author chose."""


def tokens(node: Node, key: str = "") -> Iterator[tuple[Scalar, str]]:
    """Each key and plain scalar that has a meaning, with the key that it stands under."""
    if isinstance(node, Scalar):
        if node.plain and key not in FREE:
            yield node, key
    elif isinstance(node, Sequence):
        for item in node.items:
            yield from tokens(item, key)
    else:
        for name, value in node.entries:
            # Names that the author chose mean nothing by themselves: a misspelt one is seen where it is used.
            if key not in CHOSEN:
                yield name, key
            if name.value not in ("id", "safe_state"):
                yield from tokens(value, str(name.value))


ROOT = parse(GOOD, "good").root
assert isinstance(ROOT, Mapping)
TOKENS = list(tokens(ROOT))
JOBS_ROOT = parse(JOBS, "jobs").root
assert isinstance(JOBS_ROOT, Mapping)


def replaced(text: str, where: Span, new: str) -> str:
    lines = text.split("\n")
    line = lines[where.line - 1]
    lines[where.line - 1] = line[: where.column - 1] + new + line[where.end_column - 1 :]
    return "\n".join(lines)


def touches(error: Span | None, line: int, start: int, end: int) -> bool:
    if error is None or not error.line <= line <= error.end_line:
        return False
    first = error.column if error.line == line else 1
    last = error.end_column if error.end_line == line else 10_000
    return first <= end and start <= last


def test_the_good_pipeline_is_good() -> None:
    assert errors(GOOD) == []
    assert errors(JOBS) == []
    assert len(TOKENS) > 90


ALL = [*((GOOD, token) for token in TOKENS), *((JOBS, token) for token in tokens(JOBS_ROOT))]


@given(st.sampled_from(ALL), st.data())
@settings(max_examples=300, deadline=None)
def test_a_mutated_token_is_touched_by_an_error(found_in: tuple[str, tuple[Scalar, str]], data: st.DataObject) -> None:
    whole, (node, _) = found_in
    text = node.text
    position = data.draw(st.integers(min_value=0, max_value=len(text) - 1))
    new = data.draw(
        st.sampled_from([text[:position] + "q" + text[position:], text[:position] + text[position + 1 :], "qqq"])
    )
    assume(new.strip() == new and new)
    found = errors(replaced(whole, node.where, new))
    if not found:
        return  # it means something else now, and is as good: 25s became 5s
    where = node.where
    touched = [e for e in found if touches(e.where, where.line, where.column, where.column + len(new))]
    # A name that was changed where it is defined is seen where it is used: its error names what is missing now.
    assert touched or all(e.code.startswith("unknown-") for e in found), [str(e) for e in found]


@given(st.lists(st.sampled_from(TOKENS), min_size=2, max_size=3, unique_by=lambda token: token[0].where))
@settings(max_examples=60, deadline=None)
def test_all_errors_come_at_once_and_mending_one_reveals_none_of_an_earlier_stage(
    chosen: list[tuple[Scalar, str]],
) -> None:
    def broken(nodes: list[Scalar]) -> list[PipelineError]:
        text = GOOD
        for node in sorted(nodes, key=lambda node: (node.where.line, node.where.column), reverse=True):
            text = replaced(text, node.where, "qqq")
        return errors(text)

    nodes = [node for node, _ in chosen]
    together = {stage(error) for error in broken(nodes)}
    for mended in range(len(nodes)):
        rest = {stage(error) for error in broken(nodes[:mended] + nodes[mended + 1 :])}
        assert not rest or min(rest) >= min(together)


ODD = st.sampled_from(
    [
        "null",
        "5",
        "-1",
        ".nan",
        "true",
        "''",
        "text",
        "[]",
        "[1, a]",
        "{}",
        "{a: 1}",
        "[[x]]",
        "${{ inputs.budget }}",
        "${{",
        "'${{ 1 + }}'",
    ]
)


@given(
    st.lists(st.tuples(st.sampled_from(TOKENS), ODD), min_size=1, max_size=3, unique_by=lambda pair: pair[0][0].where)
)
@settings(max_examples=200, deadline=None)
def test_whatever_stands_there_is_taken_or_told(chosen: list[tuple[tuple[Scalar, str], str]]) -> None:
    text = GOOD
    for (node, _), odd in sorted(
        chosen, key=lambda pair: (pair[0][0].where.line, pair[0][0].where.column), reverse=True
    ):
        text = replaced(text, node.where, odd)
    for error in errors(text):
        assert error.code
        assert error.where
        assert 1 <= error.where.line <= text.count("\n") + 1


def stage(error: PipelineError) -> int:
    return 0 if error.code in FILE else 1 if error.code in SHAPE else 2


SAID = "templates: {said: {inputs: {word: {}}, steps: [{log: '${{ inputs.word }}'}]}}"
"""The template that generated pipelines call."""


@st.composite
def pipelines(draw: st.DrawFn) -> str:
    """A valid pipeline: nested blocks, branches, calls, references to steps before, limits, retries, repetitions."""
    seen: list[str] = []
    count = iter(range(1_000))

    def step(indent: str, depth: int, *, beside: bool = False) -> list[str]:
        quiet = ["wait", "log", "run", "measure", "background", "call"]
        blocks = ["group", "group", "parallel"] * (depth < 3)
        kind = draw(st.sampled_from([*quiet, *blocks, *([] if beside else ["power", "expect"])]))
        lines = (
            [f"id: s{next(count)}"]
            if draw(st.booleans()) or kind in ("power", "run")
            else [f"name: step {next(count)}"]
        )
        id = lines[0].removeprefix("id: ")
        reference = draw(st.sampled_from(seen)) if seen else None
        lines += {
            "power": [f"power: {draw(st.sampled_from(['on', 'off', 'cycle']))}"],
            "wait": [f"wait: {draw(st.integers(1, 99))}{draw(st.sampled_from(['ms', 's', 'm', 'h']))}"],
            "log": [f"log: saw ${{{{ steps.{reference}.outcome }}}}" if reference else "log: nothing yet"],
            "run": ["run: echo ${{ run.id }}"],
            "expect": ["expect: {patterns: [{pattern: 'a+', name: a}, {prompt: '# '}], within: 5s}"],
            "measure": ["measure: {name: n, value: 3, limits: {max: 4}}"],
            "background": ["background: {run: ./serve, ready: up}"],
            "call": ["call: said", "with: {word: '${{ run.id }}'}"],
            "group": ["group:", *(steps(indent + "    ", depth + 1, beside) if kind == "group" else [])],
            "parallel": ["parallel:", *(branches(indent + "    ", depth + 1) if kind == "parallel" else [])],
        }[kind]
        if kind not in ("background",):
            lines += draw(st.lists(st.sampled_from([
                "timeout: 5m", "severity: warning", "on_failure: continue", "tags: [a, b]", "if: true",
                "retry: {attempts: 2, on: [infra], between: [{wait: 1s}]}", "foreach: [1, 2]",
                *(["on: [dut.main, dut.other]"] if kind in ("power", "expect") else []),
            ]), unique=True, max_size=3))  # fmt: skip
            if lines[0].startswith("id: "):
                seen.append(id)
        return [
            f"{indent}{'- ' if i == 0 else '  '}{line}" if not line.startswith(" ") else line
            for i, line in enumerate(lines)
        ]

    def steps(indent: str, depth: int, beside: bool = False) -> list[str]:
        return [line for _ in range(draw(st.integers(1, 4))) for line in step(indent, depth, beside=beside)]

    def branches(indent: str, depth: int) -> list[str]:
        before, lines, all_seen = list(seen), [f"{indent}branches:"], list(seen)
        for name in ("left", "right"):
            seen[:] = before
            lines += [f"{indent}  {name}:", *steps(indent + "    ", depth, True)]
            lines += [f"{indent}    - barrier: m"]
            all_seen += [id for id in seen if id not in before]
        seen[:] = all_seen
        return lines

    body = steps("  ", 0)
    return "\n".join(
        ["flow: 1", SAID, "devices: {dut: {selector: board=virt}}", "steps:", *body, "finally:", *steps("  ", 2), ""]
    )


@given(pipelines())
@settings(max_examples=60, deadline=None)
def test_a_valid_pipeline_compiles_to_the_same_plan_each_time(text: str) -> None:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "test.yaml"
        path.write_text(text)
        first, second = compile(path).plan, compile(path).plan
    assert plan_json(first) == plan_json(second)
    paths = [node.path for node in first.walk()]
    assert len(paths) == len(set(paths))
