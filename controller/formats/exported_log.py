"""A log as a file that proves itself: `log.jsonl`, one canonical JSON object a line, each line ended by LF.

    {"statement":{"payload":…,"protected":…,"signature":…}}      the closing statement, the newest in the file
    {"record":{"event":{…},"opening":{…}}}                        records, oldest first
    …
    {"statement":{…}}                                             the door's statement over the records above it
    …
    {"statement":{…}}                                             the closing statement again: the last line

The first line says where the file must end, so a lost tail is missed. Each statement covers the records since the one
before it and may reach back further (the door sent some of them twice), never leave a gap. A record whose opening was
erased or redacted has none; the chain does not need it. A line counts only if it equals its own canonical bytes.
"""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from controller.formats.encoding import canonical, decode_canonical
from controller.formats.errors import Refused
from controller.formats.event import Event, Opening, Record, SealedStatement, parse_event
from controller.formats.limits import LIMITS

# An event, its opening (32 + 2 x 64 characters and their names), and the wrapping.
LINE_BYTES = LIMITS.event_bytes + 1024


class _Line(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, omit_defaults=True):
    record: Record | None = None
    statement: SealedStatement | None = None


@dataclass(frozen=True)
class RecordLine:
    """One record: the event, the exact bytes the chain runs over, and the opening if it is in the file."""

    event: Event
    data: bytes
    opening: Opening | None


@dataclass(frozen=True)
class StatementLine:
    """One of the door's statements, still sealed."""

    sealed: SealedStatement


def record_line(data: bytes, opening: Opening | None) -> bytes:
    """The line of a record whose event has the canonical bytes `data`."""
    return canonical(_Line(record=Record(event=msgspec.Raw(data), opening=opening))) + b"\n"


def statement_line(sealed: SealedStatement) -> bytes:
    """The line of a statement."""
    return canonical(_Line(statement=sealed)) + b"\n"


def parse_line(line: bytes) -> RecordLine | StatementLine:
    """One line without its LF. Raises Refused (`too_large`, `not_json`, `bad_schema`, `not_canonical`)."""
    if len(line) > LINE_BYTES:
        raise Refused("too_large", "line", f"over {LINE_BYTES} bytes")
    parsed = decode_canonical(line, _Line, "line")
    match parsed:
        case _Line(record=Record(event=raw, opening=opening), statement=None):
            data = bytes(raw)
            return RecordLine(parse_event(data, "line.record.event"), data, opening)
        case _Line(record=None, statement=SealedStatement() as sealed):
            return StatementLine(sealed)
        case _:
            raise Refused("bad_schema", "line", "exactly one of record and statement")
