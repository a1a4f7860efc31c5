"""Passes that opened by themselves and that this hub never issued.

A QR pass newer than a door's list opens by a MAC under its group's key, so that a last-minute booking works at a door
without network. Whoever has such a key can mint passes; the first one that is used tells, because the door records it.
Then the group gets a new key at once and none before it: passes that the list names go on opening, minted ones do not.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

from sqlalchemy import select

from controller.formats.event import Event
from sync.hub.booking.credentials import Minter
from sync.hub.records.collector import ReadRecord
from sync.hub.store.models import Credential, Door, DoorGroup


def passes_in(records: Iterable[ReadRecord]) -> dict[str, int]:
    """The credential ids of passes that opened by themselves, and the number of the last record that says so."""
    return {
        record.opening.credential: record.seq
        for record in records
        if record.opening is not None and _opened_alone(record.event)
    }


def never_issued(minter: Minter, credentials: Collection[str]) -> set[str]:
    """Those among the credential ids that this hub does not know."""
    known = minter.session.scalars(select(Credential.id).where(Credential.id.in_(credentials)))
    return set(credentials) - set(known)


def rekey_group(minter: Minter, door_id: str) -> list[str]:
    """A new key for the group of a door, and none before it; the doors whose lists change."""
    session = minter.session
    group = session.get_one(DoorGroup, session.get_one(Door, door_id).door_group)
    minter.new_pass_key(group)
    return list(session.scalars(select(Door.id).where(Door.door_group == group.id)))


def _opened_alone(event: Event) -> bool:
    return event.kind == "granted" and event.credential == "pass"
