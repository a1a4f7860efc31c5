"""`zaalsleutel audit subject`, `hold`, `release`, `purge`, `figures`: what is known, kept, forgotten and counted."""

from __future__ import annotations

import getpass
import json
import re
import time
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from controller.formats.errors import Refused
from sync.hub.audit.cli_reading import Desk, refusals
from sync.hub.audit.report_cli import HERE, Basis, HubFolder, Purpose

Months = Annotated[
    int | None, typer.Option(help="after so many months records no longer say who it was; 1 to 12; else the town's")
]


def register(app: typer.Typer) -> None:
    """Add the commands to `zaalsleutel audit`."""
    for command in (subject, hold, release, purge, figures):
        app.command(command.__name__)(command)


def subject(
    out: Annotated[Path, typer.Option(help="the JSON file to write")],
    hub: HubFolder = HERE,
    reservation: Annotated[str | None, typer.Option(help="CLIENT/REF")] = None,
    holder: Annotated[str | None, typer.Option(help="a holder reference")] = None,
    months: Months = None,
    purpose: Purpose = "",
    basis: Basis = "",
) -> None:
    """Everything that is known about one reservation or holder, with the day each of it is forgotten."""
    with refusals(), Desk.open(hub) as desk:
        from sync.hub.audit.retention import Retention
        from sync.hub.audit.subject_access import subject_access

        if (reservation is None) == (holder is None):
            raise Refused("bad_request", "subject", "either --reservation or --holder")
        about = reservation if reservation is not None else f"holder {holder}"
        desk.note("subject", about, purpose, basis, names=True)
        document = subject_access(
            desk.sessions, Retention(desk.sessions, months).months, reservation=reservation, holder=holder
        )
        desk.write(out, [json.dumps(document, indent=1).encode("utf-8")])
    typer.echo(f"{out}: {len(document['reservations'])} reservations, {len(document['records'])} records")


def hold(
    reservation: Annotated[str, typer.Argument(help="CLIENT/REF")],
    reason: Annotated[str, typer.Option(help="why: the number of a file, not a name")],
    hub: HubFolder = HERE,
) -> None:
    """Keep everything of a reservation while a dispute runs."""
    with refusals(), Desk.open(hub) as desk:
        from sync.hub.audit.retention import Retention

        Retention(desk.sessions).hold(reservation, reason, getpass.getuser(), int(time.time()))
    typer.echo(f"{reservation} is kept until `zaalsleutel audit release`")


def release(
    reservation: Annotated[str, typer.Argument(help="CLIENT/REF")],
    hub: HubFolder = HERE,
) -> None:
    """End a hold."""
    with refusals(), Desk.open(hub) as desk:
        from sync.hub.audit.retention import Retention

        Retention(desk.sessions).release(reservation)
    typer.echo(f"{reservation} is no longer kept for longer than others")


def purge(hub: HubFolder = HERE, months: Months = None) -> None:
    """Forget what is due. For every night; doing it twice changes nothing."""
    with refusals(), Desk.open(hub) as desk:
        from sync.hub.audit.retention import Retention

        gone = Retention(desk.sessions, months).purge(int(time.time()))
    typer.echo(
        f"{gone.openings} records no longer say who it was; {gone.reservations} reservations forgotten; "
        f"{gone.records} records of more than 13 months ago deleted"
    )


def figures(
    month: Annotated[list[str], typer.Argument(help="months, like 2026-07")],
    hub: HubFolder = HERE,
    as_json: Annotated[bool, typer.Option("--json", help="machine-readable")] = False,
) -> None:
    """Use, no-show, refusals and delivery times per room and month. They name nobody; small counts are not shown."""
    with refusals(as_json), Desk.open(hub) as desk:
        from dataclasses import asdict

        from sync.hub.audit.aggregates import figures as shown
        from sync.hub.audit.retention import Retention
        from sync.hub.store.database import reading

        if wrong := [each for each in month if not re.fullmatch(r"\d{4}-(0[1-9]|1[0-2])", each)]:
            raise Refused("bad_month", wrong[0], "a month is written like 2026-07")
        Retention(desk.sessions).count(month, int(time.time()))
        with reading(desk.sessions).begin() as session:
            found = shown(session, month)
    if as_json:
        typer.echo(json.dumps([asdict(each) for each in found]))
        return
    table = Table("room", "month", "figure", "count")
    for each in found:
        table.add_row(each.room, each.month, each.name, "under 5" if each.count is None else str(each.count))
    Console().print(table)
