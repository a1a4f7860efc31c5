"""Many rows into one table at once, the quickest way a database has.

On PostgreSQL that is COPY: a statement with parameters for each row would be parsed, planned and answered row by row,
which took the collector longer than verifying the rows did. On SQLite it is one prepared statement, given to the driver
as it is. Both are part of the session's transaction.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, cast

from sqlalchemy import Connection, Table, insert
from sqlalchemy.orm import DeclarativeBase, Session


def add_rows(session: Session, mapped: type[DeclarativeBase], rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert a few `rows`, values as the mapped columns take them. Without an object for each, which costs the mapper
    more than the database; so what is in the session already has to be flushed first where a row refers to it."""
    if rows:
        session.execute(insert(cast(Table, mapped.__table__)), list(rows))


def insert_rows(session: Session, table: Table, names: Sequence[str], rows: Sequence[tuple[Any, ...]]) -> None:
    """Insert `rows`, the values of the columns `names`; plain values only (text, numbers, bytes, None)."""
    if not rows:
        return
    connection = session.connection()
    quote = connection.dialect.identifier_preparer.quote
    into = f"{quote(table.name)} ({', '.join(map(quote, names))})"
    # Around the mapper and the compiler: their bookkeeping for each row costs more than the insert itself.
    if connection.dialect.name == "postgresql":
        types = [table.c[name].type.compile(connection.dialect) for name in names]
        _copy(connection, into, [each.partition("(")[0].lower() for each in types], rows)
    else:
        marks = ", ".join("?" * len(names))
        connection.exec_driver_sql(f"INSERT INTO {into} VALUES ({marks})", list(rows))  # noqa: S608 - our own names


def _copy(connection: Connection, into: str, types: Sequence[str], rows: Iterable[tuple[Any, ...]]) -> None:
    """In binary: as text, records would be written and read as hexadecimal digits."""
    driver: Any = connection.connection.driver_connection
    with driver.cursor() as cursor, cursor.copy(f"COPY {into} FROM STDIN (FORMAT BINARY)") as copy:
        copy.set_types(types)
        for each in rows:
            copy.write_row(each)
