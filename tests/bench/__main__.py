"""`./run bench [--json F] [--only NAME]`: every figure that is claimed, beside its floor and its budget.

Exit status 1 when a budget was missed. Measure on a machine that does nothing else; plan a quarter of an hour, most of
it for the QR scenes, the bookings and the fleets.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from tests.bench import bench_booking, bench_door, bench_fleet, bench_hub, bench_instead, bench_qr, bench_start
from tests.bench.measure import Missing, Result

Measure = Callable[[Path, Progress], list[Result]]

MEASURES: Final[dict[str, Measure]] = {
    "entry": bench_door.entry,
    "install": bench_door.installing,
    "decide": bench_door.deciding,
    "instead": bench_instead.instead,
    "qr": bench_qr.scenes,
    "qr-photos": bench_qr.photos,
    "camera": bench_qr.camera,
    "start": bench_start.starting,
    "memory": bench_start.memory,
    "collector": bench_hub.on_sqlite,
    "collector-postgresql": bench_hub.on_postgresql,
    "bookings": bench_booking.on_sqlite,
    "bookings-postgresql": bench_booking.on_postgresql,
    "fleet-200": bench_fleet.of_200,
    "fleet-2000": bench_fleet.of_2000,
}
"""Name -> what measures it in an empty folder of its own. A new one is one line here."""

console = Console()


def main(
    as_json: Annotated[Path | None, typer.Option("--json", help="Write the results into this file.")] = None,
    only: Annotated[list[str] | None, typer.Option(help=f"Only these: {', '.join(MEASURES)}.")] = None,
) -> None:
    """Measure everything and print path, floor, ratio and budget."""
    chosen = only or list(MEASURES)
    if unknown := [name for name in chosen if name not in MEASURES]:
        raise typer.BadParameter(f"there is no {', '.join(unknown)}; there are {', '.join(MEASURES)}")
    results: list[Result] = []
    with Progress(console=Console(stderr=True), transient=True) as progress:
        for name in chosen:
            with tempfile.TemporaryDirectory(prefix="zs") as folder:
                try:
                    results += MEASURES[name](Path(folder), progress)
                except Missing as missing:
                    progress.console.print(f"{name}: not measured, {missing}")
    _print(results)
    if as_json is not None:
        as_json.write_text(json.dumps([each.as_json() for each in results], indent=1) + "\n", "utf-8")
    if not all(each.within_budget for each in results):
        raise typer.Exit(1)


def _print(results: list[Result]) -> None:
    table = Table("what", "path", "floor", "ratio", "budget", "")
    for each in results:
        verdict = "ok" if each.within_budget else "over"
        table.add_row(each.name, f"{each.path:g}", f"{each.floor:g}", f"{each.ratio:g}", f"{each.budget:g}", verdict)
    console.print(table)


if __name__ == "__main__":
    typer.run(main)
