"""Whether something stays flat: the criterion of the soak, without the soak.

The first quarter of a run is warming up (imports, caches, a write-ahead log that grows to its size once) and not
judged. Of the rest the first third is held against the last; what may differ depends on what is measured:

    rule      compared                         flat while the last third is at most
    --------  -------------------------------  ----------------------------------------------------
    memory    median                           5 % and 1 MiB above the first
    count     highest                          2 above the first (file descriptors, threads)
    latency   median                           1.5 times the first, at the pace of the machine
    growth    how much was added               1.25 times the first, and 1 MiB: files grow in steps

The machine has other work too, and at the end perhaps more of it than at the start. So a piece of work that never
changes is timed along (rule `pace`), and latencies may grow as it did. `growth` is for what has to grow, because it
keeps records: as fast at the end as at the start, never faster.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import Literal

Rule = Literal["memory", "count", "latency", "growth", "pace"]
Point = tuple[float, float]

WARM_UP = 0.25
MEBI = float(1 << 20)


@dataclass(frozen=True)
class Series:
    """One thing watched: points of (minutes since the start, value in `unit`)."""

    name: str
    unit: str
    rule: Rule
    points: tuple[Point, ...]


@dataclass(frozen=True)
class Flatness:
    """The verdict on one series: its first and last third after the warm-up, in the series' unit."""

    name: str
    unit: str
    rule: Rule
    early: float
    late: float
    allowed: float
    flat: bool


def judge_all(watched: Sequence[Series]) -> list[Flatness]:
    """The verdict on each series, in the same order; the pace itself is not judged. Raises ValueError when there are
    too few points for an answer."""
    pace = max([1.0, *(_pace(each) for each in watched if each.rule == "pace")])
    return [_judge(each, pace) for each in watched if each.rule != "pace"]


def _pace(series: Series) -> float:
    early, late = _thirds(series.points)
    return median(late) / median(early)


def _judge(series: Series, pace: float) -> Flatness:
    early, late = _thirds(series.points)
    match series.rule:
        case "memory":
            before, after = median(early), median(late)
            allowed = before * 1.05 + MEBI
        case "count":
            before, after = max(early), max(late)
            allowed = before + 2
        case "latency":
            before, after = median(early), median(late)
            allowed = before * 1.5 * pace
        case "growth":
            before, after = early[-1] - early[0], late[-1] - late[0]
            allowed = before * 1.25 + MEBI
        case "pace":
            raise ValueError("the pace is what others are judged by")
    return Flatness(series.name, series.unit, series.rule, before, after, allowed, after <= allowed)


def _thirds(points: Sequence[Point]) -> tuple[list[float], list[float]]:
    """The values of the first and the last third of the time after the warm-up."""
    if len(points) < 2:
        raise ValueError("too few points to say whether this is flat")
    first, last = points[0][0], points[-1][0]
    start = first + WARM_UP * (last - first)
    third = (last - start) / 3
    early = [value for at, value in points if start <= at <= start + third]
    late = [value for at, value in points if at >= last - third]
    if not early or not late:
        raise ValueError("too few points to say whether this is flat")
    return early, late
