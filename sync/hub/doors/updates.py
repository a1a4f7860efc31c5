"""Updates on offer to door units: signed elsewhere, by an offline key of trust purpose `update`; carried here.

    update, doors = UpdateDesk(sessions).offer(trust, manifest, package, folder, ["hall-1"], now)

The manifest goes down as it came, retained, on the topic `update`. The package lies in `folder` under its SHA-256 and
is fetched over the doors' HTTPS. A unit believes neither and verifies by its own trust document; the hub verifies too,
so that staff hear at once what doors would refuse. It has no key that could sign one.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from sqlalchemy import LargeBinary, Select, or_, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from controller.formats.envelope import open_envelope
from controller.formats.errors import Refused
from controller.formats.state import UpdateState
from controller.formats.trust import Trust
from controller.formats.update import MANIFEST_BYTES, UPDATE_TYP, Update, parse_update
from sync.hub.store.database import Base, Sessions, reading
from sync.hub.store.models import Door, Instant
from sync.topics import topic

LEAF: Final = "update"
SUFFIX: Final = ".deb"
CHUNK_BYTES: Final = 1 << 20
AGAIN_S: Final = 60
"""A door that has not said it heard of its offer gets it again: a broker may forget."""
ENDED: Final = frozenset({"installed", "rolled_back"})
WRONG: Final = frozenset({"refused", "rolled_back"})
Publish = Callable[[str, bytes, bool], bool]


class DoorUpdate(Base):
    """The newest offer to a door; `manifest` is empty once it was withdrawn. `wanted` is the number the door should
    speak of (0 then), `heard` the one it last did; `stage` and `reason` are what it said, `stage_at` since when."""

    __tablename__ = "door_updates"
    door: Mapped[str] = mapped_column(primary_key=True)
    number: Mapped[int] = mapped_column(Instant)
    version: Mapped[str]
    sha256: Mapped[str]
    manifest: Mapped[bytes] = mapped_column(LargeBinary)
    offered_at: Mapped[int] = mapped_column(Instant)
    published_at: Mapped[int | None] = mapped_column(Instant)
    wanted: Mapped[int] = mapped_column(Instant)
    heard: Mapped[int] = mapped_column(Instant)
    stage: Mapped[str]
    reason: Mapped[str | None]
    stage_at: Mapped[int] = mapped_column(Instant)


@dataclass(frozen=True)
class Standing:
    """How far a door is with its offer. `stage` is `offered` until the door itself says more, `withdrawn` when it was
    taken back before its end; `since` UTC seconds."""

    door: str
    number: int
    version: str
    stage: str
    reason: str | None
    since: int

    @property
    def wrong(self) -> bool:
        """Whether somebody should look."""
        return self.stage in WRONG


def judged(manifest: bytes, trust: Trust, doors: Collection[str], now: int) -> Update:
    """What the manifest says, if every one of `doors` will believe it under this trust document. Raises Refused: what
    the envelope's gate raises, `update_expired`, `trust_expired`."""
    living = trust.living(now)
    for door in sorted(doors):
        payload = open_envelope(manifest, UPDATE_TYP, living.keys_for("update", door), max_bytes=MANIFEST_BYTES).payload
    if trust.expires <= now:
        raise Refused("trust_expired", "trust.expires", "doors take nothing new by it")
    update = parse_update(payload)
    if update.expires <= now:
        raise Refused("update_expired", "update.expires", "offered too late; sign it anew")
    return update


