"""Many worlds: door-days by the thousand, a failing one printed with the command that replays it, and shrunk to the
shortest story that still fails.
"""

from __future__ import annotations

import gc
from collections import Counter
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, field
from time import monotonic

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from simulator.invariants import Broken
from simulator.world import Report, World

DAYS_A_WORLD = 10.0
LAY_OUTS = (1, 1, 2, 3, 5)  # doors of one world, in turn: the last door of three or more is an entrance
SEVERITIES = (1.0, 0.0, 2.0, 1.0)
RESOLUTION_DAYS = 1 / 24


@dataclass(frozen=True)
class Plan:
    """One world of a campaign."""

    seed: int
    days: float
    doors: int
    severity: float

    def command(self) -> str:
        """What replays it exactly."""
        world = f"--seed {self.seed} --days {self.days:g} --doors {self.doors} --severity {self.severity:g}"
        return f"zaalsleutel sim run {world}"


@dataclass(frozen=True)
class Failure:
    """A world in which something was not true: what, when, and the shortest story found."""

    plan: Plan
    invariant: str
    text: str
    shortest: Plan


@dataclass
class Result:
    """A campaign's outcome."""

    door_days: float = 0
    seconds: float = 0
    totals: Counter[str] = field(default_factory=Counter)
    failures: list[Failure] = field(default_factory=list)


def plans(door_days: int, first_seed: int) -> list[Plan]:
    """Worlds of various lay-outs that come to so many door-days."""
    made: list[Plan] = []
    left = float(door_days)
    while left > 0:
        number = len(made)
        doors = LAY_OUTS[number % len(LAY_OUTS)]
        days = min(DAYS_A_WORLD, max(1.0, left / doors))
        made.append(Plan(first_seed + number, days, doors, SEVERITIES[number % len(SEVERITIES)]))
        left -= days * doors
    return made


def play(plan: Plan) -> Report | Failure:
    """One world from beginning to end. Any exception in production code counts as a broken invariant."""
    try:
        return World(plan.seed, plan.doors, plan.severity).run(plan.days)
    except Exception as error:
        return Failure(plan, _name(error), str(error), plan)
    finally:
        gc.collect()


def prepare() -> None:
    """Make a process ready for many worlds: what is loaded is not garbage, and a world leaves so little that `play`
    looks for it once, at the end (while it went on that took 6% of the time)."""
    gc.freeze()
    gc.disable()


def shrink(failure: Failure) -> Failure:
    """The same seed with fewer doors and fewer days, as long as it fails in the same way."""
    best = failure.plan
    for doors in range(1, best.doors):
        fewer = Plan(best.seed, best.days, doors, best.severity)
        if _fails_alike(fewer, failure.invariant):
            best = fewer
            break
    low, high = 0.0, best.days
    while high - low > RESOLUTION_DAYS:
        middle = (low + high) / 2
        if _fails_alike(Plan(best.seed, middle, best.doors, best.severity), failure.invariant):
            high = middle
        else:
            low = middle
    # A little longer than the last length that failed, so that rounding the command keeps the failure.
    shortest = Plan(best.seed, min(best.days, round(high + 0.01, 2)), best.doors, best.severity)
    return Failure(failure.plan, failure.invariant, failure.text, shortest)


def run(door_days: int, first_seed: int, jobs: int, console: Console) -> Result:
    """Play them all on `jobs` processes, with a progress bar, and shrink what failed."""
    result, started = Result(), monotonic()
    worlds = plans(door_days, first_seed)
    columns = (
        TextColumn("door-days"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[bad]}"),
    )
    with (
        ProcessPoolExecutor(jobs, initializer=prepare) as pool,
        Progress(*columns, console=console, transient=True) as progress,
    ):
        bar = progress.add_task("", total=door_days, bad="")
        for future in as_completed([pool.submit(play, plan) for plan in worlds]):
            outcome = future.result()
            plan = outcome.plan if isinstance(outcome, Failure) else None
            if isinstance(outcome, Failure):
                result.failures.append(outcome)
            else:
                result.totals.update(outcome.events)
                result.totals.update({"steps": outcome.steps})
            played = plan.days * plan.doors if plan else outcome.days * outcome.doors  # type: ignore[union-attr]
            result.door_days += played
            progress.update(bar, advance=played, bad=f"{len(result.failures)} failed" if result.failures else "")
        result.failures = list(pool.map(shrink, result.failures))
    result.seconds = monotonic() - started
    return result


def _fails_alike(plan: Plan, invariant: str) -> bool:
    outcome = play(plan)
    return isinstance(outcome, Failure) and outcome.invariant == invariant


def _name(error: Exception) -> str:
    return error.invariant if isinstance(error, Broken) else type(error).__name__
