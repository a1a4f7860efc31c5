"""`zaalsleutel hub migrate | backup | restore`, and `hub door rekey`: for whoever keeps the hub running."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sync.hub.cli_app import HERE, HubFolder, app, door_app, now_s, open_hub, refusals
from sync.hub.settings import read_settings


@app.command()
def migrate(hub: HubFolder = HERE) -> None:
    """Bring the database to the tables this version wants. Make a backup first."""
    from sync.hub.store.migrate import migrate as run

    with refusals():
        before, after = run(read_settings(hub).database)
    typer.echo(f"at {after}" if before == after else f"from {before or 'empty'} to {after}")


@app.command()
def backup(
    out: Annotated[Path, typer.Argument(help="The file to write; it must not exist.")], hub: HubFolder = HERE
) -> None:
    """Write all the hub knows into one file, while it runs. No private key is in it: keep `keys/` and `tls/` apart."""
    from sync.hub.store.backup import write_backup

    with refusals():
        rows = write_backup(read_settings(hub).database, out)
    typer.echo(f"{rows} rows in {out}")


@app.command()
def restore(file: Annotated[Path, typer.Argument(help="A file of `hub backup`.")], hub: HubFolder = HERE) -> None:
    """Fill an empty database from a backup; SQLite and PostgreSQL alike."""
    from sync.hub.store.backup import read_backup

    with refusals():
        rows = read_backup(file, read_settings(hub).database)
    typer.echo(f"{rows} rows restored")


@door_app.command("rekey")
def rekey(door: Annotated[str, typer.Argument(help="A door of town.toml.")], hub: HubFolder = HERE) -> None:
    """After a theft: new salt, new group key, new PINs for everyone whose PIN the unit could check."""
    with refusals():
        renewed = open_hub(hub).service.rekey(door, now_s())
    typer.echo(f"{renewed} lists renewed; their holders get `credential.ready`")
