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
from dataclasses import dataclass
from typing import Annotated, cast

from sqlalchemy import BigInteger, ForeignKey, Index, Row, Select, Table, UniqueConstraint, delete, insert, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from controller.formats.encoding import decode
from controller.formats.event import Event, Opening, Receipt, SealedStatement, parse_event
from sync.hub.collector import (
    BEGINNING,
    Append,
    Fork,
    Gap,
    LogEnd,
    Placing,
    ReadBatch,
    ReadRecord,
    next_receipt_number,
    place,
)
from sync.hub.database import Base, Sessions, reading

# Pages, because a reader that stays in one transaction keeps the database from tidying up behind it.
PAGE_RECORDS = 1_000

Number = Annotated[int, mapped_column(BigInteger)]
NumberInIndex = Annotated[int, mapped_column(BigInteger, primary_key=True, autoincrement=False)]


class _Record(Base):
    __tablename__ = "log_records"
    __table_args__ = (UniqueConstraint("door", "log", "seq"), Index("log_records_by_door", "door", "cursor"))
    cursor: Mapped[NumberInIndex]
    door: Mapped[str]
    log: Mapped[str]
    seq: Mapped[Number]
    hash: Mapped[str]
    data: Mapped[bytes]


class _Opening(Base):
    __tablename__ = "log_openings"
    cursor: Mapped[NumberInIndex] = mapped_column(ForeignKey(_Record.cursor))
    nonce: Mapped[str]
    grant: Mapped[str] = mapped_column(index=True)
    credential: Mapped[str]


class _Statement(Base):
    __tablename__ = "log_statements"
    door: Mapped[str] = mapped_column(primary_key=True)
    log: Mapped[str] = mapped_column(primary_key=True)
    last: Mapped[NumberInIndex]
    first: Mapped[Number]
    sealed: Mapped[bytes]


class _End(Base):
    __tablename__ = "log_ends"
    door: Mapped[str] = mapped_column(primary_key=True)
    log: Mapped[str] = mapped_column(primary_key=True)
    seq: Mapped[Number]
    hash: Mapped[str]


class _Cursor(Base):
    """One row: the newest record's cursor. Taking numbers from a locked row, not from a database sequence, makes the
    order of the cursors the order of the commits, so that a reader who follows them misses nothing."""

    __tablename__ = "log_cursor"
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    last: Mapped[Number]


class _ReceiptNumber(Base):
    """Per door: the number of the last receipt, and the highest one the door has reported."""

    __tablename__ = "receipt_numbers"
    door: Mapped[str] = mapped_column(primary_key=True)
    last: Mapped[Number] = mapped_column(default=0)
    reported: Mapped[Number] = mapped_column(default=0)


class _Incident(Base):
    """Batches that were not stored, counted: a door that sends rubbish fills no disk."""

    __tablename__ = "log_incidents"
    door: Mapped[str] = mapped_column(primary_key=True)
    code: Mapped[str] = mapped_column(primary_key=True)
    first_at: Mapped[Number]
    last_at: Mapped[Number]
    count: Mapped[Number]
    log: Mapped[str]
    seq: Mapped[Number]


@dataclass(frozen=True)
class Answer:
    """What became of a batch, and the receipt to sign, which always names what is held: after a gap the door sends
    again from there; after a fork it learns that another history was first, and starts a log of another name."""

    placing: Placing
    receipt: Receipt


@dataclass(frozen=True)
class StoredRecord:
    """A record as it is held; `cursor` counts all records of the hub in the order they were stored."""

    cursor: int
    door: str
    log: str
    seq: int
    hash: str
    data: bytes
    opening: Opening | None

    @property
    def event(self) -> Event:
        """The event in `data`."""
        return parse_event(self.data, "stored event")


