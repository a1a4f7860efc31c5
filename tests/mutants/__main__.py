"""`./run mutants [--door-days N] [--jobs J] [--only NAME] [--page]`: does the test system find bugs?

Each patch in `bugs/` is planted in a copy of the project, and worlds are played there until something in one is not
true; what no world can show must be found by the test that the patch names. `--page` writes docs/mutants.md.
Exit status 1 when a bug stays hidden.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from tests.mutants.bug import ROOT, Bug, all_bugs

PAGE = ROOT / "docs" / "mutants.md"
OF_WORLDS = 0.95  # so many of the planted bugs must be found by worlds alone

console = Console()


@dataclass(frozen=True)
class Outcome:
    """What became of a bug: `by` an invariant or a test, None when it stayed hidden."""

    bug: str
    what: str
    by: str | None
    seed: int | None = None
    door_days: int | None = None


def main(
    door_days: Annotated[int, typer.Option(help="At most so many door-days for each bug.", min=1)] = 10_000,
    jobs: Annotated[int, typer.Option(help="So many bugs at a time.", min=1)] = os.cpu_count() or 1,
    only: Annotated[list[str] | None, typer.Option(help="Only these bugs.")] = None,
    page: Annotated[bool, typer.Option("--page", help="Write docs/mutants.md.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Answer in JSON.")] = False,
) -> None:
    """Plant every bug and look for it."""
    bugs = [bug for bug in all_bugs() if not only or bug.name in only]
    if not bugs:
        raise typer.BadParameter("there is no such bug in tests/mutants/bugs")
    outcomes: list[Outcome] = []
    columns = (
        TextColumn("bugs"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with (
        ThreadPoolExecutor(jobs) as pool,
        Progress(*columns, console=Console(stderr=True), transient=True) as progress,
    ):
        bar = progress.add_task("", total=len(bugs))
        for future in as_completed([pool.submit(hunt, bug, door_days) for bug in bugs]):
            outcomes.append(future.result())
            progress.update(bar, advance=1)
            progress.console.print(f"{outcomes[-1].bug}: {outcomes[-1].by or 'hidden'}", highlight=False)
    outcomes.sort(key=lambda outcome: outcome.bug)
    if as_json:
        print(json.dumps([asdict(outcome) for outcome in outcomes], indent=1))
    else:
        _print(outcomes)
    if page:
        PAGE.write_text(page_of(outcomes, door_days), "utf-8")
    if any(outcome.by is None for outcome in outcomes):
        raise typer.Exit(1)


def hunt(bug: Bug, door_days: int) -> Outcome:
    """Plant one bug in a copy of the project and look for it: by worlds, or by the test it names."""
    with tempfile.TemporaryDirectory(prefix="zs") as folder:
        bug.plant(Path(folder))
        environment = {**os.environ, "PYTHONPATH": folder, "PYTHONDONTWRITEBYTECODE": "1"}
        if bug.test is not None:
            command = [sys.executable, "-m", "pytest", "-q", "-x", "-n", "0", bug.test]
            done = subprocess.run(command, check=False, cwd=folder, env=environment, capture_output=True, text=True)
            # 1: a test failed. Any other status is no verdict on the bug.
            return Outcome(bug.name, bug.what, bug.test if done.returncode == 1 else None)
        command = [sys.executable, "-m", "tests.mutants.hunt", str(door_days)]
        done = subprocess.run(command, check=False, cwd=folder, env=environment, capture_output=True, text=True)
        if done.returncode:
            return Outcome(bug.name, bug.what, None)
        found = json.loads(done.stdout)
        return Outcome(bug.name, bug.what, f"`{found['invariant']}`", found["seed"], found["door_days"])


def page_of(outcomes: list[Outcome], door_days: int) -> str:
    """docs/mutants.md."""
    by_worlds = [outcome for outcome in outcomes if outcome.seed is not None]
    lines = [
        "# Does the test system find bugs?",
        "",
        "Each line is a bug, kept as a patch in `tests/mutants/bugs/`. `./run mutants` plants every one in a copy",
        "of the project and plays worlds from seed 1 on ([simulation](simulation.md)) until something in one is not",
        "true; this page is what `./run mutants --page` wrote.",
        "",
        f"{len(by_worlds)} of {len(outcomes)} were found by worlds ({len(by_worlds) / len(outcomes):.0%}; at least"
        f" {OF_WORLDS:.0%} are wanted within {door_days:,} door-days), the others by the test that is named.",
        "",
        "| bug | found by | seed | door-days |",
        "|---|---|---|---|",
    ]
    lines += [f"| {o.what} | {_by(o)} | {_or_dash(o.seed)} | {_or_dash(o.door_days)} |" for o in outcomes]
    return "\n".join(lines) + "\n"


def _print(outcomes: list[Outcome]) -> None:
    table = Table("bug", "found by", "seed", "door-days")
    for outcome in outcomes:
        table.add_row(outcome.bug, outcome.by or "[red]nothing", _or_dash(outcome.seed), _or_dash(outcome.door_days))
    console.print(table)
    hidden = sum(outcome.by is None for outcome in outcomes)
    worlds = sum(outcome.seed is not None for outcome in outcomes)
    console.print(
        f"{len(outcomes)} bugs: {worlds} found by worlds, {len(outcomes) - worlds - hidden} by tests, {hidden} hidden"
    )


def _by(outcome: Outcome) -> str:
    return "nothing" if outcome.by is None else outcome.by if outcome.seed is not None else f"`{outcome.by}`"


def _or_dash(number: int | None) -> str:
    return "-" if number is None else f"{number:,}"


if __name__ == "__main__":
    typer.run(main)
