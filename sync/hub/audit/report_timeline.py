"""Draws who was inside when: a lane per door, a bar per stay, a tick per refusal or alarm. Plain SVG, no script.

    svg(report, ZoneInfo("Europe/Brussels"))        # to be put into a page as it is

A stay without an OUT ends in an open end at the last record: leaving needs no code, so not every OUT has a name.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from html import escape
from zoneinfo import ZoneInfo

from sync.hub.audit.report import Report, Stay

WIDTH, LEFT, LANE, TOP = 960, 130, 34, 30
ALARMS = frozenset({"refused", "forced", "held_open", "loss", "fault_raised"})
BAR, OPEN_END, ALARM = "#1f6f8b", "#9cc3d1", "#b3261e"
TICKS = 8
SHORT_MS = 3_600_000
"""Below this the minutes alone would label several ticks alike."""


class Scale:
    """From UTC milliseconds to a place between `left` and `right`."""

    def __init__(self, span_ms: tuple[int, int], left: float, right: float) -> None:
        self.first_ms, last_ms = span_ms
        self.width_ms = max(1, last_ms - self.first_ms)
        self._left, self._right = left, right

    def x(self, at_ms: int) -> float:
        return self._left + (self._right - self._left) * (at_ms - self.first_ms) / self.width_ms

    def ticks(self) -> Iterator[int]:
        """Evenly spread instants, first and last included."""
        for step in range(TICKS + 1):
            yield self.first_ms + self.width_ms * step // TICKS


def lanes(report: Report) -> list[str]:
    """The doors, in the order they are drawn."""
    return sorted({row.door for row in report.rows})


def local(at_ms: int, zone: ZoneInfo, spec: str = "%d/%m %H:%M") -> str:
    """An instant as the clock on the wall says it."""
    return datetime.fromtimestamp(at_ms / 1000, UTC).astimezone(zone).strftime(spec)


def tick_label(at_ms: int, scale: Scale, zone: ZoneInfo) -> str:
    """What stands at a tick: fine enough to tell it from the next one."""
    return local(at_ms, zone, "%H:%M:%S" if scale.width_ms < SHORT_MS else "%d/%m %H:%M")


def svg(report: Report, zone: ZoneInfo) -> str:
    """The picture as one `<svg>` element; empty text without rows."""
    if not report.rows:
        return ""
    doors = lanes(report)
    height = TOP + LANE * len(doors) + 24
    scale = Scale(report.span_ms, LEFT, WIDTH - 40)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" role="img" viewBox="0 0 {WIDTH} {height}" font-family="sans-serif">',
        "<title>Occupancy</title>",
        f"<desc>{len(report.stays)} stays at {len(doors)} doors</desc>",
    ]
    for at_ms in scale.ticks():
        x = scale.x(at_ms)
        parts.append(f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{TOP - 6}" y2="{height - 20}" stroke="#ddd"/>')
        label = escape(tick_label(at_ms, scale, zone))
        parts.append(f'<text x="{x:.1f}" y="{TOP - 12}" font-size="9" text-anchor="middle">{label}</text>')
    for number, door in enumerate(doors):
        top = TOP + number * LANE
        parts.append(f'<text x="4" y="{top + 20}" font-size="12">{escape(door)}</text>')
        parts += [_bar(stay, scale, top, report, zone) for stay in report.stays if stay.door == door]
        for row in report.rows:
            if row.door == door and row.kind in ALARMS:
                x = scale.x(row.at_ms)
                what = escape(f"{row.kind} {row.reason or ''} {local(row.at_ms, zone)}")
                parts.append(
                    f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{top + 4}" y2="{top + 28}" stroke="{ALARM}" '
                    f'stroke-width="2"><title>{what}</title></line>'
                )
    return "".join([*parts, "</svg>"])


def _bar(stay: Stay, scale: Scale, top: int, report: Report, zone: ZoneInfo) -> str:
    end_ms = report.span_ms[1] if stay.out_ms is None else stay.out_ms
    x, width = scale.x(stay.in_ms), max(2.0, scale.x(end_ms) - scale.x(stay.in_ms))
    until = "no OUT of theirs" if stay.out_ms is None else local(end_ms, zone)
    what = escape(f"{stay.who}: {local(stay.in_ms, zone)} - {until}")
    colour = OPEN_END if stay.out_ms is None else BAR
    return (
        f'<rect x="{x:.1f}" y="{top + 8}" width="{width:.1f}" height="16" fill="{colour}"><title>{what}</title></rect>'
    )
