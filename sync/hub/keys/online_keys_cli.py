"""`zaalsleutel hub keys`: the hub's own keys, and the next one of a purpose.

zaalsleutel hub keys make list                                        # a new pair, beside the one in use
zaalsleutel keys trust rotate trust-1.json --key keys/list-….pub.jwk --out draft-2       # the ceremony, as ever
zaalsleutel hub trust trust-2.json                                    # the running hub goes over by itself
zaalsleutel hub keys show
"""

from __future__ import annotations

from typing import Annotated

import typer

from controller.formats.jwk import Alg
from sync.hub.cli_app import HERE, AsJson, HubFolder, app, refusals, show
from sync.hub.instants import instant
from sync.hub.keys import online_keys
from sync.hub.keys.online_keys import Own
from sync.hub.settings import read_settings

keys_app = typer.Typer(no_args_is_help=True, help="The hub's own keys.")
app.add_typer(keys_app, name="keys")


@keys_app.command("make")
def make(
    purpose: Annotated[Own, typer.Argument(help="What it is for.")],
    alg: Annotated[Alg, typer.Option(help="ES256 where .NET has to verify.")] = "Ed25519",
    hub: HubFolder = HERE,
) -> None:
    """Make the next key of a purpose. Nothing changes until a trust document names it (`keys trust rotate`)."""
    with refusals():
        kid, public = online_keys.make_next(read_settings(hub).folders.keys, purpose, alg)
    typer.echo(f"{kid}\nfor the ceremony: {public}")


@keys_app.command("show")
def show_keys(hub: HubFolder = HERE, as_json: AsJson = False) -> None:
    """Every key the hub has: which are used, what the newest trust document says of them, until when."""
    with refusals():
        found = online_keys.inventory(read_settings(hub).folders.keys)
    rows = [
        {
            "purpose": key.purpose,
            "key": key.kid,
            "state": key.state or "not named",
            "until": None if key.expires is None else instant(key.expires),
            "used": "yes" if key.used else "no",
            "file": str(key.file),
        }
        for key in found
    ]
    show(rows, ["purpose", "key", "state", "until", "used"], as_json=as_json, empty="no keys")
