"""The tables of the doors' logs, and the one row that orders everything the hub tells."""

from __future__ import annotations

from typing import Annotated, Final, cast

from sqlalchemy import BigInteger, ForeignKey, Index, Table, UniqueConstraint, bindparam, false, insert, update
from sqlalchemy.orm import Mapped, Session, mapped_column

from sync.hub.store.database import Base

Number = Annotated[int, mapped_column(BigInteger)]
NumberInIndex = Annotated[int, mapped_column(BigInteger, primary_key=True, autoincrement=False)]


class RecordRow(Base):
    """`again`: the same happening is here already, under the name the record had in an earlier log of the door. Its
    place in the chain needs it; whoever counts leaves it out."""

    __tablename__ = "log_records"
    __table_args__ = (UniqueConstraint("door", "log", "seq"), Index("log_records_by_door", "door", "cursor"))
    cursor: Mapped[NumberInIndex]
    door: Mapped[str]
    log: Mapped[str]
    seq: Mapped[Number]
    hash: Mapped[str]
    data: Mapped[bytes]
    again: Mapped[bool] = mapped_column(default=False, server_default=false())


class OpeningRow(Base):
    """Of the record with the same cursor. No foreign key: a database that looks up each one takes longer for that than
    for the rows, and they are only ever written together with their records (`log_storing.COLUMNS`) and never outlive
    them (`log_store.forget_chain`)."""

    __tablename__ = "log_openings"
    cursor: Mapped[NumberInIndex]
    nonce: Mapped[str]
    grant: Mapped[str] = mapped_column(index=True)
    credential: Mapped[str]


class StatementRow(Base):
    """`from_ms` and `until_ms` are the earliest and latest `at` of the records that came with it, so that a question
    about an evening reads that evening; None for what was stored before they were noted. `received` is when it came,
    UTC seconds."""

    __tablename__ = "log_statements"
    door: Mapped[str] = mapped_column(primary_key=True)
    log: Mapped[str] = mapped_column(primary_key=True)
    last: Mapped[NumberInIndex]
    first: Mapped[Number]
    sealed: Mapped[bytes]
    from_ms: Mapped[Number | None]
    until_ms: Mapped[Number | None]
    received: Mapped[Number | None]


class MovedRow(Base):
    """Where a record that a log took over from an earlier one was written first."""

    __tablename__ = "log_moved"
    door: Mapped[str] = mapped_column(primary_key=True)
    log: Mapped[str] = mapped_column(primary_key=True)
    seq: Mapped[NumberInIndex]
    cursor: Mapped[NumberInIndex] = mapped_column(ForeignKey(RecordRow.cursor))


class RefusalRow(Base):
    """The incident number that a refusal was shown under."""

    __tablename__ = "log_refusals"
    number: Mapped[str] = mapped_column(primary_key=True)
    cursor: Mapped[NumberInIndex] = mapped_column(ForeignKey(RecordRow.cursor))


class EndRow(Base):
    __tablename__ = "log_ends"
    door: Mapped[str] = mapped_column(primary_key=True)
    log: Mapped[str] = mapped_column(primary_key=True)
    seq: Mapped[Number]
    hash: Mapped[str]


class CursorRow(Base):
    """One row: the newest record's cursor. Taking numbers from a locked row, not from a database sequence, makes the
    order of the cursors the order of the commits, so that a reader who follows them misses nothing."""

    __tablename__ = "log_cursor"
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    last: Mapped[Number]


class ReceiptNumberRow(Base):
    """Per door: the number of the last receipt, and the highest one the door has reported."""

    __tablename__ = "receipt_numbers"
    door: Mapped[str] = mapped_column(primary_key=True)
    last: Mapped[Number] = mapped_column(default=0)
    reported: Mapped[Number] = mapped_column(default=0)


class IncidentRow(Base):
    """Batches that were not stored, counted: a door that sends rubbish fills no disk."""

    __tablename__ = "log_incidents"
    door: Mapped[str] = mapped_column(primary_key=True)
    code: Mapped[str] = mapped_column(primary_key=True)
    first_at: Mapped[Number]
    last_at: Mapped[Number]
    count: Mapped[Number]
    log: Mapped[str]
    seq: Mapped[Number]


CURSOR: Final = cast(Table, CursorRow.__table__)
TAKE_CURSORS: Final = update(CURSOR).values(last=CURSOR.c.last + bindparam("more")).returning(CURSOR.c.last)


def take_cursors(session: Session, count: int = 1) -> int:
    """The next `count` places in the feed, for what is not a door's record; the first of them. The feed stays locked
    until the transaction ends."""
    session.flush()  # records that were stored in this transaction have taken theirs
    last = session.scalar(TAKE_CURSORS, {"more": count})
    if last is None:
        session.execute(insert(CURSOR), {"id": 1, "last": count})
    return (last or count) - count + 1


def locked_cursor(session: Session) -> CursorRow:
    """The row, locked until the transaction ends."""
    cursor = session.get(CursorRow, 1, with_for_update=True)
    if cursor is None:
        cursor = CursorRow(id=1, last=0)
        session.add(cursor)
    return cursor
