"""Many rows into one table at once, the quickest way a database has.

On PostgreSQL that is COPY: a statement with parameters for each row would be parsed, planned and answered row by row,
which took the collector longer than verifying the rows did. On SQLite it is one prepared statement, given to the driver
as it is. Both are part of the session's transaction.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from operator import itemgetter
from typing import Any, cast

from sqlalchemy import Connection, Table, insert
from sqlalchemy.orm import DeclarativeBase, Session


def add_rows(session: Session, mapped: type[DeclarativeBase], rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert a few `rows`, values as the mapped columns take them. Without an object for each, which costs the mapper
    more than the database; so what is in the session already has to be flushed first where a row refers to it."""
    if rows:
        session.execute(insert(cast(Table, mapped.__table__)), list(rows))


def insert_rows(session: Session, table: Table, rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert `rows`, which all name the same two or more columns; plain values only (text, numbers, bytes, None)."""
    if not rows:
        return
    connection = session.connection()
    quote = connection.dialect.identifier_preparer.quote
    names = list(rows[0])
    into = f"{quote(table.name)} ({', '.join(map(quote, names))})"
    # Around the mapper and the compiler: their bookkeeping for each row costs more than the insert itself.
    values = map(itemgetter(*names), rows)
    if connection.dialect.name == "postgresql":
        _copy(connection, into, values)
    else:
        marks = ", ".join("?" * len(names))
        connection.exec_driver_sql(f"INSERT INTO {into} VALUES ({marks})", list(values))  # noqa: S608 - our own names


def _copy(connection: Connection, into: str, values: map[tuple[Any, ...]]) -> None:
    driver: Any = connection.connection.driver_connection
    with driver.cursor() as cursor, cursor.copy(f"COPY {into} FROM STDIN") as copy:
        for each in values:
            copy.write_row(each)
