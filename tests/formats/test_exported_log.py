"""The lines of an exported log: one spelling each."""

from __future__ import annotations

import msgspec
import pytest

from controller.formats.encoding import canonical
from controller.formats.errors import Refused
from controller.formats.event import Event, Opening, SealedStatement
from controller.formats.exported_log import (
    LINE_BYTES,
    RecordLine,
    StatementLine,
    parse_line,
    record_line,
    statement_line,
)
from controller.formats.limits import LIMITS

OPENING = Opening(nonce="0" * 32, grant="g1", credential="c1")
EVENT = Event(
    door="hall-1", log="0" * 16, seq=7, at=1, clock="synced", kind="granted", who=OPENING.commitment(), detail={"n": 1}
)
DATA = canonical(EVENT)
STATEMENT = SealedStatement(payload="e30", protected="e30", signature="A" * 86)


@pytest.mark.parametrize("opening", [None, OPENING])
def test_a_record_comes_back(opening: Opening | None):
    line = record_line(DATA, opening)
    assert line.endswith(b"}\n")
    assert parse_line(line[:-1]) == RecordLine(EVENT, DATA, opening)


def test_the_largest_event_with_its_opening_is_a_line():
    detail = {f"{n:040}": "x" * 198 for n in range(32)}
    room = LIMITS.event_bytes - len(canonical(msgspec.structs.replace(EVENT, detail=detail | {"last": ""})))
    data = canonical(msgspec.structs.replace(EVENT, detail=detail | {"last": "x" * room}))
    assert len(data) == LIMITS.event_bytes
    longest = Opening(nonce="0" * 32, grant="g" * 64, credential="c" * 64)
    read = parse_line(record_line(data, longest)[:-1])
    assert isinstance(read, RecordLine)
    assert (read.data, read.opening) == (data, longest)


def test_a_statement_comes_back():
    assert parse_line(statement_line(STATEMENT)[:-1]) == StatementLine(STATEMENT)


@pytest.mark.parametrize(
    ("line", "code"),
    [
        (b"", "not_json"),
        (b"{}", "bad_schema"),
        (b'{"record":null}', "not_canonical"),
        (b'{"note":"x"}', "bad_schema"),
        (record_line(DATA, None)[:-2] + b"," + statement_line(STATEMENT)[1:-1], "bad_schema"),
        (record_line(DATA, None)[:-1] + b" ", "not_canonical"),
        (record_line(DATA, None)[:-1].replace(b'"seq":7', b'"seq": 7'), "not_canonical"),
        (record_line(DATA, None)[:-1].replace(b'"seq":7', b'"seq":7,"seq":7'), "duplicate_member"),
        (record_line(DATA, OPENING)[:-1].replace(b"hall-1", b"h\\u0061ll-1"), "not_canonical"),
        (b"\xff" * (LINE_BYTES + 1), "too_large"),
        (b"\xff" * LINE_BYTES, "not_json"),
        (b"\xff", "not_json"),
    ],
)
def test_any_other_spelling_is_refused(line: bytes, code: str):
    with pytest.raises(Refused) as refused:
        parse_line(line)
    assert refused.value.code == code
