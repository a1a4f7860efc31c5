"""To whom a door's messages are encrypted: the public half of the key each unit made for itself."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Final

from sqlalchemy import JSON, bindparam, select, update
from sqlalchemy.orm import Mapped, mapped_column

from controller.formats.encoding import canonical, parse_object
from controller.formats.errors import Refused
from controller.formats.jwe import EncryptKey, load_public
from sync.hub.store.database import Base, Sessions, reading
from sync.hub.store.models import DoorList


class DoorReader(Base):
    """One unit's public encryption key, a JWK."""

    __tablename__ = "door_readers"
    door: Mapped[str] = mapped_column(primary_key=True)
    key: Mapped[dict[str, Any]] = mapped_column(JSON)


KEY: Final = select(DoorReader.key).where(DoorReader.door == bindparam("door"))


class DoorReaders:
    """The encryption keys of all doors."""

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions
        self._reading = reading(sessions)

    def register(self, door: str, key: EncryptKey) -> None:
        """From now on encrypt to this key of the door; the one before is forgotten, and the list is due again."""
        with self._sessions.begin() as session:
            session.merge(DoorReader(door=door, key=key.jwk()))
            session.execute(update(DoorList).where(DoorList.door == door).values(published_at=None))

    def every(self) -> list[str]:
        """The doors that have one."""
        with self._reading.begin() as session:
            return list(session.scalars(select(DoorReader.door).order_by(DoorReader.door)))

    def of(self, door: str) -> EncryptKey:
        """The door's key. Raises Refused `not_enrolled` for a door without one: nothing goes to it in clear."""
        with self._reading.begin() as session:
            key = session.connection().execute(KEY, {"door": door}).scalar()
        if key is None:
            raise Refused("not_enrolled", "door", f"{door} has no encryption key")
        return _loaded(canonical(key), door)


@lru_cache(maxsize=10_000)
def _loaded(key: bytes, door: str) -> EncryptKey:
    """By what the key is, so another one is another entry: whether it is a point of its curve is looked at once."""
    return load_public(parse_object(key, f"door {door}"), f"door {door}")
