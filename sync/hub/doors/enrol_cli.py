"""`zaalsleutel hub door add | confirm | revoke`: a unit becomes a door, and stops being one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from time import monotonic, sleep
from typing import Annotated

import segno
import typer

from controller.formats.enrolment import Broker, host_and_port
from controller.formats.errors import Refused
from controller.formats.jwk import FILE_BYTES
from sync.hub.artefacts import qr_picture
from sync.hub.cli_app import HERE, Hub, HubFolder, door_app, open_hub, refusals
from sync.hub.doors.enrol_desk import EnrolDesk, Place
from sync.hub.doors.enrolment import UnitKeys, enrol_door
from sync.hub.doors.readers import DoorReaders
from sync.hub.doors.revocation import BrokerFiles, note_shut, shut_out
from sync.hub.keys import online_keys
from sync.hub.keys.cli import read_file
from sync.hub.keys.trust_reach import enter_epoch
from sync.hub.keys.trust_shelf import TRUST, TrustShelf

SHUT_WITHIN_S = 20.0
SHUT_EVERY_S = 1.0
DoorArgument = Annotated[str, typer.Argument(help="A door of town.toml.")]


def desk_of(hub: Hub) -> EnrolDesk:
    """The desk of an opened hub folder."""
    settings = hub.settings
    broker = settings.mqtt.host, settings.mqtt.port
    if settings.doors is not None and settings.doors.broker is not None:
        broker = host_and_port(settings.doors.broker)
    place = Place(
        tls=settings.folders.tls,
        keys=partial(online_keys.link_keys, settings.folders.keys),
        trust=TrustShelf(settings.folders.keys / TRUST),
        broker=Broker(host=broker[0], port=broker[1]),
    )
    return EnrolDesk(hub.sessions, hub.keyring, place)


@door_app.command("add")
def add_door(
    door: DoorArgument,
    keys: Annotated[
        Path | None, typer.Option(help="Without a QR code: what `zaalsleutel door init` printed at the unit.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder for the pictures (here unless given), or with --keys for the files.")
    ] = None,
    hub: HubFolder = HERE,
) -> None:
    """Invite a unit to be this door: a QR code for its camera, good once and for an hour, as PNG, SVG and here."""
    with refusals():
        opened = open_hub(hub)
        enter_epoch(opened.sessions, TrustShelf(opened.settings.folders.keys / TRUST).needed().trust.epoch)
        if keys is not None:
            _by_hand(opened, door, keys, out or Path(f"{door}.unit"))
            return
        if opened.settings.doors is None:
            text = "is missing: where doors reach this hub over HTTPS (docs/operating.md)"
            raise Refused("bad_settings", "[doors]", text)
        text = desk_of(opened).invite(door, opened.settings.doors.public, datetime.now(UTC)).text()
        for path in _pictures(text, door, out or HERE):
            typer.echo(str(path))
    segno.make(text, error=qr_picture.LEVEL, micro=False, boost_error=False).terminal(compact=True)
    typer.echo(
        f"Show this to the unit of {door} within the hour, once; then `zaalsleutel hub door confirm {door} CODE`"
    )


@door_app.command("confirm")
def confirm(
    door: DoorArgument,
    code: Annotated[str, typer.Argument(help="The four digits that the unit shows or blinks.")],
    hub: HubFolder = HERE,
) -> None:
    """You stand before the unit and it shows this code: from now on it is the door, and gets its list."""
    with refusals():
        opened = open_hub(hub)
        with _files_after(opened):
            desk_of(opened).confirm(door, code, datetime.now(UTC))
    typer.echo(f"{door} is confirmed; its list is on its way")


@door_app.command("revoke")
def revoke(door: DoorArgument, hub: HubFolder = HERE) -> None:
    """Shut a unit out, e.g. a stolen one: its certificate revoked, its name refused by the broker, its session ended.
    Exit status 1 while the broker does not refuse it. Its codes: `zaalsleutel hub door rekey`."""
    with refusals():
        opened = open_hub(hub)
        with _files_after(opened):
            desk_of(opened).revoke(door, datetime.now(UTC))
        folder, mqtt = opened.settings.folders.tls, opened.settings.mqtt
        until_s = monotonic() + SHUT_WITHIN_S
        while not shut_out(folder, mqtt.host, mqtt.port, door, datetime.now(UTC)):
            if monotonic() >= until_s:
                text = f"has not read its files again ({folder}); `hub serve` goes on trying to throw {door} off"
                raise Refused("not_shut_out", "the broker", text)
            sleep(SHUT_EVERY_S)
        note_shut(opened.sessions, door, datetime.now(UTC))
    typer.echo(f"{door} is shut out: the broker refuses it, its session is ended")


@contextmanager
def _files_after(opened: Hub) -> Iterator[None]:
    """The broker's files brought up to date, also after a refusal: a third wrong code shuts out."""
    try:
        yield
    finally:
        BrokerFiles(opened.settings.folders.tls).write(opened.sessions, datetime.now(UTC))


def _pictures(text: str, door: str, folder: Path) -> list[Path]:
    folder.mkdir(parents=True, exist_ok=True)
    png, svg = folder / f"enrol-{door}.png", folder / f"enrol-{door}.svg"
    png.write_bytes(qr_picture.png(text))
    svg.write_text(qr_picture.svg(text, f"Enrolment of {door}"), "utf-8")
    for path in (png, svg):
        path.chmod(0o600)  # whoever has it may be the door, for an hour
    return [png, svg]


def _by_hand(opened: Hub, door: str, keys: Path, out: Path) -> None:
    """Without a camera, or without a way from the unit to the hub: files carried there and back."""
    unit = UnitKeys.parse(read_file(keys, FILE_BYTES), str(keys))
    readers = DoorReaders(opened.sessions)
    with _files_after(opened):
        made = enrol_door(opened.service, readers, opened.settings, opened.sessions, door, unit, out, datetime.now(UTC))
    for path in made:
        typer.echo(str(path))
