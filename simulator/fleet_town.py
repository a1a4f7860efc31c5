"""A town of thousands of doors, ready to be served: hub folder, trust document, enrolled doors, grants.

The hub's own functions make the town, the keys and the certificates. Only the grants are written straight into the
database: thirty milliseconds of PIN derivation for each of 200,000 would take two hours and show nothing. Each grant is
a reservation of one room for an hour of the coming weeks, with a PIN (a random verifier: nobody will type it) and a QR.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from time import time
from typing import Any, Final, cast

from sqlalchemy import Table, insert, select
from sqlalchemy.orm import Session

from controller.formats import jwe, jwk, trust_step
from controller.formats.encoding import b64, canonical
from controller.formats.trust import Purpose
from simulator import demo_files
from simulator.fleet_door import DoorKit
from sync.hub.cli_app import Hub, open_hub
from sync.hub.doors.enrolment import make_hub
from sync.hub.doors.readers import DoorReader
from sync.hub.keys.ca import Authority
from sync.hub.keys.ceremony import OnlineKey, first
from sync.hub.keys.keyring import LIST, RECEIPT
from sync.hub.keys.link_keys import COLLECT, COMMAND
from sync.hub.keys.trust_shelf import TRUST, TrustShelf
from sync.hub.store.database import Base
from sync.hub.store.models import (
    Credential,
    Delivery,
    Door,
    Grant,
    GrantBooking,
    Reservation,
    StatementNumber,
    Verifier,
)
from sync.hub.town.town_file import read_town

CLIENT: Final = "booking"
HOUR_S, DAY_S = 3_600, 86_400
HOURS_A_DAY: Final = 12
ROWS: Final = 20_000
"""Grants written in one go."""
ROOTS, THRESHOLD = 3, 2

DELIVERED: Final = 0
"""The number of the list that every reservation is said to have come with: below all, or the hub would tell each one's
delivery, 100 a door, when the doors report their first list."""

Row = dict[str, Any]


def town(doors: int, release_s: int = 5) -> str:
    """`town.toml`: so many rooms, each behind a door of its own; a hundred rooms a building."""
    buildings = "\n".join(f"[buildings.b{number}]" for number in range(doors // 100 + 1))
    rooms = "\n".join(
        f'[rooms.{door_id(number)}]\nservice = "culture"\nbuilding = "b{number // 100}"\ndoors = ["{door_id(number)}"]'
        for number in range(doors)
    )
    return f"""\