@dataclass(frozen=True)
class Incident:
    """Why batches of a door were not stored: `code` is `fork` or the refusal's; `first_at` and `last_at` are Unix
    seconds; `log` and `seq` name the place for a fork, else they are empty and 0."""

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
            return _Storing(session, now_s).store(batches)

    def refused(self, door: str, code: str, now_s: int) -> None:
        """Count a batch that was bad in itself."""
        with self._sessions.begin() as session:
            _count(session, door, code, now_s)

    def receipt_reported(self, door: str, log: str, number: int, now_s: int) -> Receipt | None:
        """The door has accepted receipt `number`: the next one is higher.

        When this hub does not remember giving it, it goes on from a backup, and the door may believe records to be here
        that are not: then the receipt that says how far `log` is held, to be sent at once."""
        with self._sessions.begin() as session:
            numbers = _receipt_number(session, door)
            numbers.reported = max(numbers.reported, number)
            if number <= numbers.last:
                return None
            return _Storing(session, now_s).receipt(door, log)

    # --- reading ---

    def after(self, cursor: int, limit: int, doors: Collection[str] | None) -> list[StoredRecord]:
        """At most `limit` records stored after `cursor`, oldest first, of these doors (None: of all)."""
        wanted = _records_with_openings().where(_Record.cursor > cursor).order_by(_Record.cursor).limit(limit)
        if doors is not None:
            wanted = wanted.where(_Record.door.in_(doors))
        with self._reading.begin() as session:
            return [_stored(row) for row in session.execute(wanted)]

    def opened_after(self, cursor: int, limit: int) -> list[StoredRecord]:
        """The same, only those that still say who it was."""
        wanted = _records_with_openings().where(_Opening.cursor > cursor).order_by(_Opening.cursor).limit(limit)
        with self._reading.begin() as session:
            return [_stored(row) for row in session.execute(wanted)]

    def records(self, door: str, log: str, first: int, last: int) -> Iterator[StoredRecord]:
        """The records `first`..`last` of a log in order, read page by page."""
        while first <= last:
            wanted = _records_with_openings().where(_Record.door == door, _Record.log == log)
            wanted = wanted.where(_Record.seq.between(first, last)).order_by(_Record.seq).limit(PAGE_RECORDS)
            with self._reading.begin() as session:
                page = [_stored(row) for row in session.execute(wanted)]
            if not page:
                return
            yield from page
            first = page[-1].seq + 1

    def logs(self, door: str) -> dict[str, LogEnd]:
        """The logs of a door and their ends. A door has more than one when its storage had to start afresh."""
        with self._reading.begin() as session:
            return {end.log: LogEnd(end.seq, end.hash) for end in session.scalars(select(_End).filter_by(door=door))}

    def statements(self, door: str, log: str, upto: int) -> Iterator[tuple[int, SealedStatement]]:
        """The door's statements over the log that end at or before `upto`, each with its `last`, oldest first, read
        page by page."""
        after = 0
        while True:
            wanted = _statements(door, log).where(_Statement.last.between(after + 1, upto)).order_by(_Statement.last)
            with self._reading.begin() as session:
                page = session.execute(wanted.limit(PAGE_RECORDS)).all()
            for after, sealed in page:
                yield after, decode(sealed, SealedStatement, "stored statement")
            if len(page) < PAGE_RECORDS:
                return

    def newest_statement(self, door: str, log: str) -> tuple[int, SealedStatement] | None:
        """The door's last statement over the log, with its `last`."""
        with self._reading.begin() as session:
            row = session.execute(_statements(door, log).order_by(_Statement.last.desc()).limit(1)).first()
        return (row[0], decode(row[1], SealedStatement, "stored statement")) if row else None

    def incidents(self, door: str) -> list[Incident]:
        """What went wrong with the door's batches, newest first."""
        wanted = select(_Incident).filter_by(door=door).order_by(_Incident.last_at.desc(), _Incident.code)
        with self._reading.begin() as session:
            return [
                Incident(row.door, row.code, row.first_at, row.last_at, row.count, row.log, row.seq)
                for row in session.scalars(wanted)
            ]


