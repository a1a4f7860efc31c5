"""Visits: what a booked time came to, from the records of the room's own doors (R002-10, R004-06, R004-28).

    visits = Visits(sessions)
    visits.follow(now)                               # takes in new records; tells what ended or changed since
    visits.of_reservation("booking", "R-1")          # the usage facts of one reservation, oldest first

A visit is a grant's booked time in one room: first IN, last OUT, and how far outside the booked time they were. Records
may come days late and in any order, so facts only ever grow towards the same end: the earliest IN, the latest OUT. Once
the booked time is over a visit is told with revision 1, also when nobody came; a late record that changes it tells it
again under the same id with a higher one. Money is the reservation system's business.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Literal

from sqlalchemy import BigInteger, UniqueConstraint, and_, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from controller.formats.event import Event
from sync.hub.booking import lifecycle
from sync.hub.issuing.issuer import TRAVELLING
from sync.hub.records.log_store import LogStore, StoredRecord
from sync.hub.store.database import Base, Sessions, reading
from sync.hub.store.models import Door, Grant, GrantBooking, Reservation, Room

SETTLE_S = 30 * 60
"""So long after the booked time a visit is told: margins run out, records of a door that is online are here."""

EARLY_S, LATE_S = 4 * 3600, 4 * 3600
"""How far outside the booked time a record still belongs to it: the door thinks nobody inside 4 h after a window."""

PAGE = 500
Attribution = Literal["explicit", "inferred", "none"]


class Visit(Base):
    """`told` is the digest of the facts that revision `revision` told; both empty until the time is over. `changed`:
    touched since."""

    __tablename__ = "visits"
    __table_args__ = (UniqueConstraint("grant_id", "room", "start"),)
    id: Mapped[str] = mapped_column(primary_key=True)
    grant_id: Mapped[str] = mapped_column(index=True)
    room: Mapped[str] = mapped_column(index=True)
    start: Mapped[int] = mapped_column(BigInteger)
    until: Mapped[int] = mapped_column(BigInteger, index=True)
    first_in: Mapped[int | None] = mapped_column(BigInteger)
    last_out: Mapped[int | None] = mapped_column(BigInteger)
    last_out_by: Mapped[str | None]
    unnamed_out: Mapped[int | None] = mapped_column(BigInteger)
    entries: Mapped[int] = mapped_column(default=0)
    held_open: Mapped[int] = mapped_column(default=0)
    clock_doubtful: Mapped[bool] = mapped_column(default=False)
    revision: Mapped[int] = mapped_column(default=0)
    told: Mapped[str] = mapped_column(default="")
    changed: Mapped[bool] = mapped_column(default=True, index=True)


class _Cursor(Base):
    __tablename__ = "visits_cursor"
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    last: Mapped[int] = mapped_column(BigInteger)


@dataclass(frozen=True)
class UsageFacts:
    """One visit as it is known now; instants are UTC seconds. `attribution` says how the last OUT is theirs: signed out
    (`explicit`), the only one who could be inside (`inferred`), or merely the last one out of that door (`none`).
    `held_open` counts how often the door was left open; `certain` is False when the door's clock was not trusted."""

    id: str
    revision: int
    grant: str
    room: str
    start: int
    until: int
    used: bool
    first_in: int | None
    last_out: int | None
    attribution: Attribution | None
    minutes_early: int
    minutes_late: int
    entries: int
    held_open: int
    certain: bool


class Visits:
    """The visits in the hub's database."""

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions
        self._reading = reading(sessions)
        self._store = LogStore(sessions)

    def follow(self, now: int) -> bool:
        """Take in at most a page of new records, and tell the visits that ended or changed since: `visit.ended`.
        Whether there may be more to do at once."""
        return self.follow_page(now)[1]

    def follow_page(self, now: int) -> tuple[list[UsageFacts], bool]:
        """The same; also what was told."""
        with self._sessions.begin() as session:
            cursor = session.get(_Cursor, 1, with_for_update=True) or _Cursor(id=1, last=0)
            page = self._store.after(cursor.last, PAGE, None)
            rooms: dict[str, list[str]] = {}
            for record in page:
                _take(session, record, rooms)
                cursor.last = record.cursor
            session.add(cursor)
            session.flush()
            _add_unvisited(session, now)
            told = _tell(session, now)
            return told, len(page) == PAGE or len(told) == PAGE

    def of_reservation(self, client: str, ref: str) -> list[UsageFacts]:
        """The usage facts of one reservation; none once the link to its grant is destroyed."""
        with self._reading.begin() as session:
            reservation = session.get(Reservation, (client, ref))
            return _of_grants(session, [reservation.grant_id]) if reservation else []

    def of_grants(self, grants: Iterable[str]) -> list[UsageFacts]:
        """The usage facts of several grants."""
        with self._reading.begin() as session:
            return _of_grants(session, list(grants))


def is_in(event: Event) -> bool:
    """Whether somebody came in; where no contact can tell, being let in counts."""
    return event.kind == "in" or (event.kind == "granted" and event.detail.get("contact") == "none")


def facts(visit: Visit) -> UsageFacts:
    """The row as facts."""
    out, by = visit.last_out, visit.last_out_by
    if out is None and visit.first_in is not None and (visit.unnamed_out or 0) >= visit.first_in:
        out, by = visit.unnamed_out, "none"
    early = 0 if visit.first_in is None else max(0, visit.start - visit.first_in) // 60
    late = 0 if out is None else max(0, out - visit.until) // 60
    return UsageFacts(
        id=visit.id,
        revision=visit.revision,
        grant=visit.grant_id,
        room=visit.room,
        start=visit.start,
        until=visit.until,
        used=visit.first_in is not None,
        first_in=visit.first_in,
        last_out=out,
        attribution=by,  # type: ignore[arg-type]
        minutes_early=early,
        minutes_late=late,
        entries=visit.entries,
        held_open=visit.held_open,
        certain=not visit.clock_doubtful,
    )


