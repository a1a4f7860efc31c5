"""Decides what a batch from a door is worth. Pure: bytes and what the store holds in, a verdict out.

    batch = read_batch(data, "hall-1", door_key)       # raises Refused: bad in itself, whatever is stored
    placing = place(batch, end, held)                  # Append, Held, Gap or Fork, given what is stored

A batch is believed only as a whole: the door's statement over it is signed, every record has its canonical bytes, the
numbers have no gap, and the hash chain runs from the statement's `prev` to its `hash`. Two logs that agree on the hash
at one number agree on everything before it, so a single comparison at the last number both sides know tells a repeat
from a fork.
"""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from controller.formats.encoding import canonical
from controller.formats.envelope import open_nested
from controller.formats.errors import Refused
from controller.formats.event import (
    GENESIS,
    STATEMENT_TYP,
    Batch,
    Event,
    LogEnd,
    Opening,
    Statement,
    chain,
    parse_batch,
    parse_event,
    parse_statement,
)
from controller.formats.jwk import VerifyKey


class ReadRecord(msgspec.Struct, frozen=True):
    """One record: `event` and its canonical bytes `data`, `hash` the chain after it."""

    seq: int
    hash: str
    data: bytes
    opening: Opening | None
    event: Event


@dataclass(frozen=True)
class ReadBatch:
    """A batch that is right in itself."""

    statement: Statement
    sealed: bytes
    records: tuple[ReadRecord, ...]

    @property
    def end(self) -> LogEnd:
        """The log's end after this batch."""
        return LogEnd(self.statement.last, self.statement.hash)

    def hash_at(self, seq: int) -> str:
        """The chain at `seq`, first - 1 <= seq <= last."""
        if seq == self.statement.first - 1:
            return self.statement.prev
        return self.records[seq - self.statement.first].hash

    def meets(self, end: LogEnd) -> int:
        """The last number that both this batch and a log known up to `end` speak of."""
        return min(self.statement.last, end.seq)


@dataclass(frozen=True)
class Append:
    """These records and the statement follow what is stored."""

    records: tuple[ReadRecord, ...]


@dataclass(frozen=True)
class Held:
    """Everything in it is stored already."""


@dataclass(frozen=True)
class Gap:
    """It starts after the end of what is stored: the door must send from there."""


@dataclass(frozen=True)
class Fork:
    """It contradicts what is stored at `seq`: the same door signed two histories."""

    seq: int


Placing = Append | Held | Gap | Fork


def read_batch(data: bytes, door: str, door_key: VerifyKey) -> ReadBatch:
    """A batch as `door` sent it, verified with the door's event key.

    Raises Refused: what parsing and the envelope raise, and `wrong_door`, `wrong_log`, `not_gapless`, `bad_chain`,
    `bad_opening`."""
    batch = parse_batch(data)
    opened = open_nested(batch.statement, STATEMENT_TYP, {door_key.thumbprint: door_key})
    statement = parse_statement(opened.payload)
    if statement.door != door:
        raise Refused("wrong_door", "batch.statement.door", "not the door whose topic and key it came with")
    if len(batch.records) != statement.last - statement.first + 1:
        raise Refused("not_gapless", "batch.records", "not as many records as the statement covers")
    if statement.first == 1 and statement.prev != GENESIS:
        raise Refused("bad_chain", "batch.statement.prev", "a log starts after 32 zero bytes")
    records = _read_records(batch, statement)
    if records[-1].hash != statement.hash:
        raise Refused("bad_chain", "batch.statement.hash", "the records do not end in the stated hash")
    return ReadBatch(statement, canonical(batch.statement), records)


def place(batch: ReadBatch, end: LogEnd, held: str | None) -> Placing:
    """Where the batch belongs in a log known up to `end`; `held` is the stored hash at `batch.meets(end)`, None where
    nothing is stored at that number."""
    if batch.statement.first > end.seq + 1:
        return Gap()
    meeting = batch.meets(end)
    if batch.hash_at(meeting) != held:
        return Fork(meeting)
    if meeting == batch.statement.last:
        return Held()
    return Append(batch.records[meeting + 1 - batch.statement.first :])


def next_receipt_number(last: int, reported: int, now_s: int) -> int:
    """The number of a door's next receipt: above the last one given and the highest the door reports, and not below
    Unix time, so that a hub restored from a backup cannot fall behind what doors have seen."""
    return max(last + 1, reported + 1, now_s)


def _read_records(batch: Batch, statement: Statement) -> tuple[ReadRecord, ...]:
    records = []
    previous = statement.prev
    for index, record in enumerate(batch.records):
        where = f"batch.records[{index}]"
        data = bytes(record.event)
        event = parse_event(data, f"{where}.event")
        if event.door != statement.door:
            raise Refused("wrong_door", f"{where}.event.door", "another door's event")
        if event.log != statement.log:
            raise Refused("wrong_log", f"{where}.event.log", "another log's event")
        if event.seq != statement.first + index:
            raise Refused("not_gapless", f"{where}.event.seq", "the numbers do not follow each other")
        if record.opening is not None and record.opening.commitment() != event.who:
            raise Refused("bad_opening", f"{where}.opening", "does not open the event's commitment")
        previous = chain(previous, data)
        records.append(ReadRecord(event.seq, previous, data, record.opening, event))
    return tuple(records)
