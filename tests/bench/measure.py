"""How everything here is measured: against a floor in the same run, iterations shuffled, percentile over percentile.

Absolute times do not travel from one machine to another; the ratio to a floor made of the parts that cannot be left out
does. `floor` and `path` run in random order, so that a slow second hits both alike.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import asdict, dataclass
from time import perf_counter

from rich.progress import Progress

ROUNDS = 120


class Missing(Exception):
    """What this machine has not got, and how to get it: the measure is left out, and that is said."""


@dataclass(frozen=True)
class Result:
    """One line of the bench. `path` and `floor` in milliseconds unless the name says another unit."""

    name: str
    path: float
    floor: float
    ratio: float
    budget: float
    within_budget: bool

    def as_json(self) -> dict[str, object]:
        return asdict(self)


def result(name: str, path: float, floor: float, budget: float) -> Result:
    """A ratio against its budget."""
    ratio = path / floor if floor else float("inf")
    return Result(name, round(path, 4), round(floor, 4), round(ratio, 3), budget, ratio <= budget)


def against_floor(
    name: str,
    path: Callable[[], float | None],
    floor: Callable[[], object],
    budgets: dict[int, float],
    progress: Progress,
    rounds: int = ROUNDS,
) -> list[Result]:
    """`path` and `floor` in shuffled order, `rounds` times each; a result for each percentile in `budgets`.

    `path` may return its own seconds, when only a part of what it does counts."""
    calls: list[tuple[str, Callable[[], object]]] = [("path", path)] * rounds + [("floor", floor)] * rounds
    random.Random(1).shuffle(calls)
    times: dict[str, list[float]] = {"path": [], "floor": []}
    bar = progress.add_task(name, total=len(calls))
    path(), floor()  # the first of each warms caches and imports
    for which, call in calls:
        started = perf_counter()
        own = call()
        spent = perf_counter() - started
        times[which].append((own if which == "path" and isinstance(own, float) else spent) * 1000)
        progress.advance(bar)
    return [
        result(f"{name}, p{percent}", percentile(times["path"], percent), percentile(times["floor"], percent), budget)
        for percent, budget in budgets.items()
    ]


def percentile(values: list[float], percent: int) -> float:
    """The value below which `percent` of them lie."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, round(percent / 100 * (len(ordered) - 1)))]
