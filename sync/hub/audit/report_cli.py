"""`zaalsleutel audit report`, `why`, `readings`: what happened, in words, for those who may know."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from controller.formats.errors import Refused
from controller.formats.incident import as_written
from sync.hub.audit.cli_reading import Desk, When, refusals, zone_of

HubFolder = Annotated[Path, typer.Option(envvar="ZS_HUB", help="the hub's folder")]
Purpose = Annotated[str, typer.Option(help="why it is read; written down")]
Basis = Annotated[str, typer.Option(help="the legal basis, Article 6(1) GDPR, e.g. public_task")]
Zone = Annotated[str, typer.Option(help="time zone of the times shown and given")]
HERE = Path()


def register(app: typer.Typer) -> None:
    """Add the commands to `zaalsleutel audit`."""
    app.command("report")(report)
    app.command("why")(why)
    app.command("readings")(readings)


def report(
    hub: HubFolder = HERE,
    room: Annotated[str | None, typer.Option(help="a room, by its id")] = None,
    grant: Annotated[str | None, typer.Option(help="a grant, by its id")] = None,
    reservation: Annotated[str | None, typer.Option(help="a reservation, CLIENT/REF")] = None,
    from_: Annotated[str, typer.Option("--from", help="the first instant (RFC 3339, or local)")] = "",
    until: Annotated[str, typer.Option(help="the instant before which it ends")] = "",
    format_: Annotated[str, typer.Option("--format", help="table, csv, json, html or pdf")] = "table",
    out: Annotated[Path | None, typer.Option(help="the file to write, for all but a table")] = None,
    purpose: Purpose = "",
    basis: Basis = "",
    zone: Zone = When.ZONE,
) -> None:
    """Who came and went: of a room, in a period, of a grant, of a reservation."""
    from sync.hub.audit.report import Question, gather
    from sync.hub.audit.report_formats import COLUMNS, FORMATS, cells, write

    with refusals(), Desk.open(hub) as desk:
        chosen = next((each for each in FORMATS if each == format_), None)
        if chosen is None and format_ != "table":
            raise Refused("bad_format", "--format", f"one of table, {', '.join(FORMATS)}")
        if (chosen is None) != (out is None):
            raise Refused("bad_format", "--out", "a file for csv, json, html and pdf; a table goes to the screen")
        place, when = zone_of(zone), When.parse(from_, until, zone)
        question = Question(room, when.from_s, when.until_s, grant, reservation)
        written = desk.note("report", str(question), purpose, basis, names=True)
        found = gather(desk.sessions, question, int(time.time()))
        if chosen is not None and out is not None:
            note = f"purpose: {purpose}; legal basis: {basis}; reading {written[:16]}"
            desk.write(out, [write(found, chosen, place, note)])
            typer.echo(f"{out}: {len(found.rows)} records")
            return
        table = Table(*COLUMNS)
        for row in found.rows:
            table.add_row(*cells(row, place))
        Console().print(table)


def why(
    incident: Annotated[str, typer.Argument(help="the number on the display, like 123-456-789")],
    hub: HubFolder = HERE,
    purpose: Purpose = "",
    basis: Basis = "",
    zone: Zone = When.ZONE,
) -> None:
    """What lies behind an incident number."""
    from sync.hub.audit.report import find_incident, refs_of
    from sync.hub.audit.report_timeline import local
    from sync.hub.store.database import reading

    with refusals(), Desk.open(hub) as desk:
        number, place = as_written(incident), zone_of(zone)
        if number is None:
            raise Refused("bad_incident", "INCIDENT", "an incident number is nine digits, like 123-456-789")
        desk.note("why", f"incident {number}", purpose, basis, names=True)
        found = find_incident(desk.sessions, number)
        if not found:
            raise Refused("not_found", number, "no record has this number; the door may not have delivered it yet")
        with reading(desk.sessions).begin() as session:
            refs = refs_of(session, {each.opening.grant for each in found if each.opening})
    for each in found:
        event, opening = each.event, each.opening
        typer.echo(f"{number}: {event.door}, {local(event.at, place, '%Y-%m-%d %H:%M:%S')} ({event.clock})")
        typer.echo(
            f"  {event.kind}{f' because {event.reason}' if event.reason else ''}, record {event.seq} of {event.log}"
        )
        if opening is not None:
            typer.echo(f"  {event.credential} of {refs.get(opening.grant, f'grant {opening.grant}')}")
        elif event.who is not None:
            typer.echo("  whose it was has been erased")
        else:
            typer.echo("  nobody's: no code that is known was given")


def readings(hub: HubFolder = HERE, zone: Zone = When.ZONE) -> None:
    """Who read personal-linked data, when and why. Exit status 1 when that record is not as it was written."""
    from sync.hub.audit.readings import Readings
    from sync.hub.audit.report_timeline import local

    with refusals(), Desk.open(hub) as desk:
        place = zone_of(zone)
        record = Readings(desk.sessions)
        table = Table("when", "by", "what", "about", "purpose", "legal basis")
        for each in record.all():
            when = local(each.at * 1000, place, "%Y-%m-%d %H:%M:%S")
            table.add_row(when, each.by, each.action, each.subject, each.purpose, each.basis)
        Console().print(table)
        damaged = record.damaged()
    if damaged is not None:
        typer.echo(f"DAMAGED: entry {damaged} is not as it was written", err=True)
        raise typer.Exit(1)
