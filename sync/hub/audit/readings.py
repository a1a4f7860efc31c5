"""Who looked at what, and why: the hub's own record of every reading of personal-linked data (R001-02).

    readings = Readings(sessions)
    readings.note(Reading(at, by="jdoe", action="export", subject="door hall-1", purpose="complaint 17", basis=…))
    readings.all()                      # oldest first
    readings.damaged()                  # None, or the number of the first that was altered or is missing

Written before the data is handed out. Each entry's hash includes the one before it, so that taking one away shows.
Whoever writes this database could write all of it anew, which is why every report carries the newest hash.
"""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass
from typing import Literal, get_args

from sqlalchemy import BigInteger, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Mapped, Session, mapped_column

from controller.formats.encoding import canonical
from controller.formats.event import GENESIS
from sync.hub.store.database import Base, Sessions, reading

Basis = Literal[
    "consent", "contract", "legal_obligation", "vital_interests", "public_task", "legitimate_interests", "none_named"
]
"""Article 6(1) GDPR, a to f; `none_named` only where nobody is named in what is handed out."""
NONE_NAMED: Basis = "none_named"
BASES: tuple[Basis, ...] = tuple(basis for basis in get_args(Basis) if basis != NONE_NAMED)


@dataclass(frozen=True)
class Reading:
    """One reading: `at` UTC seconds, `by` the account, `action` export, report, why, subject …, `subject` what it was
    about, in the words of the command."""

    at: int
    by: str
    action: str
    subject: str
    purpose: str
    basis: Basis


class _Reading(Base):
    __tablename__ = "audit_readings"
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    at: Mapped[int] = mapped_column(BigInteger)
    by: Mapped[str]
    action: Mapped[str]
    subject: Mapped[str]
    purpose: Mapped[str]
    basis: Mapped[str]
    hash: Mapped[str]


class Readings:
    """The record, in the hub's database."""

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions

    def note(self, made: Reading) -> str:
        """Write one down, and return its hash."""
        while True:
            try:
                return self._note(made)
            except IntegrityError:  # somebody else's has this number now
                continue

    def _note(self, made: Reading) -> str:
        with self._sessions.begin() as session:
            newest = _newest(session)
            number, before = (newest.id, newest.hash) if newest else (0, GENESIS)
            after = _hash(before, number + 1, made)
            session.add(_Reading(id=number + 1, hash=after, **asdict(made)))
        return after

    def all(self) -> list[Reading]:
        """Every reading, oldest first."""
        with reading(self._sessions).begin() as session:
            return [_plain(row) for row in session.scalars(select(_Reading).order_by(_Reading.id))]

    def damaged(self) -> int | None:
        """The number (from 1) of the first entry that is not as it was written, None when all are."""
        before = GENESIS
        with reading(self._sessions).begin() as session:
            for number, row in enumerate(session.scalars(select(_Reading).order_by(_Reading.id)), 1):
                before = _hash(before, number, _plain(row))
                if (row.id, row.hash) != (number, before):
                    return number
        return None


def _newest(session: Session) -> _Reading | None:
    return session.scalars(select(_Reading).order_by(_Reading.id.desc()).limit(1).with_for_update()).first()


def _plain(row: _Reading) -> Reading:
    return Reading(row.at, row.by, row.action, row.subject, row.purpose, row.basis)  # type: ignore[arg-type]


def _hash(before: str, number: int, made: Reading) -> str:
    return hashlib.sha256(bytes.fromhex(before) + canonical({"number": number, **asdict(made)})).hexdigest()