[services.culture]
name = "Cultuur"
[clients.{CLIENT}]
service = "culture"
scopes = ["reservations", "records"]
[pin_sets.town]
live = 17
[policy]
release_s = {release_s}
[commissioning]
required = false
{buildings}
{rooms}
"""


def door_id(number: int) -> str:
    """The id of a door of the fleet."""
    return f"d{number:05d}"


def make_town(folder: Path, doors: int, http_port: int, broker_port: int, database: str | None = None) -> Hub:
    """A hub folder with keys, certificates, trust and the town in its database; `database` is a URL, SQLite in the
    folder if left out."""
    folder.mkdir(parents=True)
    text = demo_files.hub(http_port, broker_port)
    if database is not None:
        text = text.replace("sqlite:///hub.db", database)
    (folder / "hub.toml").write_text(text, "utf-8")
    now = datetime.now(UTC)
    make_hub(folder, ["127.0.0.1"], now)
    hub = open_hub(folder)
    keys = hub.settings.folders.keys
    roots = [jwk.make_key() for _ in range(ROOTS)]
    signing: tuple[tuple[str, Purpose], ...] = ((LIST, "list"), (RECEIPT, "receipt"), (COMMAND, "command"))
    online = [
        OnlineKey(jwk.read_private((keys / name).read_bytes()).verify_key.jwk(), purpose) for name, purpose in signing
    ]
    collect = jwe.read_private((keys / COLLECT).read_bytes(), COLLECT).encrypt_key.jwk()
    authority = Authority.load(hub.settings.folders.tls).pem.decode("ascii")
    document = first(
        [root.verify_key.jwk() for root in roots],
        THRESHOLD,
        [*online, OnlineKey(collect, "collect")],
        [authority],
        int(now.timestamp()),
    )
    TrustShelf(keys / TRUST).add(trust_step.sign(canonical(document), roots[:THRESHOLD]))
    # Lists are made when the doors have their reservations; from then on it is for the hub that serves to make them.
    hub.service.bench.when_lists_are_wanted(lambda _now: None)
    hub.service.apply(read_town(town(doors)), int(time()))
    return hub


def enrol(hub: Hub, folder: Path, doors: int, tell: Callable[[int], None]) -> list[DoorKit]:
    """Keys and a certificate for each door, known to the hub; `tell` hears how many are done."""
    folder.mkdir()
    authority, now = Authority.load(hub.settings.folders.tls), datetime.now(UTC)
    kits: list[DoorKit] = []
    with hub.sessions.begin() as session:
        for row in session.scalars(select(Door).order_by(Door.id).limit(doors)).all():
            signing, reading = jwk.make_key(), jwe.make_key()
            certificate, private = authority.client(row.id, now)
            kit = DoorKit(row.id, folder / f"{row.id}.crt", folder / f"{row.id}.key", signing.jwk(), reading.jwk())
            kit.certificate.write_bytes(certificate)
            kit.private_key.write_bytes(private)
            row.event_key = signing.verify_key.jwk()
            session.add(DoorReader(door=row.id, key=reading.encrypt_key.jwk()))
            kits.append(kit)
            tell(len(kits))
    return kits


def fill(hub: Hub, doors: int, grants: int, tell: Callable[[int], None]) -> None:
    """`grants` reservations for each door, as delivered long ago; `tell` hears how many doors are done."""
    a_time = max(1, ROWS // max(1, grants))
    for start in range(0, doors, a_time):
        numbers = range(start, min(doors, start + a_time))
        with hub.sessions.begin() as session:
            _write(session, [row for number in numbers for row in _rows(number, grants)])
        tell(numbers.stop)


def _write(session: Session, rows: Iterable[tuple[type[Base], Row]]) -> None:
    by_table: dict[type[Base], list[Row]] = {}
    for table, row in rows:
        by_table.setdefault(table, []).append(row)
    if session.get(StatementNumber, 1) is None:
        session.add(StatementNumber(id=1, last=int(time())))
    for table in (Grant, Reservation, GrantBooking, Credential, Verifier, Delivery):
        if by_table.get(table):
            session.execute(insert(cast(Table, table.__table__)), by_table[table])


def _rows(door: int, grants: int) -> Iterator[tuple[type[Base], Row]]:
    """The rows of one door's grants."""
    name = door_id(door)
    today_s = int(time()) // DAY_S * DAY_S
    for number in range(grants):
        own = f"{door * grants + number:010x}"  # drawn ones meet in a town of 9,000 doors, and nobody draws again here
        grant, pin, start_s = f"p-{own}", f"c-{own}", today_s + DAY_S + number // HOURS_A_DAY * DAY_S
        start_s += (8 + number % HOURS_A_DAY) * HOUR_S
        yield (
            Grant,
            {
                "id": grant, "kind": "renter", "state": "active", "methods": ["pin", "qr"], "reveal_at": start_s,
                "ready_at": None, "rotate_at": None, "ended": False, "share_group": None, "max_uses": None,
            },
        )  # fmt: skip
        yield (
            Reservation,
            {
                "client": CLIENT, "ref": f"{name}-{number}", "revision": 1, "digest": "", "holder": {"ref": "h"},
                "correlation": {}, "language": "nl", "grant_id": grant,
            },
        )  # fmt: skip
        booking = {"grant_id": grant, "room": name, "place": 0, "start": start_s, "until": start_s + HOUR_S}
        yield GrantBooking, booking
        bare = {"grant_id": grant, "sealed": b"\0", "holder": None, "ends_at": None}
        yield Credential, {**bare, "id": pin, "pin_set": "town", "qr_hash": None}
        yield Credential, {**bare, "id": own, "pin_set": None, "qr_hash": b64(os.urandom(16))}
        yield Verifier, {"credential": pin, "door": name, "verifier": b64(os.urandom(32))}
        yield Delivery, {"grant_id": grant, "door": name, "version": DELIVERED, "held_before": True, "stale": False}
