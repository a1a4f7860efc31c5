"""A picture of a world: one lane a door, with windows, entries, refusals, faults, link and clock, as one HTML file.

Everything is inline, nothing is fetched; every mark has its words as a tooltip. Each kind of mark has a shape of its
own, so nothing is told by colour alone.
"""

from __future__ import annotations

import html
from dataclasses import dataclass, field
from datetime import UTC, datetime

from controller.formats.code_list import Grant
from controller.formats.event import Event
from simulator.world import START_MS, World

WIDTH_PX_A_DAY = 480
LEFT_PX = 110
LANE_PX = 118
TOP_PX = 40
ROWS = {"window": 8, "people": 40, "fault": 62, "link": 84, "clock": 100}
HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
MARKS = {"granted": "▲", "in": "●", "out": "○", "refused": "✕", "no_entry": "△", "forced": "⚡", "held_open": "H",
         "opened": "◇", "boot": "B", "loss": "L"}  # fmt: skip


@dataclass
class _Span:
    door: str
    row: str
    start_ms: int
    end_ms: int
    text: str
    style: str


@dataclass
class Timeline:
    """Watches a world and draws it. Hand it to `World(watch=…)`, then write `html(world)`."""

    marks: list[tuple[int, str, str, str]] = field(default_factory=list)
    _spans: list[_Span] = field(default_factory=list)
    _open: dict[tuple[str, str], _Span] = field(default_factory=dict)
    _windows: dict[tuple[str, str], Grant] = field(default_factory=dict)

    # ---- watching

    def record(self, ms: int, door: str, event: Event, grant: str | None) -> None:
        """A record was written."""
        reason = f" {event.reason}" if event.reason else ""
        if event.kind in MARKS:
            self.marks.append((ms, door, event.kind, f"{event.kind}{reason} {grant or ''} {_more(event)}".strip()))
        elif event.kind == "fault_raised":
            self._begin(ms, door, f"fault {event.reason}", "fault", str(event.reason))
        elif event.kind == "fault_cleared":
            self._end(ms, door, f"fault {event.reason}")

    def look(self, world: World) -> None:
        """Link, power and clock as they are now."""
        for hub_door in world.hub.store.doors.values():
            if hub_door.issued is not None:
                self._windows.update({(hub_door.id, each.id): each for each in hub_door.issued.grants})
        for door in world.doors.values():
            link = "no power" if not door.power else "linked" if door.linked else "no link"
            self._state(world.now_ms, door.id, "link", link)
            if door.performer is not None:
                now = door.performer.now()
                off_s = (now.utc_ms - world.now_ms) // 1000
                self._state(
                    world.now_ms, door.id, "clock", f"{now.clock}" + (f", {off_s} s off" if abs(off_s) > 5 else "")
                )

    def _state(self, ms: int, door: str, row: str, text: str) -> None:
        current = self._open.get((door, row))
        if current is None or current.text != text:
            self._end(ms, door, row)
            self._begin(ms, door, row, row, text)
        else:
            current.end_ms = ms

    def _begin(self, ms: int, door: str, name: str, row: str, text: str) -> None:
        self._open[door, name] = _Span(door, row, ms, ms, text, _style(row, text))

    def _end(self, ms: int, door: str, name: str) -> None:
        span = self._open.pop((door, name), None)
        if span is not None:
            span.end_ms = ms
            self._spans.append(span)

    def _window_spans(self) -> list[_Span]:
        spans = []
        for (door, _), grant in self._windows.items():
            words = f"{grant.kind} {grant.id}" + ("" if grant.active else " (suspended)")
            spans += [
                _Span(door, "window", start * 1000, end * 1000, words, grant.kind) for start, end in grant.windows
            ]
        return spans

    # ---- drawing

    def html(self, world: World, failed: str = "") -> str:
        """The picture of everything seen until now; `failed` is said on top."""
        spans = [*self._spans, *self._open.values(), *self._window_spans()]
        for span in self._open.values():
            span.end_ms = world.now_ms
        days = (world.now_ms - START_MS) / DAY_MS
        width = int(LEFT_PX + max(0.2, days) * WIDTH_PX_A_DAY + 20)
        doors = list(world.doors)
        body = [_axis(world.now_ms, len(doors))]
        for lane, door in enumerate(doors):
            y = TOP_PX + lane * LANE_PX
            body.append(f'<text x="8" y="{y + 24}" class="door">{html.escape(door)}</text>')
            body += [
                f'<text x="8" y="{y + top + 12}" class="row">{row}</text>'
                for row, top in ROWS.items()
                if row != "window"
            ]
            body += [_bar(span, y) for span in spans if span.door == door and span.end_ms >= span.start_ms]
            body += [_mark(ms, kind, text, y) for ms, place, kind, text in self.marks if place == door]
        height = TOP_PX + len(doors) * LANE_PX + 20
        legend = " ".join(f"<span>{mark} {kind}</span>" for kind, mark in MARKS.items())
        title = f"seed {world.report.seed}, {days:.1f} days, {len(doors)} doors"
        weather = ", ".join(f"{fault} {count}" for fault, count in sorted(world.weather.counts.items())) or "none"
        return _PAGE.format(
            title=html.escape(title), failed=f"<p class=failed>{html.escape(failed)}</p>" if failed else "",
            legend=legend, weather=html.escape(weather), width=width, height=height, body="\n".join(body),
        )  # fmt: skip


