"""What a change of the trust document means for the hub's lists."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import select, update

from controller.formats.envelope import key_id
from sync.hub.settings import read_settings
from sync.hub.store.database import Sessions, open_database
from sync.hub.store.models import Door, DoorList


def doors_with_list(hub: Path, kid: str) -> tuple[int, int]:
    """(doors that have a list, doors whose list the key `kid` signed) in a hub folder. Raises Refused."""
    sessions = open_database(read_settings(hub).database)
    with sessions.begin() as session:
        signers = [key_id(envelope) for envelope in session.scalars(select(DoorList.envelope))]
    return len(signers), signers.count(kid)


def sign_anew(sessions: Sessions, kid: str) -> int:
    """Lists signed by another key than `kid` are due at once; how many. A door keeps what it has: a retired key's list
    lives on there, but nobody who lost it could install it again."""
    with sessions.begin() as session:
        rows = session.execute(select(DoorList.door, DoorList.envelope))
        others = [door for door, envelope in rows if key_id(envelope) != kid]
        session.execute(update(DoorList).where(DoorList.door.in_(others)).values(refresh_after=0))
    return len(others)


def enter_epoch(sessions: Sessions, epoch: int) -> None:
    """From now on every list carries this key epoch. Those that carry another are due at once: doors take no other."""
    with sessions.begin() as session:
        behind = list(session.scalars(select(Door.id).where(Door.epoch != epoch)))
        session.execute(update(Door).where(Door.id.in_(behind)).values(epoch=epoch))
        session.execute(update(DoorList).where(DoorList.door.in_(behind)).values(refresh_after=0))
