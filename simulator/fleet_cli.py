"""`zaalsleutel sim fleet`: thousands of doors at a real broker and hub, phase by phase.

Exit status: 0 every door had every phase behind it, 1 something failed or got stuck, and it says what.
"""

from __future__ import annotations

import json
import os
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from controller.formats.errors import Refused

out, err = Console(), Console(stderr=True)


def fleet(
    doors: Annotated[int, typer.Option(min=1, max=18_000, help="How many.")] = 200,
    grants: Annotated[int, typer.Option(min=0, max=1_000, help="Reservations on each door's list.")] = 100,
    records: Annotated[int, typer.Option(min=1, max=200, help="Records of a batch; the flood has two a door.")] = 50,
    database: Annotated[
        str | None, typer.Option(help="The hub's, as in hub.toml, empty but for `hub migrate`; default: SQLite.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Answer in JSON.")] = False,
) -> None:
    """A herd, a push to all, a flood of events, a broker and a hub that restart."""
    from simulator.broker import NoBroker
    from simulator.fleet import Fleet, Phase, Size
    from simulator.hub_client import HubRefused
    from simulator.processes import ChildDied, NotInTime

    phases: list[Phase] = []
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    try:
        with tempfile.TemporaryDirectory(prefix="zs-") as folder, Progress(*columns, console=err) as progress:
            bars = {}

            def tell(what: str, done: int, total: int) -> None:
                if what not in bars:
                    bars[what] = progress.add_task(what, total=total)
                progress.update(bars[what], completed=done)

            with Fleet(Path(folder) / "fleet", Size(doors, grants, records=records, database=database), tell) as made:
                made.prepare()
                phases += [phase() for phase in made.phases()]
    except (ChildDied, NotInTime, NoBroker, HubRefused, Refused, OSError) as error:
        err.print(f"fleet: {error}", markup=False, soft_wrap=True)
        raise typer.Exit(1) from None
    if as_json:
        told = {"doors": doors, "grants": grants, "processors": os.cpu_count(), "phases": [asdict(p) for p in phases]}
        print(json.dumps(told))
        return
    table = Table("phase", "p50 s", "p95 s", "all s", "doors/s", "broker cpu s", "hub cpu s", "doors cpu s")
    for each in phases:
        times = (each.p50_s, each.p95_s, each.seconds, each.doors / each.seconds)
        spent = (each.broker_cpu_s, each.hub_cpu_s, each.doors_cpu_s)
        table.add_row(each.name, *(f"{value:.1f}" for value in (*times, *spent)))
    out.print(table)
    last = phases[-1]
    held = {"broker": last.broker_bytes, "hub": last.hub_bytes, "doors' processes": last.doors_bytes}
    out.print(
        ", ".join(f"{name} {size / 1e6:.0f} MB ({size / doors / 1e3:.1f} KB a door)" for name, size in held.items())
    )
