"""Two kinds of plot as SVG, with nothing but text: bars against a limit, and lines over time.

They are looked at on a page of documentation, on white or on black: so a ground of their own, and no script.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Final

COLOURS: Final = ("#1f77b4", "#d2691e", "#2ca02c", "#9467bd", "#c2185b", "#0097a7", "#b8860b", "#607d3b")
WIDTH: Final = 900
ROW: Final = 24
LABEL: Final = 400
HEIGHT: Final = 260
MARGIN: Final = 60
STEPS: Final = 5
OVER: Final = "#c0392b"


@dataclass(frozen=True)
class Bar:
    """`share` of the limit, 1.0 being all of it; `text` is written behind the bar."""

    name: str
    share: float
    text: str


@dataclass(frozen=True)
class Line:
    """Points of (x, y)."""

    name: str
    points: Sequence[tuple[float, float]]


def bars(title: str, rows: Sequence[Bar]) -> str:
    """A bar for each row; the dashed line is the limit, and a bar beyond it is red."""
    room = WIDTH - LABEL - 120
    widest = max([1.25, *(min(row.share, 2.5) for row in rows)])
    height = 50 + ROW * len(rows)
    parts = [_text(10, 22, title, weight="bold")]
    for place, row in enumerate(rows):
        top, long = 38 + ROW * place, room * min(row.share, widest) / widest
        parts.append(_text(LABEL - 8, top + 14, row.name, anchor="end"))
        colour = OVER if row.share > 1 else COLOURS[0]
        parts.append(f'<rect x="{LABEL}" y="{top}" width="{long:.1f}" height="{ROW - 6}" fill="{colour}"/>')
        parts.append(_text(LABEL + long + 6, top + 14, row.text))
    limit = LABEL + room / widest
    parts.append(_stroke([(limit, 32), (limit, height - 8)], "#222222", dashes="5 4"))
    return _svg(height, parts)


def lines(title: str, x_label: str, drawn: Sequence[Line]) -> str:
    """All lines on one pair of axes that start at zero, named at the right."""
    right, bottom = WIDTH - 220, HEIGHT - 40
    every = [point for line in drawn for point in line.points]
    x_step, y_step = (_step(max((point[axis] for point in every), default=1.0)) for axis in (0, 1))
    x_most, y_most = x_step * STEPS, y_step * STEPS

    def at(x: float, y: float) -> tuple[float, float]:
        return MARGIN + (right - MARGIN) * x / x_most, bottom - (bottom - 36) * y / y_most

    parts = [_text(10, 22, title, weight="bold"), _text((MARGIN + right) / 2, HEIGHT - 8, x_label, anchor="middle")]
    for step in range(STEPS + 1):
        _, y = at(0, y_step * step)
        parts.append(_stroke([(MARGIN, y), (right, y)], "#dddddd"))
        parts.append(_text(MARGIN - 6, y + 4, f"{y_step * step:,g}", anchor="end"))
        x, _ = at(x_step * step, 0)
        parts.append(_text(x, bottom + 16, f"{x_step * step:,g}", anchor="middle"))
    for place, line in enumerate(drawn):
        colour = COLOURS[place % len(COLOURS)]
        parts.append(_stroke([at(x, y) for x, y in line.points], colour))
        parts.append(_text(right + 12, 48 + 20 * place, line.name, fill=colour))
    return _svg(HEIGHT, parts)


def _step(most: float) -> float:
    """The smallest round number of which `STEPS` reach `most`."""
    least = max(most, 1e-9) / STEPS
    size = 10.0 ** math.floor(math.log10(least))
    return next(round(factor * size, 12) for factor in (1, 2, 2.5, 5, 10) if factor * size >= least * (1 - 1e-9))


def _svg(height: float, parts: Sequence[str]) -> str:
    ground = f'<rect width="{WIDTH}" height="{height}" fill="white"/>'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" font-family="sans-serif"'
    return f'{head} font-size="13">\n' + "\n".join([ground, *parts]) + "\n</svg>\n"


def _text(
    x: float, y: float, text: str, *, anchor: str = "start", weight: str = "normal", fill: str = "#222222"
) -> str:
    place = f'x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"'
    return f'<text {place} font-weight="{weight}" fill="{fill}">{escape(text)}</text>'


def _stroke(points: Sequence[tuple[float, float]], colour: str, *, dashes: str = "none") -> str:
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    return f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="1.5" stroke-dasharray="{dashes}"/>'
