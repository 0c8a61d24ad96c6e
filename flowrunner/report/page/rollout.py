"""A rollout at a glance: its waves, every device as a square, what went wrong how often; what a page leaves out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from flowrunner.report.model import Record, Summary
from flowrunner.report.page.markup import Html, badge, join, section, tag
from flowrunner.report.rollouts import ENDS, DeviceView, RolloutView, WaveView
from flowrunner.report.text import one_line, seconds

SHOWN = 100
"""Devices of a rollout whose steps are on the page; of more, those that passed are left out."""

LISTED = 300
"""Devices in the list of those that did not end passed."""


def rollout_section(summary: Summary, anchors: Mapping[str, str]) -> Html:
    """All rollouts of a run; nothing for a run without one."""
    return section("rollout", "Rollout", [_rollout(one, anchors) for one in summary.rollouts])


def without_passed(summary: Summary) -> Summary:
    """`summary` as the page shows it: of a large fleet only devices that did not pass, and no step of the others."""
    gone = {d.path for r in summary.rollouts if r.size > SHOWN for d in r.devices if d.outcome in ("passed", "skipped")}
    if not gone:
        return summary
    return replace(
        summary,
        records=tuple(_trimmed(record, gone) for record in summary.records),
        leases=tuple(lease for lease in summary.leases if lease.job not in gone),
        safe_states=tuple(one for one in summary.safe_states if one.job not in gone or not one.ok),
    )


def _trimmed(record: Record, gone: set[str]) -> Record:
    return replace(record, children=tuple(_trimmed(child, gone) for child in record.children if child.path not in gone))


def _rollout(rollout: RolloutView, anchors: Mapping[str, str]) -> Html:
    ends = rollout.ends
    left = rollout.size - ends.total()
    words = [tag("span", tag("b", str(ends[name])), f" {name}", class_=f"count {name}") for name in ENDS if ends[name]]
    words += [tag("span", tag("b", str(left)), " without a turn", class_="count")] if left else []
    halted = rollout.halted
    return join(
        tag("p", tag("b", f"{rollout.path}: {rollout.state}"), f", {rollout.size} devices with ",
            tag("code", rollout.selector or "any labels"), class_="rollout-state"),
        tag("p", words),
        tag("p", str(halted["message"]), class_="rollout-halted") if halted else None,
        tag("table", tag("thead", _head("Wave", "Devices", "", "Approved by", "Duration")),
            tag("tbody", [_wave(wave) for wave in rollout.waves.values()]), class_="waves"),
        _squares(rollout, anchors),
        _trouble(rollout, anchors),
        _undone(rollout, anchors),
    )  # fmt: skip


def _head(*titles: str) -> Html:
    return tag("tr", [tag("th", title, scope="col") for title in titles])


def _wave(wave: WaveView) -> Html:
    shares = [tag("span", class_=name, style=f"flex-grow:{wave.ends[name]}") for name in ENDS if wave.ends[name]]
    rest = wave.size - wave.done
    shares += [tag("span", class_="rest", style=f"flex-grow:{rest}")] if rest else []
    told = ", ".join(f"{wave.ends[name]} {name}" for name in ENDS if wave.ends[name]) or "not started"
    took = seconds(wave.ended - wave.started) if wave.started is not None and wave.ended is not None else ""
    return tag(
        "tr", tag("th", wave.name, scope="row"), tag("td", f"{wave.done} of {wave.size}", class_="number"),
        tag("td", tag("span", shares, class_="share", aria_hidden="true"), tag("span", told, class_="quiet")),
        tag("td", wave.approved_by or ""), tag("td", took, class_="number"),
    )  # fmt: skip


def _squares(rollout: RolloutView, anchors: Mapping[str, str]) -> Html:
    """Every device in the order of the fleet; the colours are those of outcomes."""
    squares = [
        tag("a" if place else "i", class_=f"square {device.undone or device.outcome}",
            href=f"#{place}" if place else None,
            title=f"{device.name}: {device.outcome}")
        for device in rollout.devices
        for place in (anchors.get(device.path),)
    ]  # fmt: skip
    return tag("div", squares, class_="squares", role="img", aria_label=f"{rollout.size} devices by outcome")


def _trouble(rollout: RolloutView, anchors: Mapping[str, str]) -> Html:
    """Why devices did not end passed: one row for each reason, with the devices that had it."""
    rows = [
        tag("tr", tag("td", badge(outcome)), tag("td", str(len(devices)), class_="number"),
            tag("td", one_line(message, 300)), tag("td", join(*_links(devices, anchors))))
        for outcome, message, devices in rollout.groups()
    ]  # fmt: skip
    head = tag("thead", _head("", "Devices", "Why", "Which"))
    return tag("table", head, tag("tbody", rows), class_="reasons") if rows else Html("")


def _links(devices: list[DeviceView], anchors: Mapping[str, str]) -> Iterator[Html]:
    for device in devices[:LISTED]:
        reached = "" if device.began or device.outcome == "skipped" else " (not reached)"
        link = tag("a", device.name, href=f"#{anchors[device.path]}") if device.path in anchors else device.name
        yield tag("span", link, reached, class_="device-name")
    if len(devices) > LISTED:
        yield tag("span", f"and {len(devices) - LISTED} more", class_="quiet")


def _undone(rollout: RolloutView, anchors: Mapping[str, str]) -> Html:
    """What came of a rollback."""
    undone = [device for device in rollout.devices if device.undone]
    if not undone:
        return Html("")
    bad = [device for device in undone if device.undone != "passed"]
    rows = [
        tag("tr", tag("td", badge(str(device.undone))), tag("th", device.name, scope="row"),
            tag("td", device.undone_message or ""))
        for device in bad[:LISTED]
    ]  # fmt: skip
    told = f"{len(undone) - len(bad)} of {len(undone)} devices were rolled back"
    return join(tag("p", told), tag("table", tag("tbody", rows), class_="reasons") if rows else None)
