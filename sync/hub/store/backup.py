"""Backup and restore of everything the hub's database holds, as one file that does not depend on the kind of database.

    write_backup(url, Path("hub.backup"))       # from a running hub: one consistent moment
    read_backup(Path("hub.backup"), other_url)  # into an empty database, of whichever kind

A gzip of JSON lines: a header with the revision, then `{"table": …, "row": {…}}`. It holds no private key: codes and
group keys in it are sealed with the store key, which is in the hub's `keys` folder and is kept elsewhere.
Statement numbers go on from Unix time and what doors report, so a hub restored from an old backup does not fall behind.
"""

from __future__ import annotations

import base64
import gzip
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, LargeBinary, Table, func, insert, select, text

from controller.formats.errors import Refused
from sync.hub.store.database import SCHEMA, Base, connect, make_tables, schema_of
from sync.hub.store.tables import ALL

FORMAT = "zaalsleutel hub backup 1"
CHUNK = 500


def write_backup(url: str, path: Path) -> int:
    """Write a new file (mode 0600) and return the number of rows. Raises Refused `not_migrated`, FileExistsError."""
    assert ALL
    engine = connect(url)
    if engine.dialect.name == "postgresql":
        engine = engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
    rows = 0
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as raw, gzip.open(raw, "wt", encoding="utf-8") as file:
        with engine.execution_options(read_only=True).begin() as connection:
            _check_schema(connection)
            file.write(json.dumps({"format": FORMAT, "revision": SCHEMA}) + "\n")
            for table in Base.metadata.sorted_tables:
                for row in _rows(connection, table):
                    file.write(json.dumps({"table": table.name, "row": row}) + "\n")
                    rows += 1
        # What is not on the disk yet is no backup.
        file.flush()
        raw.flush()
        os.fsync(raw.fileno())
    engine.dispose()
    return rows


def read_backup(path: Path, url: str) -> int:
    """Fill an empty database from a backup and return the number of rows, all or none. Raises Refused `bad_backup`,
    `not_migrated`, `not_empty`."""
    engine = connect(url)
    tables = {table.name: table for table in Base.metadata.sorted_tables}
    with engine.begin() as connection:
        if schema_of(connection) is None and engine.dialect.name == "sqlite":
            make_tables(connection)
        _check_schema(connection)
        for table in tables.values():
            if connection.scalar(select(func.count()).select_from(table)):
                raise Refused("not_empty", "database", f"{table.name} has rows; restore into an empty database")
        rows = _fill(connection, tables, _lines(path))
        _advance_counters(connection, tables.values())
    engine.dispose()
    return rows


def _check_schema(connection: Connection) -> None:
    found = schema_of(connection)
    if found != SCHEMA:
        raise Refused("not_migrated", "database", f"is at revision {found or 'none'}, this program wants {SCHEMA}")


def _rows(connection: Connection, table: Table) -> Iterator[dict[str, Any]]:
    result = connection.execution_options(yield_per=CHUNK).execute(select(table).order_by(*table.primary_key))
    for row in result.mappings():
        yield {name: _to_json(value) for name, value in row.items()}


def _to_json(value: Any) -> Any:
    return base64.b64encode(value).decode() if isinstance(value, bytes) else value


def _from_json(table: Table, row: dict[str, Any]) -> dict[str, Any]:
    binary = {column.name for column in table.columns if isinstance(column.type, LargeBinary)}
    return {
        name: base64.b64decode(value) if name in binary and value is not None else value for name, value in row.items()
    }


def _lines(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    try:
        with gzip.open(path, "rt", encoding="utf-8") as file:
            header = json.loads(file.readline())
            if header.get("format") != FORMAT:
                raise Refused("bad_backup", path.name, "is no backup of a hub")
            if header.get("revision") != SCHEMA:
                text = f"is of revision {header.get('revision')}: restore it with that version, then migrate"
                raise Refused("not_migrated", path.name, text)
            for line in file:
                member = json.loads(line)
                yield member["table"], member["row"]
    except (ValueError, KeyError, AttributeError, EOFError, gzip.BadGzipFile) as error:
        raise Refused("bad_backup", path.name, f"is damaged ({type(error).__name__})") from None


def _fill(connection: Connection, tables: dict[str, Table], lines: Iterator[tuple[str, dict[str, Any]]]) -> int:
    rows, waiting, current = 0, list[dict[str, Any]](), ""
    for name, row in lines:
        if name not in tables:
            raise Refused("bad_backup", name, "is no table of the hub")
        if name != current or len(waiting) == CHUNK:
            _insert(connection, tables, current, waiting)
            current = name
        waiting.append(_from_json(tables[name], row))
        rows += 1
    _insert(connection, tables, current, waiting)
    return rows


def _insert(connection: Connection, tables: dict[str, Table], name: str, waiting: list[dict[str, Any]]) -> None:
    if waiting:
        connection.execute(insert(tables[name]), waiting)
        waiting.clear()


def _advance_counters(connection: Connection, tables: Any) -> None:
    """PostgreSQL counts its own numbers apart from the rows: go on after the highest."""
    if connection.dialect.name != "postgresql":
        return
    for table in tables:
        column = table.autoincrement_column
        if column is not None:
            sequence = connection.scalar(select(func.pg_get_serial_sequence(f'"{table.name}"', column.name)))
            highest = connection.scalar(select(func.max(column)))
            if sequence is not None and highest is not None:
                connection.execute(
                    text("SELECT setval(:sequence, :highest)"), {"sequence": sequence, "highest": highest}
                )
