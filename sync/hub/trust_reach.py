"""How many doors a change of the trust document concerns."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import select

from controller.formats.envelope import key_id
from sync.hub.database import open_database
from sync.hub.models import DoorList
from sync.hub.settings import read_settings


def doors_with_list(hub: Path, kid: str) -> tuple[int, int]:
    """(doors that have a list, doors whose list the key `kid` signed) in a hub folder. Raises Refused."""
    sessions = open_database(read_settings(hub).database)
    with sessions.begin() as session:
        signers = [key_id(envelope) for envelope in session.scalars(select(DoorList.envelope))]
    return len(signers), signers.count(kid)
