"""Many rows at once: what goes in comes out, on both databases, and only when the transaction ends well."""

from __future__ import annotations

from typing import cast

from sqlalchemy import Table, select

from sync.hub.records.log_tables import RecordRow, StatementRow
from sync.hub.store.bulk import insert_rows
from sync.hub.store.models import TownService

TABLE = cast(Table, TownService.__table__)
NAMES = ("id", "name")
RECORDS, STATEMENTS = cast(Table, RecordRow.__table__), cast(Table, StatementRow.__table__)
ODD = ["plain", "with\ttab", "with\nline", "back\\slash", "\\N", "", "ë – 🔑", "NULL", "'; --"]


def test_every_value_comes_out_as_it_went_in(sessions):
    rows = [(f"s{number}", name) for number, name in enumerate(ODD)]
    with sessions.begin() as session:
        insert_rows(session, TABLE, NAMES, rows)
        insert_rows(session, TABLE, NAMES, [])
    with sessions.begin() as session:
        assert list(session.scalars(select(TownService.name).order_by(TownService.id))) == ODD


def test_numbers_bytes_and_nothing_come_out_too(sessions):
    records = [(1 << 40, "d", "l", 1, "", bytes(range(256)), True), (2, "d", "l", -1, "h", b"", False)]
    statements = [("d", "l", 1, 2, b"\0", None, 3), ("d", "l", 1, 3, b"", 1 << 41, None)]
    with sessions.begin() as session:
        insert_rows(session, RECORDS, ("cursor", "door", "log", "seq", "hash", "data", "again"), records)
        insert_rows(session, STATEMENTS, ("door", "log", "first", "last", "sealed", "from_ms", "until_ms"), statements)
    with sessions.begin() as session:
        assert [tuple(row) for row in session.execute(select(RECORDS).order_by(RECORDS.c.seq.desc()))] == records
        found = session.execute(select(STATEMENTS).order_by(STATEMENTS.c.last))
        assert [(row.sealed, row.from_ms, row.until_ms) for row in found] == [each[4:] for each in statements]


def test_it_is_part_of_the_transaction(sessions):
    with sessions() as session:
        insert_rows(session, TABLE, NAMES, [("s", "n")])
        session.rollback()
    with sessions.begin() as session:
        assert session.scalars(select(TownService)).all() == []
