"""The application `zaalsleutel hub`, and what its commands have in common: a hub folder opened, refusals in one
sentence, rows for people and for programs.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from controller.formats.errors import Refused, unusable
from sync.hub.keys import online_keys
from sync.hub.keys.cli import status_of
from sync.hub.keys.keyring import Keyring
from sync.hub.service import Service
from sync.hub.settings import Settings, read_settings
from sync.hub.store.database import Sessions, open_database

app = typer.Typer(no_args_is_help=True, add_completion=False, help="The hub: issuer, collector, store and API.")
door_app = typer.Typer(no_args_is_help=True, help="Door units.")
app.add_typer(door_app, name="door")
console = Console()

HubFolder = Annotated[Path, typer.Option("--hub", envvar="ZS_HUB", help="The hub folder.")]
AsJson = Annotated[bool, typer.Option("--json", help="Machine-readable output.")]
HERE = Path()


@dataclass(frozen=True)
class Hub:
    """An opened hub folder."""

    settings: Settings
    keyring: Keyring
    sessions: Sessions
    service: Service


def open_hub(folder: Path) -> Hub:
    """Settings, keys and database of a hub folder. Raises Refused."""
    settings = read_settings(folder)
    keyring = online_keys.keyring(settings.folders.keys)
    sessions = open_database(settings.database)
    return Hub(settings, keyring, sessions, Service(sessions, keyring))


@contextmanager
def refusals() -> Iterator[None]:
    """Turn what is refused into one sentence and exit status 1, or 2 for a file that cannot be used."""
    try:
        yield
        return
    except Refused as error:
        refused = error
    except OSError as error:
        refused = unusable(error)
    typer.echo(f"zaalsleutel hub: {refused}", err=True)
    raise typer.Exit(status_of(refused))


def show(rows: list[dict[str, Any]], columns: list[str], *, as_json: bool, empty: str) -> None:
    """Rows as a JSON array or as a table for people."""
    if as_json:
        typer.echo(json.dumps(rows))
        return
    if not rows:
        typer.echo(empty)
        return
    table = Table(*columns)
    for row in rows:
        table.add_row(*(_cell(row[column]) for column in columns))
    console.print(table)


def _cell(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} = {_cell(each)}" for name, each in value.items())
    return "–" if value is None else str(value)


def now_s() -> int:
    """This machine's time, UTC seconds."""
    return int(datetime.now(UTC).timestamp())
