"""How long the compiler takes for what a large team writes: 50 included files, a matrix of 200 jobs."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

from benchmarks.harness import Row, flow, wall

FILES, JOBS, TEMPLATES = 50, 200, 4


def measure() -> Iterator[Row]:
    """Whole processes; each included file has templates of its own and includes the next one."""
    with tempfile.TemporaryDirectory() as folder:
        path = written(Path(folder))
        what = f"{FILES} includes and a matrix of {JOBS} jobs"
        for command in ("check", "plan"):
            seconds = wall([flow(), command, path], runs=5)
            yield Row(f"flow {command} of {what}", seconds or 0.0, "s", goal=1.5)
        seconds = wall([flow(), "lock", path], runs=3)
        yield Row(f"flow lock of {what}", seconds or 0.0, "s", goal=1.5, note="nothing of it is from elsewhere")


def written(folder: Path) -> Path:
    """The pipeline, with its library beside it."""
    for number in range(FILES):
        (folder / f"lib{number}.yaml").write_text(library(number))
    boards = ", ".join(f"b{number}" for number in range(JOBS // 10))
    included = "\n".join(f"  lib{number}: lib{number}.yaml" for number in range(0, FILES, 8))
    calls = "\n".join(
        f"      - {{id: c{number}, call: lib{number}.work{number % TEMPLATES},"
        f" with: {{budget: 20s, version: '${{{{ matrix.board }}}}'}}}}"
        for number in range(0, FILES, 8)
    )
    path = folder / "large.yaml"
    path.write_text(
        f"flow: 1\ninclude:\n{included}\njobs:\n  smoke:\n    strategy:\n      matrix:\n"
        f"        board: [{boards}]\n        slot: [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]\n"
        f'    devices: {{dut: {{selector: "board=${{{{ matrix.board }}}},slot=${{{{ matrix.slot }}}}"}}}}\n'
        f"    steps:\n{calls}\n"
    )
    return path


def library(number: int) -> str:
    """A file of templates; each calls one of the next file, down to the last of its eight."""
    deeper = number % 8 < 7 and number + 1 < FILES
    include = f"include: {{next: lib{number + 1}.yaml}}\n" if deeper else ""
    return f"flow: 1\n{include}templates:\n" + "".join(
        f"  work{template}:\n    inputs: {{budget: {{type: duration}}, version: {{type: string, default: '1'}}}}\n"
        "    devices: {board: {requires: [console]}}\n    steps:\n"
        "      - id: seen\n        expect: {pattern: 'U-Boot (?P<version>\\S+)', within: '${{ inputs.budget }}'}\n"
        "      - assert: ${{ steps.seen.outputs.groups.version == inputs.version }}\n"
        + (f"      - {{call: next.work{template}, with: {{budget: '${{{{ inputs.budget }}}}'}}}}\n" if deeper else "")
        for template in range(TEMPLATES)
    )