class UpdateDesk:
    """Where updates are offered, and what doors say of them."""

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions
        self._reading = reading(sessions)

    def offer(
        self, trust: Trust, manifest: bytes, package: Path, folder: Path, doors: Collection[str], now: int
    ) -> tuple[Update, list[str]]:
        """Offer a package to these doors, to all when none is named; what it is, and to whom. The same again changes
        nothing. Raises Refused (what `judged` raises; `not_found`, `wrong_package`, `update_older`) or OSError."""
        names = self._doors(doors)
        update = judged(manifest, trust, names, now)
        _keep_package(package, folder, update)
        with self._sessions.begin() as session:
            for name in names:
                _put(session, name, update, manifest, now)
        self._tidy(folder)
        return update, names

    def withdraw(self, doors: Collection[str], folder: Path, now: int) -> list[str]:
        """Take back what is on offer to these doors, to all when none is named; from whom. One that a unit has begun to
        install stays. Raises Refused `not_found`."""
        names = self._doors(doors)
        taken = []
        with self._sessions.begin() as session:
            for row in session.scalars(select(DoorUpdate).where(DoorUpdate.door.in_(names))):
                if row.manifest:
                    row.manifest, row.wanted, row.published_at = b"", 0, None
                    if row.stage not in ENDED:
                        row.stage, row.reason, row.stage_at = "withdrawn", None, now
                    taken.append(row.door)
        self._tidy(folder)
        return sorted(taken)

    def standings(self) -> list[Standing]:
        """Every door that was ever offered one."""
        with self._reading.begin() as session:
            rows = session.scalars(select(DoorUpdate).order_by(DoorUpdate.door)).all()
        return [Standing(row.door, row.number, row.version, row.stage, row.reason, row.stage_at) for row in rows]

    def _doors(self, wanted: Collection[str]) -> list[str]:
        with self._reading.begin() as session:
            known = set(session.scalars(select(Door.id)))
        for name in sorted(set(wanted) - known):
            raise Refused("not_found", "door", f"town.toml names no door {name}")
        if not known:
            raise Refused("not_found", "door", "there are no doors; see `zaalsleutel hub apply`")
        return sorted(wanted or known)

    def _tidy(self, folder: Path) -> None:
        """Remove the packages that nobody is offered any more."""
        with self._reading.begin() as session:
            rows = session.scalars(select(DoorUpdate)).all()
        offered = {f"{row.sha256}{SUFFIX}" for row in rows if row.manifest}
        for path in folder.glob(f"*{SUFFIX}"):
            if path.name not in offered:
                path.unlink()


def any_due(session: Session, now: int) -> bool:
    """Whether a door has to hear (again) what is on offer to it; takes no lock."""
    return session.scalars(_waiting(now).limit(1)).first() is not None


def hand_over(session: Session, publish: Publish, now: int) -> None:
    """Tell those doors."""
    for row in session.scalars(_waiting(now)):
        if publish(topic(row.door, LEAF), row.manifest, True):
            row.published_at = now


def _waiting(now: int) -> Select[DoorUpdate]:
    unheard = (DoorUpdate.heard != DoorUpdate.wanted) & (DoorUpdate.published_at <= now - AGAIN_S)
    known = DoorUpdate.door.in_(select(Door.id))  # one that town.toml no longer names hears nothing
    return select(DoorUpdate).where(known, or_(DoorUpdate.published_at.is_(None), unheard))


def heard(session: Session, door: str, said: UpdateState | None, now: int) -> None:
    """What a door says of its update, as its agent told it."""
    row = session.get(DoorUpdate, door)
    if row is None:
        return
    row.heard = said.number if said is not None else 0
    if said is None or said.number != row.wanted:
        return
    if (row.stage, row.reason) != (said.stage, said.reason):
        row.stage, row.reason, row.stage_at = said.stage, said.reason, now


def _put(session: Session, door: str, update: Update, manifest: bytes, now: int) -> None:
    row = session.get(DoorUpdate, door)
    if row is None:
        row = DoorUpdate(door=door, number=0, heard=0, manifest=b"", reason=None)
    if update.number < row.number or (update.number == row.number and row.manifest not in {b"", manifest}):
        raise Refused("update_older", "update.number", f"{door} was offered number {row.number} before")
    if row.manifest == manifest:
        return
    row.number, row.version, row.sha256, row.manifest = update.number, update.version, update.sha256, manifest
    row.wanted, row.offered_at, row.stage_at = update.number, now, now
    row.published_at, row.stage, row.reason = None, "offered", None
    session.add(row)


def _keep_package(package: Path, folder: Path, update: Update) -> None:
    """Under its name, once it is seen to be the one that was signed."""
    folder.mkdir(mode=0o755, parents=True, exist_ok=True)
    kept = folder / f"{update.sha256}{SUFFIX}"
    beside = folder / f"{update.sha256}.new"
    try:
        digest = hashlib.sha256()
        with package.open("rb") as read, beside.open("wb") as written:
            while chunk := read.read(CHUNK_BYTES):
                digest.update(chunk)
                written.write(chunk)
            written.flush()
            os.fsync(written.fileno())
        if (beside.stat().st_size, digest.hexdigest()) != (update.size, update.sha256):
            raise Refused("wrong_package", str(package), "not the package that the manifest was signed for")
        beside.chmod(0o644)
        beside.replace(kept)
    finally:
        beside.unlink(missing_ok=True)
