"""How long a command takes from nothing: start-up, checking, a whole small run."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from benchmarks.harness import PEERS, Row, flow, wall


def measure() -> Iterator[Row]:
    """Whole processes, beside the commands of the peers."""
    floor = wall([Path(sys.executable), "-c", "pass"]) or 0.0
    jmp, labgrid = wall([PEERS / "jmp", "--help"]), wall([PEERS / "labgrid-client", "--help"])
    yield Row("python -c pass (the floor)", floor, "s")
    yield Row("flow --version", wall([flow(), "--version"]) or 0.0, "s", goal=0.06)
    yield Row("flow --help", wall([flow(), "--help"]) or 0.0, "s", goal=0.15, peer=jmp, peer_name="jmp --help")
    yield Row(
        "flow --help", wall([flow(), "--help"]) or 0.0, "s", goal=0.15, peer=labgrid, peer_name="labgrid-client --help"
    )
    with tempfile.TemporaryDirectory() as folder:
        for steps, goal in ((10, 0.3), (1000, 1.0)):
            path = Path(folder) / f"{steps}.yaml"
            path.write_text(pipeline(steps))
            yield Row(f"flow check of {steps} steps", wall([flow(), "check", path]) or 0.0, "s", goal=goal)
        exporter = Path(folder) / "exporter.yaml"
        exporter.write_text(EXPORTER)
        shell = wall([PEERS / "jmp", "shell", "--exporter-config", exporter, "--", "true"], runs=3)
        hello = wall([flow(), "run", "--plain", "--runs", folder, Path("pipelines/hello.yaml")])
        yield Row(
            "flow run pipelines/hello.yaml", hello or 0.0, "s", goal=0.6, peer=shell, peer_name="jmp shell -- true",
            note="a flashed, booted and inspected board against an empty shell",
        )  # fmt: skip


EXPORTER = """
apiVersion: jumpstarter.dev/v1alpha1
kind: ExporterConfig
metadata: {namespace: default, name: demo}
endpoint: ""
token: ""
export: {power: {type: jumpstarter_driver_power.driver.MockPower}}
"""


def pipeline(steps: int) -> str:
    """A pipeline of so many steps, with expressions and references."""
    head = "flow: 1\nname: many\ninputs: {budget: {type: duration, default: 25s}}\ndevices: {dut: board=virt}\n"
    body = "".join(
        f"  - id: s{n}\n    expect: {{pattern: 'U-Boot (?P<version>\\S+)', within: '${{{{ inputs.budget }}}}'}}\n"
        f"    timeout: 10m\n    retry: {{attempts: 2, on: [infra]}}\n"
        + (f"    if: ${{{{ steps.s{n - 1}.outcome == 'passed' }}}}\n" if n else "")
        for n in range(steps)
    )
    return f"{head}steps:\n{body}"
