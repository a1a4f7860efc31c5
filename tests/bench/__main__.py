"""`./run bench [--json F]`: every figure that is claimed, beside its floor and its budget.

Exit status 1 when a budget was missed. Measure on a machine that does nothing else.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from tests.bench import bench_door, bench_hub, bench_start
from tests.bench.measure import Result

console = Console()


def main(
    as_json: Annotated[Path | None, typer.Option("--json", help="Write the results into this file.")] = None,
) -> None:
    """Measure everything and print path, floor, ratio and budget."""
    in_folder: list[Callable[[Path, Progress], list[Result]]] = [
        bench_door.entry,
        bench_door.installing,
        bench_start.starting,
        bench_start.memory,
        bench_hub.collecting,
    ]
    results: list[Result] = []
    with Progress(console=Console(stderr=True), transient=True) as progress:
        for measure in in_folder:
            with tempfile.TemporaryDirectory(prefix="zs") as folder:
                results += measure(Path(folder), progress)
        results += bench_door.deciding(progress)
    table = Table("what", "path", "floor", "ratio", "budget", "")
    for each in results:
        verdict = "ok" if each.within_budget else "over"
        table.add_row(each.name, f"{each.path:g}", f"{each.floor:g}", f"{each.ratio:g}", f"{each.budget:g}", verdict)
    console.print(table)
    if as_json is not None:
        as_json.write_text(json.dumps([each.as_json() for each in results], indent=1) + "\n", "utf-8")
    if not all(each.within_budget for each in results):
        raise typer.Exit(1)


if __name__ == "__main__":
    typer.run(main)
