"""What the hub holds of the doors' logs, and the numbers of its receipts.

    store = LogStore(sessions)
    answers = store.store(batches, now_s=1_800_000_000)         # one transaction, one answer per batch
    store.after(cursor=0, limit=100, doors=None)                # for GET /v1/events
    store.records("hall-1", log, first=1, last=500)             # the same records with their exact bytes

Records are only ever added. The personal-linked openings rest in a table of their own: erasing a row there leaves the
chain whole, and a batch that is sent again does not bring it back.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

from sqlalchemy import ColumnElement, Row, Select, bindparam, delete, func, or_, select
from sqlalchemy.orm import Session

from controller.formats.encoding import decode
from controller.formats.event import Event, LogEnd, Opening, Receipt, SealedStatement, parse_event
from controller.formats.state import StateReport
from sync.hub.records.collector import ReadBatch
from sync.hub.records.log_storing import Answer, Storing, count, receipt_number
from sync.hub.records.log_tables import (
    EndRow,
    IncidentRow,
    MovedRow,
    OpeningRow,
    ReceiptNumberRow,
    RecordRow,
    RefusalRow,
    StatementRow,
)
from sync.hub.store.database import Sessions, reading

# Pages, because a reader that stays in one transaction keeps the database from tidying up behind it.
PAGE_RECORDS = 1_000

RECEIPT_NUMBERS: Final = select(ReceiptNumberRow).where(ReceiptNumberRow.door.in_(bindparam("doors", expanding=True)))


@dataclass(frozen=True)
class StoredRecord:
    """A record as it is held; `cursor` counts all records of the hub in the order they were stored; `again` marks one
    that tells what another record told already. `received` is when it came (UTC seconds), where that was asked for and
    is known."""

    cursor: int
    door: str
    log: str
    seq: int
    hash: str
    data: bytes
    opening: Opening | None
    again: bool
    received: int | None = None

    @property
    def event(self) -> Event:
        """The event in `data`."""
        return parse_event(self.data, "stored event")


@dataclass(frozen=True)
class Incident:
    """Why batches of a door were not stored: `code` is `fork` or the refusal's; `first_at` and `last_at` are Unix
    seconds; `log` and `seq` name the place of a fork or of a
    forged pass, else they are empty and 0."""

    door: str
    code: str
    first_at: int
    last_at: int
    count: int
    log: str
    seq: int


class LogStore:
    """The hub's copy of the logs in its database."""

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions
        self._reading = reading(sessions)

    # --- writing ---

    def store(self, batches: Sequence[ReadBatch], now_s: int) -> list[Answer]:
        """Store verified batches, in this order, in one transaction. Idempotent."""
        with self._sessions.begin() as session:
            return Storing(session, now_s).store(batches)

    def refused(self, door: str, code: str, now_s: int, log: str = "", seq: int = 0) -> None:
        """Count a batch that was bad in itself, or what its record at `log` and `seq` says."""
        with self._sessions.begin() as session:
            count(session, door, code, now_s, log, seq)

    def incident_at(self, door: str, code: str) -> tuple[str, int]:
        """The log and number that the last incident of a kind names; empty and 0 for none."""
        with self._reading.begin() as session:
            row = session.get(IncidentRow, (door, code))
            return (row.log, row.seq) if row else ("", 0)

    def receipts_reported(self, reports: Sequence[StateReport], now_s: int) -> list[Receipt]:
        """Doors have accepted receipts of these numbers: the next ones are higher.

        Where this hub does not remember giving one, it goes on from a backup, and the door may believe records to be
        here that are not: then the receipt that says how far its log is held, to be sent at once."""
        doors = {report.door for report in reports}
        with self._reading.begin() as session:
            known = {
                row.door: min(row.reported, row.last) for row in session.scalars(RECEIPT_NUMBERS, {"doors": doors})
            }
        # Both only ever grow. Every door says this every minute: not worth the writers' lock.
        news = [report for report in reports if report.receipt > known.get(report.door, -1)]
        if not news:
            return []
        forgotten: list[Receipt] = []
        with self._sessions.begin() as session:
            # In one order, so that two processes never wait for each other.
            for report in sorted(news, key=lambda report: report.door):
                numbers = receipt_number(session, report.door)
                numbers.reported = max(numbers.reported, report.receipt)
                if report.receipt > numbers.last:
                    forgotten.append(Storing(session, now_s).receipt(report.door, report.log))
        return forgotten

    # --- reading ---

    def after(self, cursor: int, limit: int, doors: Collection[str] | None) -> list[StoredRecord]:
        """At most `limit` records stored after `cursor`, oldest first, of these doors (None: of all); each happening
        once."""
        wanted = _records_with_openings().where(RecordRow.cursor > cursor, RecordRow.again.is_(False))
        wanted = wanted.order_by(RecordRow.cursor).limit(limit)
        if doors is not None:
            wanted = wanted.where(RecordRow.door.in_(doors))
        with self._reading.begin() as session:
            return [_stored(row) for row in session.execute(wanted)]

    def opened_after(self, cursor: int, limit: int) -> list[StoredRecord]:
        """The same, only those that still say who it was."""
        wanted = _records_with_openings().where(OpeningRow.cursor > cursor).order_by(OpeningRow.cursor).limit(limit)
        with self._reading.begin() as session:
            return [_stored(row) for row in session.execute(wanted)]

    def by_incident(self, number: str) -> list[StoredRecord]:
        """The refusals that were shown with this incident number: one, as a rule."""
        numbered = select(RefusalRow.cursor).where(RefusalRow.number == number)
        wanted = _records_with_openings().where(RecordRow.cursor.in_(numbered)).order_by(RecordRow.cursor)
        with self._reading.begin() as session:
            return [_stored(row) for row in session.execute(wanted)]

    def during(self, from_ms: int, until_ms: int, doors: Collection[str] | None) -> Iterator[StoredRecord]:
        """The records of `from_ms <= at < until_ms` by the doors' clocks, each happening once, batch by batch. Only the
        batches that reach into that time are read."""
        statement = StatementRow
        wanted = select(statement.door, statement.log, statement.first, statement.last, statement.received)
        wanted = wanted.where(*_reaches_into(from_ms, until_ms))
        if doors is not None:
            wanted = wanted.where(StatementRow.door.in_(doors))
        with self._reading.begin() as session:
            stretches = session.execute(wanted.order_by(StatementRow.door, StatementRow.log, StatementRow.last)).all()
        place, read = ("", ""), 0
        for door, log, first, last, received in stretches:
            # Statements may reach back over what an earlier one covers.
            read = read if (door, log) == place else 0
            place = (door, log)
            for record in self.records(door, log, max(first, read + 1), last):
                if not record.again and from_ms <= record.event.at < until_ms:
                    yield replace(record, received=received)
            read = last

    def of_grants(self, grants: Collection[str]) -> list[StoredRecord]:
        """The records of these grants that still say so, each happening once, in the order they were stored."""
        wanted = _records_with_openings().where(OpeningRow.grant.in_(grants), RecordRow.again.is_(False))
        with self._reading.begin() as session:
            return [_stored(row) for row in session.execute(wanted.order_by(RecordRow.cursor))]

    def stretch(
        self, door: str, log: str, from_ms: int, until_ms: int, grants: Collection[str] | None
    ) -> tuple[int, int] | None:
        """The first and last number in a log of what was asked for: of that time, of these grants (None: of all)."""
        if grants is not None:
            query = select(RecordRow.data).join(OpeningRow, OpeningRow.cursor == RecordRow.cursor)
            query = query.where(OpeningRow.grant.in_(grants), RecordRow.door == door, RecordRow.log == log)
            with self._reading.begin() as session:
                events = [parse_event(data, "stored event") for data in session.scalars(query)]
            found = [event.seq for event in events if from_ms <= event.at < until_ms]
            return (min(found), max(found)) if found else None
        batches = select(StatementRow.first, StatementRow.last).filter_by(door=door, log=log)
        with self._reading.begin() as session:
            stretches = session.execute(batches.where(*_reaches_into(from_ms, until_ms))).all()
        head = tail = 0
        for first, last in stretches:
            for record in self.records(door, log, first, last):
                # By the door's clock, which may have been set back in between: no order is relied upon.
                if from_ms <= record.event.at < until_ms:
                    head, tail = min(head or record.seq, record.seq), max(tail, record.seq)
        return (head, tail) if head else None

    def records(self, door: str, log: str, first: int, last: int) -> Iterator[StoredRecord]:
        """The records `first`..`last` of a log in order, read page by page."""
        while first <= last:
            wanted = _records_with_openings().where(RecordRow.door == door, RecordRow.log == log)
            wanted = wanted.where(RecordRow.seq.between(first, last)).order_by(RecordRow.seq).limit(PAGE_RECORDS)
            with self._reading.begin() as session:
                page = [_stored(row) for row in session.execute(wanted)]
            if not page:
                return
            yield from page
            first = page[-1].seq + 1

    def logs(self, door: str) -> dict[str, LogEnd]:
        """The logs of a door and their ends. A door has more than one when its storage had to start afresh."""
        with self._reading.begin() as session:
            return {end.log: LogEnd(end.seq, end.hash) for end in session.scalars(select(EndRow).filter_by(door=door))}

    def all_logs(self) -> list[tuple[str, str]]:
        """Door and log id of every log."""
        with self._reading.begin() as session:
            return [(end.door, end.log) for end in session.scalars(select(EndRow).order_by(EndRow.door, EndRow.log))]

    def old_stretch(self, door: str, log: str, before_ms: int, held: Collection[str]) -> int:
        """The number up to which a log holds only batches from before an instant, and nothing of the grants in `held`;
        0 for none. What follows begins where a statement begins, so it verifies by itself."""
        query = select(StatementRow.first, StatementRow.last, StatementRow.until_ms).filter_by(door=door, log=log)
        kept = select(func.min(RecordRow.seq)).join(OpeningRow, OpeningRow.cursor == RecordRow.cursor)
        kept = kept.where(RecordRow.door == door, RecordRow.log == log, OpeningRow.grant.in_(held))
        with self._reading.begin() as session:
            statements = session.execute(query.order_by(StatementRow.last)).all()
            first_held = session.scalar(kept)
        upto = 0
        for _, last, until_ms in statements:
            newest_ms = until_ms if until_ms is not None else self._at(door, log, last)
            if newest_ms >= before_ms or (first_held is not None and last >= first_held):
                break
            upto = last
        # A statement that stays may reach back over batches that could go.
        return min([upto, *(first - 1 for first, last, _ in statements if last > upto)])

    def _at(self, door: str, log: str, seq: int) -> int:
        return next(iter(self.records(door, log, seq, seq))).event.at

    def statements(self, door: str, log: str, upto: int) -> Iterator[tuple[int, SealedStatement]]:
        """The door's statements over the log that end at or before `upto`, each with its `last`, oldest first, read
        page by page."""
        after = 0
        while True:
            wanted = _statements(door, log).where(StatementRow.last.between(after + 1, upto))
            wanted = wanted.order_by(StatementRow.last)
            with self._reading.begin() as session:
                page = session.execute(wanted.limit(PAGE_RECORDS)).all()
            for after, sealed in page:
                yield after, decode(sealed, SealedStatement, "stored statement")
            if len(page) < PAGE_RECORDS:
                return

    def newest_statement(self, door: str, log: str) -> tuple[int, SealedStatement] | None:
        """The door's last statement over the log, with its `last`."""
        with self._reading.begin() as session:
            row = session.execute(_statements(door, log).order_by(StatementRow.last.desc()).limit(1)).first()
        return (row[0], decode(row[1], SealedStatement, "stored statement")) if row else None

    def incidents(self, door: str) -> list[Incident]:
        """What went wrong with the door's batches, newest first."""
        wanted = select(IncidentRow).filter_by(door=door).order_by(IncidentRow.last_at.desc(), IncidentRow.code)
        with self._reading.begin() as session:
            return [
                Incident(row.door, row.code, row.first_at, row.last_at, row.count, row.log, row.seq)
                for row in session.scalars(wanted)
            ]


