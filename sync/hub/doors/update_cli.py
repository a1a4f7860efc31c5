"""`zaalsleutel hub update offer | withdraw | status`: signed updates on their way to door units."""

from __future__ import annotations

import time
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from controller.formats.update import MANIFEST_BYTES
from sync.hub.cli_app import HERE, AsJson, HubFolder, app, refusals, show
from sync.hub.doors.updates import UpdateDesk
from sync.hub.instants import instant
from sync.hub.keys.cli import read_file
from sync.hub.keys.trust_shelf import TRUST, TrustShelf
from sync.hub.settings import read_settings
from sync.hub.store.database import open_database

update_app = typer.Typer(no_args_is_help=True, help="Signed updates of door units.")
app.add_typer(update_app, name="update")
Doors = Annotated[list[str] | None, typer.Option("--door", help="A door (repeat); all of them unless given.")]


@update_app.command()
def offer(
    manifest: Annotated[Path, typer.Argument(help="What `zaalsleutel update sign` made.")],
    package: Annotated[Path, typer.Argument(help="The Debian package it was made for.")],
    door: Doors = None,
    hub: HubFolder = HERE,
) -> None:
    """Offer a signed package to door units; they fetch and install it by themselves. Needs `hub serve` running."""
    with refusals():
        settings = read_settings(hub)
        trust = TrustShelf(settings.folders.keys / TRUST).needed().trust
        data = read_file(manifest, MANIFEST_BYTES)
        desk = UpdateDesk(open_database(settings.database))
        update, doors = desk.offer(trust, data, package, settings.folders.updates, door or (), int(time.time()))
        if settings.doors is None:
            typer.echo("careful: hub.toml has no [doors], so units have nowhere to fetch it", err=True)
    typer.echo(f"{update.version}, number {update.number}: on offer to {', '.join(doors)}")


@update_app.command()
def withdraw(door: Doors = None, hub: HubFolder = HERE) -> None:
    """Take back what is on offer. A unit that has begun to install goes on."""
    with refusals():
        settings = read_settings(hub)
        desk = UpdateDesk(open_database(settings.database))
        doors = desk.withdraw(door or (), settings.folders.updates, int(time.time()))
    typer.echo(f"withdrawn from {', '.join(doors)}" if doors else "nothing was on offer")


@update_app.command()
def status(hub: HubFolder = HERE, as_json: AsJson = False) -> None:
    """How far each door is with what it was offered. Exit status 1 when one refused it or went back."""
    with refusals():
        standings = UpdateDesk(open_database(read_settings(hub).database)).standings()
    rows = [{**asdict(each), "since": instant(each.since)} for each in standings]
    names = ["door", "number", "version", "stage", "reason", "since"]
    show(rows, names, as_json=as_json, empty="no updates were offered")
    raise typer.Exit(1 if any(each.wrong for each in standings) else 0)