def _take(session: Session, record: StoredRecord, rooms: dict[str, list[str]]) -> None:
    """`rooms` remembers what has been asked: the rooms whose own door this is."""
    event = record.event
    if not (is_in(event) or event.kind in {"out", "held_open"}):
        return
    if event.door not in rooms:
        own = select(Room.id).join(Door, Door.door_group == Room.door_group).where(Door.id == event.door)
        rooms[event.door] = list(session.scalars(own))
    if record.opening is not None and event.kind != "held_open":
        for visit in _visits_at(session, event, rooms[event.door], record.opening.grant):
            _count(visit, event)
    elif event.kind in {"out", "held_open"}:
        for visit in _visits_at(session, event, rooms[event.door], None):
            _count_unnamed(visit, event)


def _count(visit: Visit, event: Event) -> None:
    at = event.at // 1000
    visit.clock_doubtful = visit.clock_doubtful or event.clock not in {"synced", "holdover"}
    if is_in(event):
        visit.entries += 1
        visit.first_in = at if visit.first_in is None else min(visit.first_in, at)
    elif visit.last_out is None or at >= visit.last_out:
        visit.last_out, visit.last_out_by = at, str(event.detail.get("attribution", "none"))


def _count_unnamed(visit: Visit, event: Event) -> None:
    if event.kind == "held_open":
        visit.held_open += 1
    else:
        visit.unnamed_out = max(visit.unnamed_out or 0, event.at // 1000)


def _visits_at(session: Session, event: Event, rooms: list[str], grant: str | None) -> list[Visit]:
    """The visits a record of the door of these rooms belongs to: of this grant, or of whoever had the room then."""
    at = event.at // 1000
    # Rooms first and bare columns: what the index on (room, until) can answer; a join made every OUT read all bookings.
    query = select(GrantBooking).where(
        GrantBooking.room.in_(rooms), GrantBooking.until > at - LATE_S, GrantBooking.start <= at + EARLY_S
    )
    if grant is not None:
        query = query.where(GrantBooking.grant_id == grant)
    else:
        query = query.join(Grant, Grant.id == GrantBooking.grant_id).where(Grant.state.in_(TRAVELLING))
    nearest: dict[tuple[str, str], GrantBooking] = {}
    for booking in session.scalars(query.order_by(GrantBooking.start)):
        before = nearest.get((booking.grant_id, booking.room))
        if before is None or _distance(booking, at) < _distance(before, at):
            nearest[booking.grant_id, booking.room] = booking
    return [_visit_of(session, booking) for booking in nearest.values()]


def _distance(booking: GrantBooking, at: int) -> int:
    return max(booking.start - at, at - booking.until, 0)


def _visit_of(session: Session, booking: GrantBooking) -> Visit:
    place = (booking.grant_id, booking.room, booking.start)
    found = session.scalars(select(Visit).filter_by(grant_id=place[0], room=place[1], start=place[2])).first()
    if found is None:
        name = "v-" + hashlib.sha256("\0".join(map(str, place)).encode()).hexdigest()[:16]
        found = Visit(id=name, grant_id=place[0], room=place[1], start=place[2], until=booking.until)
        found.entries, found.held_open, found.clock_doubtful, found.revision, found.told = 0, 0, False, 0, ""
        session.add(found)
        session.flush()
    found.until, found.changed = booking.until, True
    return found


def _add_unvisited(session: Session, now: int) -> None:
    """A visit for every booked time that is over and that nobody came to."""
    ended = and_(
        Visit.grant_id == GrantBooking.grant_id, Visit.room == GrantBooking.room, Visit.start == GrantBooking.start
    )
    query = (
        select(GrantBooking)
        .join(Grant, Grant.id == GrantBooking.grant_id)
        .join(Reservation, Reservation.grant_id == Grant.id)
        .outerjoin(Visit, ended)
        .where(GrantBooking.until <= now - SETTLE_S, Visit.id.is_(None), Grant.state.in_(TRAVELLING))
        .limit(PAGE)
    )
    for booking in session.scalars(query).all():
        _visit_of(session, booking)
    session.flush()


def _tell(session: Session, now: int) -> list[UsageFacts]:
    news: list[UsageFacts] = []
    query = select(Visit).where(Visit.until <= now - SETTLE_S, Visit.changed.is_(True)).order_by(Visit.id).limit(PAGE)
    for visit in session.scalars(query).all():
        visit.changed = False
        digest = _digest(visit)
        if digest != visit.told:
            visit.revision, visit.told = visit.revision + 1, digest
            news.append(facts(visit))
            _tell_owner(session, news[-1], now)
    return news


def _tell_owner(session: Session, known: UsageFacts, now: int) -> None:
    """`visit.ended` for the owner: ask for the evaluation the next day, unless nobody came (R004-06)."""
    reservation = session.scalars(select(Reservation).filter_by(grant_id=known.grant)).first()
    if reservation is not None:
        detail = {name: value for name, value in asdict(known).items() if name not in {"grant", "room"}}
        lifecycle.tell_about(session, reservation, "visit.ended", now, room=known.room, detail=detail)


def _digest(visit: Visit) -> str:
    known = facts(visit)
    members = (known.until, known.first_in, known.last_out, known.attribution, known.held_open, known.certain)
    return hashlib.sha256(repr(members).encode()).hexdigest()[:16]


def _of_grants(session: Session, grants: Sequence[str]) -> list[UsageFacts]:
    query = select(Visit).where(Visit.grant_id.in_(grants)).order_by(Visit.start, Visit.room)
    return [facts(visit) for visit in session.scalars(query)]
