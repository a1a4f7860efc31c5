"""`zaalsleutel sim town`: a month of a town, in the command line's terms.

Exit status: 0 nobody was needed, 1 somebody stood before a closed door, entered who may not, or was told what nothing
explains.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

if TYPE_CHECKING:
    from simulator.town import TownReport

SHOWN = 20


def town(
    seed: Annotated[int, typer.Option(help="Everything follows from it.")] = 1,
    days: Annotated[int, typer.Option(min=1, max=120, help="How long.")] = 30,
    rooms: Annotated[int, typer.Option(min=1, max=100, help="Of three or more, the last is two others together.")] = 20,
    bookings: Annotated[int, typer.Option(min=1, help="By the API, tables and calendars.")] = 1500,
    as_json: Annotated[bool, typer.Option("--json", help="Answer in JSON.")] = False,
) -> None:
    """A month of a town with a real hub: bookings, changes, visits and outages, and whether anybody was needed."""
    from simulator.town import TownWorld

    with tempfile.TemporaryDirectory(prefix="zs-town") as folder:
        report = TownWorld(Path(folder), seed, rooms, days, bookings).run()
    if as_json:
        print(json.dumps(report.as_json()))
    else:
        _print(report)
    if not report.right:
        raise typer.Exit(1)


def _print(report: TownReport) -> None:
    table = Table(
        title=f"{report.bookings} bookings in {report.rooms} rooms over {report.days} days, seed {report.seed}"
    )
    table.add_column("what")
    table.add_column("how often", justify="right")
    for name, counts in (("call", report.calls), ("broken", report.broken), ("visit", report.visits)):
        table.add_section()
        for what, count in sorted(counts.items()):
            table.add_row(f"{name}: {what}", str(count))
    table.add_section()
    table.add_row("exceptions, every one of a thing that was broken", str(report.exceptions))
    table.add_row("records of doors, at the hub", f"{report.records}, {report.stored}")
    table.add_row("operator calls", str(report.operator_calls))
    console = Console()
    console.print(table)
    for line in [*report.wrong, *report.unexplained][:SHOWN]:
        console.print(f"[bold]wrong[/]: {line}")
    console.print(f"{report.seconds:g} s")
