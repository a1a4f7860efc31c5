"""`zaalsleutel sim run | play | campaign`: the deterministic world from the command line.

Exit status: 0 everything was true, 1 an invariant was broken or a story came out otherwise, 2 the command line or a
file is wrong.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from controller.formats.errors import Refused
from simulator.town_cli import town

AsJson = Annotated[bool, typer.Option("--json", help="Answer in JSON.")]
WITHOUT_DEMO = "Whole worlds, without a demo"
console = Console()


def register(app: typer.Typer) -> None:
    """Add the commands to `zaalsleutel sim`."""
    app.command(rich_help_panel=WITHOUT_DEMO)(run)
    app.command(rich_help_panel=WITHOUT_DEMO)(play)
    app.command(rich_help_panel=WITHOUT_DEMO)(campaign)
    app.command(rich_help_panel=WITHOUT_DEMO)(town)


def run(
    seed: Annotated[int, typer.Option(help="Everything follows from it.")],
    days: Annotated[float, typer.Option(min=0, max=36_525, help="How long; at most a century.")],
    doors: Annotated[int, typer.Option(min=1, max=50, help="How many; of three or more the last is an entrance.")] = 1,
    severity: Annotated[float, typer.Option(min=0, max=100, help="How much goes wrong; 0 is a calm world.")] = 1.0,
    timeline: Annotated[Path | None, typer.Option(help="Draw what happened into this HTML file.")] = None,
    as_json: AsJson = False,
) -> None:
    """Run one world. The same seed gives the same hash of everything that happened, on any machine."""
    from simulator.invariants import Broken
    from simulator.timeline import Timeline
    from simulator.world import World

    if timeline is not None:
        try:
            timeline.open("ab").close()  # before the world has run for an hour
        except OSError as error:
            print(f"{timeline}: {error.strerror}", file=sys.stderr)
            raise typer.Exit(2) from None
    drawing = Timeline()
    world = World(seed, doors, severity, watch=drawing)
    broken: Broken | None = None
    try:
        world.run(days)
    except Broken as error:
        broken = error
    if timeline is not None:
        timeline.write_text(drawing.html(world, str(broken or "")), "utf-8")
    report = world.report.as_json()
    if as_json:
        print(json.dumps({**report, "broken": str(broken) if broken else None}))
    elif broken is None:
        _print_report(report)
    if broken is not None:
        print(f"{broken}\nat {world.now_ms} of seed {seed}", file=sys.stderr)
        raise typer.Exit(1)


def play(
    files: Annotated[list[Path], typer.Argument(metavar="FILE…", help="Scenarios, see tests/scenarios.")],
    as_json: AsJson = False,
) -> None:
    """Play stories written as text and say whether they came out as told."""
    from simulator import scenario
    from simulator.invariants import Broken

    wrong = False
    for file in files:
        try:
            story = scenario.parse(file.read_text("utf-8"))
            happened = scenario.play(story)
            differences = scenario.differences(story, happened)
        except (Refused, OSError, UnicodeDecodeError) as error:
            why = error.strerror if isinstance(error, OSError) else error
            print(f"{file}: {why}", file=sys.stderr)
            raise typer.Exit(2) from None
        except Broken as error:
            happened, differences = [], [str(error)]
        wrong = wrong or bool(differences)
        if as_json:
            print(
                json.dumps({"file": str(file), "events": [str(each) for each in happened], "differences": differences})
            )
            continue
        console.print(f"{file.stem}: {'as told' if not differences else differences[0]}")
        if differences:
            console.print("\n".join(f"  => {each}" for each in happened), highlight=False)
    if wrong:
        raise typer.Exit(1)


def campaign(
    door_days: Annotated[int, typer.Option(min=1, help="How many door-days in all.")] = 1_000,
    jobs: Annotated[int, typer.Option(min=1, help="On so many processes.")] = 2,
    first_seed: Annotated[int, typer.Option(help="Seeds count up from here.")] = 1,
    as_json: AsJson = False,
) -> None:
    """Run many worlds; a failing one is shrunk to its shortest story and printed with the command that replays it."""
    from simulator import campaign as campaigns

    result = campaigns.run(door_days, first_seed, jobs, Console(stderr=True))
    failures = [
        {
            "invariant": each.invariant,
            "text": each.text,
            "command": each.plan.command(),
            "shortest": each.shortest.command(),
        }
        for each in result.failures
    ]
    if as_json:
        print(
            json.dumps(
                {"door_days": result.door_days, "seconds": round(result.seconds, 1), "failures": failures,
                 "totals": dict(sorted(result.totals.items()))}
            )
        )  # fmt: skip
    else:
        rate = 1000 * result.seconds * jobs / max(1.0, result.door_days)
        console.print(f"{result.door_days:g} door-days in {result.seconds:.0f} s, {rate:.0f} ms a door-day and process")
        for each in failures:
            console.print(f"[bold]{each['invariant']}[/]: {each['text']}\n  {each['shortest']} --timeline failure.html")
        console.print("0 failed" if not failures else f"{len(failures)} failed")
    if failures:
        raise typer.Exit(1)


def _print_report(report: dict[str, object]) -> None:
    table = Table(title=f"{report['days']:g} days, seed {report['seed']}, {report['doors']} doors")
    for column in ("what", "how often"):
        table.add_column(column, justify="right" if column == "how often" else "left")
    for group in ("events", "verdicts", "faults", "weather"):
        counts = report[group]
        assert isinstance(counts, dict)
        table.add_section()
        for name, count in counts.items():
            table.add_row(f"{group}: {name}", str(count))
    console.print(table)
    console.print(f"{report['steps']} steps, every invariant held\nhash {report['hash']}")