class _Storing:
    """One transaction of the collector: rows gather in memory and go out in one insert per table."""

    def __init__(self, session: Session, now_s: int) -> None:
        self._session = session
        self._now_s = now_s
        self._ends: dict[tuple[str, str], _End] = {}
        self._records: list[dict[str, object]] = []
        self._openings: list[dict[str, object]] = []
        self._statements: list[dict[str, object]] = []
        self._hashes: dict[tuple[str, str, int], str] = {}

    def store(self, batches: Sequence[ReadBatch]) -> list[Answer]:
        # Also the lock that makes collectors take turns on a database that has more than one writer.
        self._cursor = _cursor(self._session)
        answers = [self._place(batch) for batch in batches]
        self._flush()
        return answers

    def _place(self, batch: ReadBatch) -> Answer:
        door, log = batch.statement.door, batch.statement.log
        row = self._end(door, log)
        end = LogEnd(row.seq, row.hash)
        placing = place(batch, end, self._hash_at(door, log, batch.meets(end), end))
        match placing:
            case Append(records):
                self._append(batch, records)
                row.seq, row.hash = batch.end.seq, batch.end.hash
            case Fork(seq):
                _count(self._session, door, "fork", self._now_s, log, seq)
            case Gap():
                _count(self._session, door, "gap", self._now_s, log, end.seq)
        return Answer(placing, self._receipt(row))

    def receipt(self, door: str, log: str) -> Receipt:
        """A receipt for what is held of a log."""
        return self._receipt(self._end(door, log))

    def _end(self, door: str, log: str) -> _End:
        if (door, log) not in self._ends:
            row = self._session.get(_End, (door, log))
            self._ends[door, log] = row or _End(door=door, log=log, seq=BEGINNING.seq, hash=BEGINNING.hash)
        return self._ends[door, log]

    def _hash_at(self, door: str, log: str, seq: int, end: LogEnd) -> str | None:
        if seq == end.seq:
            return end.hash
        if (door, log, seq) in self._hashes:
            return self._hashes[door, log, seq]
        return self._session.scalar(select(_Record.hash).filter_by(door=door, log=log, seq=seq))

    def _append(self, batch: ReadBatch, records: Sequence[ReadRecord]) -> None:
        door, log = batch.statement.door, batch.statement.log
        for record in records:
            self._cursor.last += 1
            numbered = {"cursor": self._cursor.last, "door": door, "log": log, "seq": record.seq}
            self._records.append({**numbered, "hash": record.hash, "data": record.data})
            self._hashes[door, log, record.seq] = record.hash
            if opening := record.opening:
                named = {"nonce": opening.nonce, "grant": opening.grant, "credential": opening.credential}
                self._openings.append({"cursor": self._cursor.last, **named})
        statement = {"door": door, "log": log, "first": batch.statement.first, "last": batch.statement.last}
        self._statements.append({**statement, "sealed": batch.sealed})

    def _receipt(self, end: _End) -> Receipt:
        numbers = _receipt_number(self._session, end.door)
        numbers.last = next_receipt_number(numbers.last, numbers.reported, self._now_s)
        return Receipt(door=end.door, log=end.log, seq=end.seq, hash=end.hash, number=numbers.last, issued=self._now_s)

    def _flush(self) -> None:
        self._session.add_all(end for end in self._ends.values() if end.seq)
        for table, rows in ((_Record, self._records), (_Opening, self._openings), (_Statement, self._statements)):
            if rows:
                # By table, not by class: the mapper's bookkeeping for each row would cost more than the insert.
                self._session.execute(insert(cast(Table, table.__table__)), rows)


def erase_openings(session: Session, cursors: Collection[int]) -> None:
    """Forget who it was in these records; the records stay as the door signed them."""
    session.execute(delete(_Opening).where(_Opening.cursor.in_(cursors)))


def take_cursor(session: Session) -> int:
    """The next place in the feed, for what is not a door's record; the feed stays locked until the transaction ends."""
    cursor = _cursor(session)
    cursor.last += 1
    session.flush()
    return cursor.last


def _cursor(session: Session) -> _Cursor:
    cursor = session.get(_Cursor, 1, with_for_update=True)
    if cursor is None:
        cursor = _Cursor(id=1, last=0)
        session.add(cursor)
    return cursor


def _receipt_number(session: Session, door: str) -> _ReceiptNumber:
    numbers = session.get(_ReceiptNumber, door, with_for_update=True)
    if numbers is None:
        numbers = _ReceiptNumber(door=door, last=0, reported=0)
        session.add(numbers)
    return numbers


def _count(session: Session, door: str, code: str, now_s: int, log: str = "", seq: int = 0) -> None:
    incident = session.get(_Incident, (door, code), with_for_update=True)
    if incident is None:
        incident = _Incident(door=door, code=code, first_at=now_s, last_at=now_s, count=0, log=log, seq=seq)
        session.add(incident)
    incident.last_at, incident.log, incident.seq = now_s, log, seq
    incident.count += 1


def _statements(door: str, log: str) -> Select[int, bytes]:
    return select(_Statement.last, _Statement.sealed).filter_by(door=door, log=log)


def _records_with_openings() -> Select[_Record, _Opening]:
    return select(_Record, _Opening).outerjoin(_Opening, _Opening.cursor == _Record.cursor)


def _stored(row: Row[_Record, _Opening]) -> StoredRecord:
    record, opening = row
    known = Opening(nonce=opening.nonce, grant=opening.grant, credential=opening.credential) if opening else None
    return StoredRecord(record.cursor, record.door, record.log, record.seq, record.hash, record.data, known)
