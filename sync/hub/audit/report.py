"""What happened at the doors of a room, in a period, or to one grant or reservation, gathered for people to read.

    question = Question(room="INF001", from_s=…, until_s=…)
    report = gather(sessions, question, made_at=…)
    report.rows, report.stays            # written down by report_formats, drawn by report_timeline

A report shows; it proves nothing. What proves is an export (`export.py`), which names the same records.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from controller.formats.errors import Refused
from controller.formats.incident import incident_number
from sync.hub.records.log_store import LogStore, StoredRecord
from sync.hub.store import questions
from sync.hub.store.database import Sessions, reading
from sync.hub.store.models import Credential, Door, Reservation, Room

FOREVER_S = 1 << 40


@dataclass(frozen=True)
class Question:
    """What is asked: half-open in UTC seconds; None leaves it open. `reservation` is `client/ref`."""

    room: str | None = None
    from_s: int = 0
    until_s: int = FOREVER_S
    grant: str | None = None
    reservation: str | None = None

    def __str__(self) -> str:
        named = {"room": self.room, "grant": self.grant, "reservation": self.reservation}
        parts = [f"{name} {value}" for name, value in named.items() if value is not None]
        if self.from_s or self.until_s < FOREVER_S:
            parts.append(f"from {self.from_s} until {self.until_s}")
        return ", ".join(parts) or "everything"


@dataclass(frozen=True)
class Row:
    """One record. `who` is the grant id where the record names somebody and that is still known; `named` whether it
    names somebody at all."""

    at_ms: int
    door: str
    log: str
    seq: int
    kind: str
    reason: str | None
    credential: str | None
    named: bool
    who: str | None
    reservation: str | None
    clock: str
    detail: str
    incident: str

    @property
    def is_in(self) -> bool:
        """Whether somebody came in: through the leaf, or let in at a door without a contact."""
        return self.kind == "in" or (self.kind == "granted" and "contact=none" in self.detail.split())


@dataclass(frozen=True)
class Stay:
    """Somebody's time inside: from an IN to the last OUT that is theirs, None while there is none."""

    who: str
    door: str
    in_ms: int
    out_ms: int | None


@dataclass(frozen=True)
class Report:
    """The answer; rows by time."""

    question: Question
    made_at: int
    rows: tuple[Row, ...]
    stays: tuple[Stay, ...]

    @property
    def span_ms(self) -> tuple[int, int]:
        """The time the rows cover."""
        return (self.rows[0].at_ms, self.rows[-1].at_ms) if self.rows else (0, 0)


def gather(sessions: Sessions, question: Question, made_at: int) -> Report:
    """Raises Refused `unknown_room` or `not_found`."""
    with reading(sessions).begin() as session:
        doors = None if question.room is None else _doors(session, question.room)
        grants = _wanted_grants(session, question)
    from_ms, until_ms = question.from_s * 1000, question.until_s * 1000
    log_store = LogStore(sessions)
    if grants is None:
        found = list(log_store.during(from_ms, until_ms, doors))
    else:
        found = [
            each
            for each in log_store.of_grants(grants)
            if from_ms <= each.event.at < until_ms and (doors is None or each.door in doors)
        ]
    with reading(sessions).begin() as session:
        refs = refs_of(session, {each.opening.grant for each in found if each.opening})
    rows = tuple(sorted((_row(each, refs) for each in found), key=lambda row: (row.at_ms, row.door, row.log, row.seq)))
    return Report(question, made_at, rows, tuple(stays(rows)))


def grants_of(session: Session, *, reservation: str | None = None, holder: str | None = None) -> frozenset[str]:
    """The grants of one reservation (`client/ref`), or of everything a holder reference is in: own reservations and
    codes of their own in others'. Empty when there is none (any more)."""
    query = select(Reservation.grant_id)
    if reservation is not None:
        client, _, ref = reservation.partition("/")
        return frozenset(session.scalars(query.where(Reservation.client == client, Reservation.ref == ref)))
    own = session.scalars(query.where(Reservation.holder["ref"].as_string() == holder))
    given = session.scalars(select(Credential.grant_id).where(Credential.holder == holder))
    return frozenset(own) | frozenset(given)


def refs_of(session: Session, grants: Collection[str]) -> dict[str, str]:
    """`client/ref` of each grant that still has one."""
    query = select(Reservation).where(Reservation.grant_id.in_(grants))
    return {each.grant_id: f"{each.client}/{each.ref}" for each in session.scalars(query)}


def stays(rows: Iterable[Row]) -> Iterator[Stay]:
    """Pair each IN with the same grant's next OUT at that door. A second IN before an OUT is the same stay."""
    inside: dict[tuple[str, str], int] = {}
    for row in rows:
        if row.who is None:
            continue
        if row.is_in:
            inside.setdefault((row.who, row.door), row.at_ms)
        elif row.kind == "out" and (came := inside.pop((row.who, row.door), None)) is not None:
            yield Stay(row.who, row.door, came, row.at_ms)
    for (who, door), came in inside.items():
        yield Stay(who, door, came, None)


def find_incident(sessions: Sessions, number: str) -> list[StoredRecord]:
    """The refusals with this incident number: one, as a rule."""
    return LogStore(sessions).by_incident(number)


def _doors(session: Session, room: str) -> list[str]:
    if session.get(Room, room) is None:
        raise Refused("unknown_room", "room", f"there is no room {room}")
    doors = questions.doors_to(session, [room])
    return sorted(session.scalars(select(Door.id).where(Door.id.in_(doors))))


def _wanted_grants(session: Session, question: Question) -> frozenset[str] | None:
    if question.reservation is not None:
        found = grants_of(session, reservation=question.reservation)
        if not found:
            raise Refused("not_found", "reservation", f"there is no reservation {question.reservation}, or no longer")
        return found
    return None if question.grant is None else frozenset({question.grant})


def _row(record: StoredRecord, refs: dict[str, str]) -> Row:
    event, opening = record.event, record.opening
    return Row(
        at_ms=event.at,
        door=event.door,
        log=event.log,
        seq=event.seq,
        kind=event.kind,
        reason=event.reason,
        credential=event.credential,
        named=event.who is not None,
        who=opening.grant if opening else None,
        reservation=refs.get(opening.grant) if opening else None,
        clock=event.clock,
        detail=" ".join(f"{name}={_word(value)}" for name, value in event.detail.items()),
        incident=incident_number(event.door, event.log, event.seq) if event.kind == "refused" else "",
    )


def _word(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "-" if value is None else str(value)
