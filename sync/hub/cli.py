"""`zaalsleutel hub`: make a hub, tell it about the town, run it, bring doors into service.

Exit status: 0 done, 1 input refused (the sentence names the place), 2 the command line is wrong or names a file or
folder that cannot be used. Every command but `init` works in a hub folder, the current one unless `--hub` names
another.
"""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from controller.formats import trust_step
from controller.formats.enrolment import check_names
from sync.hub.adapters.cli import adapters_app, import_app
from sync.hub.cli_app import HERE, AsJson, HubFolder, app, now_s, open_hub, refusals, show
from sync.hub.doors import command_cli, enrol_cli, update_cli
from sync.hub.doors.enrolment import make_hub
from sync.hub.instants import instant
from sync.hub.keys import online_keys, online_keys_cli
from sync.hub.keys.cli import read_file, read_text
from sync.hub.keys.trust_reach import enter_epoch
from sync.hub.keys.trust_shelf import TRUST, TrustShelf
from sync.hub.settings import Settings, read_settings
from sync.hub.store import cli as store_cli
from sync.hub.town.town_file import Town, read_town

__all__ = ["app"]

app.add_typer(import_app, name="import")
app.add_typer(adapters_app, name="adapters")

TOWN_BYTES = 16 << 20
FURTHER = (enrol_cli, online_keys_cli, store_cli, update_cli)
"""Modules whose commands join `app` by being imported."""


@app.command()
def init(
    folder: Annotated[Path, typer.Argument(help="The folder to make.")],
    host: Annotated[list[str] | None, typer.Option(help="Name or address under which doors reach the broker.")] = None,
) -> None:
    """Make a hub folder: hub.toml, keys, and a certificate authority of its own. Never overwrites."""
    with refusals():
        for path in make_hub(folder, host or [], datetime.now(UTC)):
            typer.echo(str(path))


@app.command()
def apply(
    town: Annotated[Path, typer.Argument(help="town.toml")],
    hub: HubFolder = HERE,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what would change.")] = False,
    as_json: AsJson = False,
) -> None:
    """Make the hub follow town.toml. Applying twice changes nothing."""
    with refusals():
        plan = read_town(read_text(town, TOWN_BYTES))
        _check_names(plan, read_settings(hub))
        changes = open_hub(hub).service.apply(plan, now_s(), dry_run=dry_run)
    rows = [asdict(change) for change in changes]
    show(rows, ["action", "what", "name", "fields"], as_json=as_json, empty="nothing changes")


@app.command()
def serve(
    hub: HubFolder = HERE,
    name: Annotated[
        str | None, typer.Option(help="This process's name at the broker, when several hubs share a database.")
    ] = None,
) -> None:
    """Run the API, the link to the doors and the webhooks until interrupted."""
    from sync.hub.server import serve as run

    with refusals():
        run(hub, name)


@app.command()
def trust(
    document: Annotated[Path, typer.Argument(help="The next trust document, signed (`zaalsleutel keys trust`).")],
    hub: HubFolder = HERE,
) -> None:
    """Take in a signed trust document; doors hear of it within a minute."""
    with refusals():
        opened = open_hub(hub)
        step = TrustShelf(opened.settings.folders.keys / TRUST).add(read_file(document, trust_step.DOCUMENT_BYTES))
        enter_epoch(opened.sessions, step.trust.epoch)
        for purpose in online_keys.lacking(opened.settings.folders.keys):
            typer.echo(f"careful: it names no active {purpose} key whose private half is here", err=True)
    typer.echo(f"version {step.trust.version}, named {step.hash}")


@app.command()
def token(client: Annotated[str, typer.Argument(help="A client of town.toml.")], hub: HubFolder = HERE) -> None:
    """Print a new bearer token for a client, once. The one before stops working."""
    with refusals():
        typer.echo(open_hub(hub).service.new_token(client))


@app.command()
def command(
    door: command_cli.DoorArgument,
    verb: command_cli.VerbArgument,
    reason: command_cli.Reason,
    by: command_cli.By = None,
    until: command_cli.Until = None,
    hub: HubFolder = HERE,
) -> None:
    """Have a door do something now: release once, attended, lockdown, resume, self-test. Needs `hub serve` running."""
    with refusals():
        typer.echo(command_cli.give(open_hub(hub).sessions, door, verb, reason, by, until))


@app.command()
def doors(hub: HubFolder = HERE, as_json: AsJson = False) -> None:
    """Every door: last contact, list current and applied."""
    with refusals():
        rows = [asdict(door) for door in open_hub(hub).service.doors()]
    for row in rows:
        contact = row["last_contact"]
        row["last_contact"] = None if contact is None else instant(contact)
    names = ["id", "enrolled", "last_contact", "list_current", "list_applied"]
    show(rows, names, as_json=as_json, empty="no doors; see `zaalsleutel hub apply`")


@app.command("list-of")
def list_of(
    door: Annotated[str, typer.Argument(help="A door of town.toml.")],
    out: Annotated[Path, typer.Option(help="File for the signed list.")],
    hub: HubFolder = HERE,
) -> None:
    """Write a door's current list, as signed."""
    with refusals():
        out.write_bytes(open_hub(hub).service.list_of(door))


def _check_names(plan: Town, settings: Settings) -> None:
    """Every door must fit into an enrolment QR beside the hub's name. Raises Refused `names_too_long`."""
    if settings.doors is None:
        return
    named = [room.doors for room in plan.rooms.values()] + [each.entrances for each in plan.buildings.values()]
    for door in sorted({door for doors in named for door in doors}):
        check_names(door, settings.doors.public)
