"""`zaalsleutel sim soak`: an hour with a month of traffic in it, and whether everything stayed flat.

Exit status: 0 flat, 1 something grew or a process failed, and it says what.
"""

from __future__ import annotations

import json
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

out, err = Console(), Console(stderr=True)

THIN: int = 180
"""Points kept of each series in the report: enough for a plot."""


def soak(
    minutes: Annotated[float, typer.Option(min=1, help="How long; an hour holds a month of traffic.")] = 60,
    as_json: Annotated[Path | None, typer.Option("--json", help="Write series and verdicts into this file.")] = None,
) -> None:
    """A door unit and a hub under a compressed month: memory, descriptors, disk and latency have to stay flat."""
    from simulator.broker import NoBroker
    from simulator.demo import Demo, StartFailed
    from simulator.demo_files import Rules
    from simulator.flatness import Flatness, Series, judge_all
    from simulator.hub_client import HubRefused
    from simulator.processes import ChildDied, NotInTime
    from simulator.soak import Soak

    series: list[Series] = []
    events = days = 0.0
    try:
        with tempfile.TemporaryDirectory(prefix="zs-") as folder, Demo(Path(folder), Rules(release_s=2)) as demo:
            demo.start(lambda step: err.print(f"soak: {step}"))
            run = Soak(demo, minutes)
            columns = (TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn())
            with Progress(*columns, console=err, transient=True) as progress:
                bar = progress.add_task("soak", total=run.visits)
                for sample in run.run():
                    shown = f"day {sample.days:.1f}, hub {sample.values['hub memory'] / 1e6:.0f} MB"
                    progress.update(bar, completed=sample.visits, description=shown)
                    days = sample.days
            series, events = run.series(), run.events
    except (ChildDied, NotInTime, StartFailed, NoBroker, HubRefused, RuntimeError, OSError) as error:
        err.print(f"soak: after {days:.1f} days: {error}", markup=False, soft_wrap=True)
        raise typer.Exit(1) from None
    verdicts: list[Flatness] = judge_all(series)
    table = Table("what", "first third", "last third", "at most", "")
    for each in verdicts:
        figures = (_figure(value, each.unit) for value in (each.early, each.late, each.allowed))
        table.add_row(each.name, *figures, "flat" if each.flat else "[bold]GREW[/]")
    out.print(table)
    out.print(f"{days:.1f} days of traffic, {events:.0f} records of the door")
    if as_json is not None:
        told = {
            "minutes": minutes,
            "days": days,
            "records": events,
            "verdicts": [asdict(each) for each in verdicts],
            "series": [{**asdict(each), "points": _thinned(each.points)} for each in series],
        }
        as_json.write_text(json.dumps(told) + "\n", "utf-8")
    if not all(each.flat for each in verdicts):
        raise typer.Exit(1)


def _figure(value: float, unit: str) -> str:
    return f"{value / 1e6:.2f} MB" if unit == "B" else f"{value:.4g} {unit}".strip()


def _thinned(points: tuple[tuple[float, float], ...]) -> list[list[float]]:
    step = max(1, len(points) // THIN)
    return [[round(at, 3), round(value, 3)] for at, value in points[::step]]
