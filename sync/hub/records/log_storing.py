"""One transaction of the collector: verified batches in, rows and answers out. Records are only ever added.

A door that starts a new log tells again what the hub may not have, and each such record says where it was written first
(`Event.was`). Whether the hub has it is decided by its bytes under that first name, not by the name: a card that forgot
may have given the same number to something else. What is here already is kept for the chain and marked `again`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, cast

from sqlalchemy import Table, select
from sqlalchemy.orm import Session

from controller.formats.encoding import canonical
from controller.formats.event import BEGINNING, Event, LogEnd, Receipt, parse_event
from controller.formats.incident import incident_number
from sync.hub.records import alarms
from sync.hub.records.collector import (
    Append,
    Fork,
    Gap,
    Placing,
    ReadBatch,
    ReadRecord,
    next_receipt_number,
    place,
)
from sync.hub.records.log_tables import (
    EndRow,
    IncidentRow,
    MovedRow,
    OpeningRow,
    ReceiptNumberRow,
    RecordRow,
    RefusalRow,
    StatementRow,
    locked_cursor,
)
from sync.hub.store.bulk import insert_rows
from sync.hub.store.database import Base

COLUMNS: Final[Mapping[type[Base], tuple[str, ...]]] = {
    RecordRow: ("cursor", "door", "log", "seq", "hash", "data", "again"),
    OpeningRow: ("cursor", "nonce", "grant", "credential"),
    MovedRow: ("door", "log", "seq", "cursor"),
    RefusalRow: ("number", "cursor"),
    StatementRow: ("door", "log", "first", "last", "sealed", "from_ms", "until_ms", "received"),
}
"""What one transaction only adds, in the order in which one row may refer to another."""


@dataclass(frozen=True)
class Answer:
    """What became of a batch, and the receipt to sign, which always names what is held: after a gap the door sends
    again from there; after a fork it learns that another history was first, and starts a log of another name."""

    placing: Placing
    receipt: Receipt


class Storing:
    """Rows gather in memory and go out in one insert per table."""

    def __init__(self, session: Session, now_s: int) -> None:
        self._session = session
        self._now_s = now_s
        self._ends: dict[tuple[str, str], EndRow] = {}
        self._rows: dict[type[Base], list[tuple[object, ...]]] = {table: [] for table in COLUMNS}
        self._appended: dict[tuple[str, str], list[ReadBatch]] = {}
        self._numbers: dict[str, ReceiptNumberRow] = {}
        self._left: set[tuple[str, str]] | None = None

    def store(self, batches: Sequence[ReadBatch]) -> list[Answer]:
        # Also the lock that makes collectors take turns on a database that has more than one writer.
        self._cursor = locked_cursor(self._session)
        answers = [self._place(batch) for batch in batches]
        self._flush()
        for batch, answer in zip(batches, answers, strict=True):
            if isinstance(answer.placing, Append):
                alarms.raise_for(self._session, batch.statement.door, answer.placing.records, self._now_s)
        return answers

    def receipt(self, door: str, log: str) -> Receipt:
        """A receipt for what is held of a log."""
        return self._receipt(self._end(door, log))

    def _place(self, batch: ReadBatch) -> Answer:
        door, log = batch.statement.door, batch.statement.log
        row = self._end(door, log)
        end = LogEnd(row.seq, row.hash)
        placing = place(batch, end, self._hash_at(door, log, batch.meets(end), end))
        match placing:
            case Append(records):
                placing = Append(self._append(batch, records))
                row.seq, row.hash = batch.end.seq, batch.end.hash
            case Fork(seq):
                count(self._session, door, "fork", self._now_s, log, seq)
            case Gap():
                count(self._session, door, "gap", self._now_s, log, end.seq)
        return Answer(placing, self._receipt(row))

    def _end(self, door: str, log: str) -> EndRow:
        if (door, log) not in self._ends:
            row = self._session.get(EndRow, (door, log))
            self._ends[door, log] = row or EndRow(door=door, log=log, seq=BEGINNING.seq, hash=BEGINNING.hash)
        return self._ends[door, log]

    def _hash_at(self, door: str, log: str, seq: int, end: LogEnd) -> str | None:
        if seq == end.seq:
            return end.hash
        for batch in self._appended.get((door, log), ()):
            if batch.statement.first <= seq <= batch.statement.last:
                return batch.hash_at(seq)
        return self._session.scalar(select(RecordRow.hash).filter_by(door=door, log=log, seq=seq))

    def _append(self, batch: ReadBatch, records: Sequence[ReadRecord]) -> tuple[ReadRecord, ...]:
        """Put the records into the log; those of them that are news."""
        door, log = batch.statement.door, batch.statement.log
        known = self._known(batch, records)
        for cursor, record in enumerate(records, self._cursor.last + 1):
            again = record.seq in known
            self._add(RecordRow, cursor, door, log, record.seq, record.hash, record.data, again)
            if opening := record.opening:
                self._add(OpeningRow, cursor, opening.nonce, opening.grant, opening.credential)
            if was := record.event.was:
                self._add(MovedRow, door, was.log, was.seq, cursor)
                self._logs_left().add((door, was.log))
            if record.event.kind == "refused" and not again:
                self._add_refusal(record.event, cursor)
        # Counted once: a mapped attribute costs more to set than a record to store.
        self._cursor.last += len(records)
        self._appended.setdefault((door, log), []).append(batch)
        at = [record.event.at for record in records]
        stated = batch.statement
        self._add(StatementRow, door, log, stated.first, stated.last, batch.sealed, min(at), max(at), self._now_s)
        return tuple(record for record in records if record.seq not in known)

    def _add_refusal(self, event: Event, cursor: int) -> None:
        """Under its number; where it moved, also under the one it had at first, which the display showed."""
        first = event.as_first_written()
        for log, seq in {(event.log, event.seq), (first.log, first.seq)}:
            self._add(RefusalRow, incident_number(event.door, log, seq), cursor)

    # --- the same happening under another name ---

    def _known(self, batch: ReadBatch, records: Sequence[ReadRecord]) -> set[int]:
        """The numbers of those records that are here already under another name."""
        door, log = batch.statement.door, batch.statement.log
        if all(record.event.was is None for record in records) and (door, log) not in self._logs_left():
            return set()
        self._flush()
        return {record.seq for record in records if self._is_here(door, log, record)}

    def _is_here(self, door: str, log: str, record: ReadRecord) -> bool:
        """Under its first name, or under another one it had since."""
        first = record.event.as_first_written()
        own = canonical(first)
        moved = select(RecordRow.data).join(MovedRow, MovedRow.cursor == RecordRow.cursor)
        moved = moved.where(MovedRow.door == door, MovedRow.log == first.log, MovedRow.seq == first.seq)
        if record.event.was is not None:
            under_first = select(RecordRow.data).filter_by(door=door, log=first.log, seq=first.seq)
            if self._session.scalar(under_first) == own:
                return True
        return any(
            canonical(parse_event(data, "stored event").as_first_written()) == own
            for data in self._session.scalars(moved)
        )

    def _logs_left(self) -> set[tuple[str, str]]:
        """The logs of which records were told again elsewhere: few, and looked up once."""
        if self._left is None:
            found = self._session.execute(select(MovedRow.door, MovedRow.log).distinct())
            self._left = {(door, log) for door, log in found}
        return self._left

    # --- rows ---

    def _receipt(self, end: EndRow) -> Receipt:
        # Locked once: each batch has a receipt, and asking again would write the last one's number first.
        if end.door not in self._numbers:
            self._numbers[end.door] = receipt_number(self._session, end.door)
        numbers = self._numbers[end.door]
        numbers.last = next_receipt_number(numbers.last, numbers.reported, self._now_s)
        return Receipt(door=end.door, log=end.log, seq=end.seq, hash=end.hash, number=numbers.last, issued=self._now_s)

    def _add(self, table: type[Base], *row: object) -> None:
        """A row, its values in the order of `COLUMNS`."""
        self._rows[table].append(row)

    def _flush(self) -> None:
        self._session.add_all(end for end in self._ends.values() if end.seq)
        for table, rows in self._rows.items():
            if rows:
                insert_rows(self._session, cast(Table, table.__table__), COLUMNS[table], rows)
                rows.clear()


def receipt_number(session: Session, door: str) -> ReceiptNumberRow:
    """The row of a door, locked."""
    numbers = session.get(ReceiptNumberRow, door, with_for_update=True)
    if numbers is None:
        numbers = ReceiptNumberRow(door=door, last=0, reported=0)
        session.add(numbers)
    return numbers


def count(session: Session, door: str, code: str, now_s: int, log: str = "", seq: int = 0) -> None:
    """One more batch that was not stored."""
    incident = session.get(IncidentRow, (door, code), with_for_update=True)
    if incident is None:
        incident = IncidentRow(door=door, code=code, first_at=now_s, last_at=now_s, count=0, log=log, seq=seq)
        session.add(incident)
    incident.last_at, incident.log, incident.seq = now_s, log, seq
    incident.count += 1