def forget_chain(session: Session, door: str, log: str, upto: int) -> int:
    """Forget the records of a log up to `upto`, and the statements over them; how many records went. Where the log
    ends stays known: what is sent again does not come back."""
    own = RecordRow.door == door, RecordRow.log == log, RecordRow.seq <= upto
    cursors = select(RecordRow.cursor).where(*own)
    for table in (OpeningRow, MovedRow, RefusalRow):
        session.execute(delete(table).where(table.cursor.in_(cursors)))
    gone = session.execute(delete(RecordRow).where(*own))
    old = StatementRow.door == door, StatementRow.log == log, StatementRow.last <= upto
    session.execute(delete(StatementRow).where(*old))
    return int(gone.rowcount)  # type: ignore[attr-defined]


def erase_openings(session: Session, cursors: Collection[int]) -> None:
    """Forget who it was in these records; the records stay as the door signed them."""
    session.execute(delete(OpeningRow).where(OpeningRow.cursor.in_(cursors)))


def _statements(door: str, log: str) -> Select[int, bytes]:
    return select(StatementRow.last, StatementRow.sealed).filter_by(door=door, log=log)


def _reaches_into(from_ms: int, until_ms: int) -> tuple[ColumnElement[bool], ...]:
    """Batches that have, or may have, records of that time."""
    return (
        or_(StatementRow.until_ms.is_(None), StatementRow.until_ms >= from_ms),
        or_(StatementRow.from_ms.is_(None), StatementRow.from_ms < until_ms),
    )


def _records_with_openings() -> Select[RecordRow, OpeningRow]:
    return select(RecordRow, OpeningRow).outerjoin(OpeningRow, OpeningRow.cursor == RecordRow.cursor)


def _stored(row: Row[RecordRow, OpeningRow]) -> StoredRecord:
    record, opening = row
    known = Opening(nonce=opening.nonce, grant=opening.grant, credential=opening.credential) if opening else None
    place = (record.cursor, record.door, record.log, record.seq)
    return StoredRecord(*place, record.hash, record.data, known, record.again)