def _x(ms: int) -> float:
    return LEFT_PX + (max(START_MS, ms) - START_MS) / DAY_MS * WIDTH_PX_A_DAY


def _bar(span: _Span, y: int) -> str:
    left, right = _x(span.start_ms), _x(span.end_ms)
    label = html.escape(f"{span.text}: {_clock(span.start_ms)} to {_clock(span.end_ms)}")
    size = 24 if span.row == "window" else 12
    inside = html.escape(span.text) if right - left > 7 * len(span.text) else ""
    return (
        f'<g><title>{label}</title><rect x="{left:.1f}" y="{y + ROWS[span.row]}" width="{max(1.5, right - left):.1f}" '
        f'height="{size}" class="{span.row} {span.style}"/>'
        f'<text x="{left + 3:.1f}" y="{y + ROWS[span.row] + size - 3}" class="inside">{inside}</text></g>'
    )


def _mark(ms: int, kind: str, text: str, y: int) -> str:
    label = html.escape(f"{_clock(ms)} {text}")
    place = f'x="{_x(ms):.1f}" y="{y + ROWS["people"] + 14}"'
    return f'<text {place} class="mark {kind}"><title>{label}</title>{MARKS[kind]}</text>'


def _axis(now_ms: int, doors: int) -> str:
    lines = []
    for hour_ms in range(START_MS - START_MS % (6 * HOUR_MS), now_ms + HOUR_MS, 6 * HOUR_MS):
        if hour_ms >= START_MS:
            x = _x(hour_ms)
            lines.append(
                f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{TOP_PX - 8}" y2="{TOP_PX + doors * LANE_PX}" class="grid"/>'
            )
            lines.append(f'<text x="{x + 2:.1f}" y="{TOP_PX - 14}" class="row">{_clock(hour_ms)[:16]}</text>')
    return "\n".join(lines)


def _style(row: str, text: str) -> str:
    return "good" if text == {"link": "linked", "clock": "synced"}.get(row) else "bad"


def _more(event: Event) -> str:
    return " ".join(f"{name}={value}" for name, value in event.detail.items() if name not in {"software", "hash"})


def _clock(ms: int) -> str:
    return datetime.fromtimestamp(ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S")


_PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><title>{title}</title>
<style>
 body {{ font: 14px/1.4 system-ui, sans-serif; margin: 16px; color: #1b1b1b; background: #fff }}
 .failed {{ background: #7a0b0b; color: #fff; padding: 8px 12px; font-weight: 600 }}
 .legend span {{ margin-right: 14px; white-space: nowrap }}
 .scroll {{ overflow-x: auto; border: 1px solid #bbb }}
 .door {{ font-weight: 700; font-size: 14px }} .row {{ font-size: 10px; fill: #555 }}
 .grid {{ stroke: #ddd }} .inside {{ font-size: 9px; fill: #222 }} .mark {{ font-size: 14px; text-anchor: middle }}
 rect.window {{ fill: #cfe3f7; stroke: #3d78b3 }} rect.cleaning, rect.supplier {{ fill: #e6dcf3; stroke: #7555a5 }}
 rect.facility {{ fill: #f3ead0; stroke: #99803a }} rect.fault {{ fill: #f6c9c4; stroke: #a8332a }}
 rect.link.good, rect.clock.good {{ fill: #d5ecd4; stroke: #4c8a49 }}
 rect.link.bad, rect.clock.bad {{ fill: #fbe0b8; stroke: #a86b12; stroke-dasharray: 3 2 }}
 .granted, .in {{ fill: #14691b }} .refused, .forced, .loss {{ fill: #a01010 }} .out {{ fill: #20508c }}
</style>
<h1>{title}</h1>{failed}
<p class="legend">{legend}</p><p>Weather: {weather}. Hover over a mark for its words.</p>
<div class="scroll"><svg width="{width}" height="{height}" role="img" aria-label="{title}">
{body}
</svg></div></html>
"""
