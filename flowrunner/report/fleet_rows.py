"""A rollout on a terminal while it goes on: a bar for each wave, and the latest trouble. It never scrolls."""

from __future__ import annotations

from collections.abc import Iterator

from rich.text import Text

from flowrunner.report.rollouts import ENDS, RolloutView, WaveView
from flowrunner.report.text import one_line

STYLES = {"passed": "green", "failed": "red", "errored": "yellow", "skipped": "dim"}

TROUBLE = 5
"""Devices that did not pass that are shown, the latest ones."""

SIGNS = {"passed": "✓", "working": "▸", "soaking": "◔", "gate": "◇", "approval": "?", "waiting": " "}


def rows(rollout: RolloutView, width: int) -> Iterator[Text]:
    """The lines of one rollout."""
    ends = rollout.ends
    working = sum(wave.working for wave in rollout.waves.values())
    head = Text.assemble(("  " + rollout.path, "bold"), f"  {ends.total()} of {rollout.size} devices done")
    head.append(f", {working} at work" if working else "", "cyan")
    yield _fit(head)
    longest = max((len(name) for name in rollout.waves), default=0)
    for wave in rollout.waves.values():
        yield _fit(_wave(wave, longest, max(10, min(40, width - longest - 50))))
    for device in rollout.trouble[-TROUBLE:]:
        words = f"    {device.name} {device.outcome}: {one_line(device.message or '', 200)}"
        yield _fit(Text(words, STYLES.get(device.outcome, "")))
    if rollout.halted:
        yield _fit(Text(f"  {one_line(str(rollout.halted['message']), 300)}", "bold red"))
    if rollout.asked:
        words = f"  approve wave '{rollout.asked}'? type yes, or elsewhere: flow approve RUN {rollout.asked}"
        yield _fit(Text(words, "bold cyan"))


def _wave(wave: WaveView, longest: int, cells: int) -> Text:
    text = Text(f"    {SIGNS.get(wave.state, ' ')} {wave.name:<{longest}}  ")
    used = 0
    for name in ENDS:
        share = _share(wave.ends[name], wave.size, cells)
        text.append("━" * share, STYLES[name])
        used += share
    working = min(cells - used, _share(wave.working, wave.size, cells))
    text.append("╸" * working, "cyan")
    text.append("─" * max(0, cells - used - working), "dim")
    text.append(f"  {wave.done:>4} of {wave.size}")
    for name in ENDS[1:]:
        if wave.ends[name]:
            text.append(f"  {wave.ends[name]} {name}", STYLES[name])
    if wave.state in ("soaking", "gate", "approval"):
        text.append(
            {"soaking": "  soaks", "gate": "  at its gate", "approval": "  waits for approval"}[wave.state], "cyan"
        )
    return text


def _share(count: int, size: int, cells: int) -> int:
    """Cells of a bar; whatever is there has one."""
    return max(1, count * cells // size) if count and size else 0


def _fit(text: Text) -> Text:
    text.no_wrap, text.overflow = True, "ellipsis"
    return text
