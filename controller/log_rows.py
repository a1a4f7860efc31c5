"""The rows of the door's log: their tables, their place in the chain, their shape on the wire."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence

import msgspec

from controller.formats.encoding import canonical, parse_object
from controller.formats.envelope import seal
from controller.formats.event import (
    STATEMENT_TYP,
    Batch,
    Event,
    LogEnd,
    Opening,
    Place,
    Record,
    SealedStatement,
    Statement,
    chain,
)
from controller.formats.jwk import Signer

Ids = tuple[str | None, str | None, str | None]
"""Nonce, grant id and credential id, where the event names somebody."""

NOBODY: Ids = (None, None, None)

Row = tuple[int, int, bytes, str, str | None, str | None, str | None]
"""Number, UTC milliseconds, canonical bytes, hash, and the ids."""

SCHEMA = """
CREATE TABLE IF NOT EXISTS record (
    seq INTEGER NOT NULL, at_ms INTEGER NOT NULL, event BLOB NOT NULL, hash TEXT NOT NULL,
    nonce TEXT, grant_id TEXT, credential_id TEXT, log TEXT NOT NULL,
    PRIMARY KEY (log, seq)
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS kept (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;
"""
AFTER = (
    "SELECT seq, at_ms, event, hash, nonce, grant_id, credential_id FROM record WHERE log = ? AND seq > ? ORDER BY seq"
)
INSERT = (
    "INSERT INTO record (seq, at_ms, event, hash, nonce, grant_id, credential_id, log) VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
)


class Acknowledged(msgspec.Struct, frozen=True):
    """The highest receipt that counted."""

    seq: int = 0
    number: int = 0


def chained(events: Iterable[Event], ids: Iterable[Ids], end: LogEnd) -> tuple[list[Row], LogEnd]:
    """Rows for events that follow `end`, and the end after them."""
    rows: list[Row] = []
    for event, names in zip(events, ids, strict=True):
        data = canonical(event)
        end = LogEnd(event.seq, chain(end.hash, data))
        rows.append((event.seq, event.at, data, end.hash, *names))
    return rows, end


def renumbered(rows: Sequence[Row], log: str, first: int) -> tuple[list[Event], list[Ids]]:
    """The same records under another log id, from number `first` on. Each says where it was written first: the hub may
    have it already, under that name or under another one it has had since."""
    events = [_moved(msgspec.json.decode(row[2], type=Event), log, first + index) for index, row in enumerate(rows)]
    return events, [row[4:7] for row in rows]


def batch_of(door: str, log: str, previous: str, rows: Sequence[Row], signer: Signer) -> bytes:
    """The rows, which follow hash `previous`, with a signed statement over them."""
    first, last = rows[0], rows[-1]
    statement = Statement(door=door, log=log, first=first[0], prev=previous, last=last[0], hash=last[3])
    envelope = parse_object(seal(canonical(statement), STATEMENT_TYP, signer), "statement")
    return canonical(Batch(statement=SealedStatement(**envelope), records=tuple(_record(row) for row in rows)))


def in_memory() -> sqlite3.Connection:
    """The same tables where there is no disk."""
    connection = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
    connection.executescript(SCHEMA)
    return connection


def _moved(event: Event, log: str, seq: int) -> Event:
    return msgspec.structs.replace(event, log=log, seq=seq, was=event.was or Place(log=event.log, seq=event.seq))


def _record(row: Row) -> Record:
    _, _, event, _, nonce, grant, credential = row
    opening = Opening(nonce=nonce, grant=grant, credential=credential) if nonce and grant and credential else None
    return Record(event=msgspec.Raw(event), opening=opening)
