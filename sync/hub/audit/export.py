"""Writes a log, or the part of it that somebody may see, as a file that proves itself.

    selection = Selection(from_ms=…, until_ms=…, grants=frozenset({"p-…"}))
    for line in export(store, "hall-1", log, selection): file.write(line)

An export runs from one of the door's statements to a later one, so a cut head or tail is found. What lies outside the
asked time, and whoever else was there, stays in it as what the door recorded and signed, without the opening: the chain
needs the record, nobody needs the name. The file holds nothing that chain, commitment or statement does not bind; why
it was made is written down at the hub (`readings.py`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from controller.formats.encoding import unb64
from controller.formats.errors import Refused
from controller.formats.event import Statement, parse_statement
from controller.formats.exported_log import record_line, statement_line
from sync.hub.records.log_store import LogStore, StoredRecord

FOREVER_MS = (1 << 53) - 1


@dataclass(frozen=True)
class Selection:
    """Whose names an export may hold: records of `from_ms <= at < until_ms` (UTC milliseconds by the door's clock), of
    these `grants` (None: of all). `named` False: nobody's; `known`: of those grants only (None: of all), for whoever
    may not know of everybody who came by this door."""

    from_ms: int = 0
    until_ms: int = FOREVER_MS
    grants: frozenset[str] | None = None
    named: bool = True
    known: frozenset[str] | None = None

    @property
    def whole_log(self) -> bool:
        """Whether no record may be left out."""
        return self.from_ms <= 0 and self.until_ms >= FOREVER_MS and self.grants is None

    def wants(self, record: StoredRecord) -> bool:
        """Whether the record is one that was asked for."""
        if not self.from_ms <= record.event.at < self.until_ms:
            return False
        return self.grants is None or (record.opening is not None and record.opening.grant in self.grants)

    def shows(self, record: StoredRecord) -> bool:
        """Whether the file says who it was."""
        if not self.named or record.opening is None:
            return False
        return (self.known is None or record.opening.grant in self.known) and self.wants(record)


WHOLE_LOG = Selection()


def export(store: LogStore, door: str, log: str, selection: Selection = WHOLE_LOG) -> Iterator[bytes]:
    """The lines, as far as the door has vouched for the log. Raises Refused `no_log`, or `nothing_found` when no record
    was asked for."""
    newest = store.newest_statement(door, log)
    if newest is None:
        raise Refused("no_log", f"{door} {log}", "the hub holds no such log")
    wanted = (1, newest[0]) if selection.whole_log else _wanted(store, door, log, newest[0], selection)
    statements = store.statements(door, log, newest[0])
    first_statement = next((sealed for last, sealed in statements if last >= wanted[0]), newest[1])
    closing = next((each for each in store.statements(door, log, newest[0]) if each[0] >= wanted[1]), newest)
    yield statement_line(closing[1])
    first = _statement(first_statement.payload).first
    for last, sealed in store.statements(door, log, closing[0]):
        if last < wanted[0]:
            continue
        for record in store.records(door, log, first, last):
            yield record_line(record.data, record.opening if selection.shows(record) else None)
        yield statement_line(sealed)
        first = last + 1


def checkpoint(store: LogStore, door: str, log: str) -> bytes:
    """The newest statement of the door over its log, as a line. Raises Refused `no_log`."""
    newest = store.newest_statement(door, log)
    if newest is None:
        raise Refused("no_log", f"{door} {log}", "the hub holds no such log")
    return statement_line(newest[1])


def _wanted(store: LogStore, door: str, log: str, last: int, selection: Selection) -> tuple[int, int]:
    """The first and last number that was asked for, as far as the door has vouched for the log."""
    found = store.stretch(door, log, selection.from_ms, selection.until_ms, selection.grants)
    if found is None or found[0] > last:
        raise Refused("nothing_found", f"{door} {log}", "this log has no record that was asked for")
    return found[0], min(found[1], last)


def _statement(payload: str) -> Statement:
    return parse_statement(unb64(payload, "stored statement"))
