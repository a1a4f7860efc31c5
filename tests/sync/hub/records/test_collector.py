"""What a batch is worth: right in itself, and in its place."""

from __future__ import annotations

from dataclasses import replace

import pytest

from controller.formats.encoding import canonical
from controller.formats.errors import Refused
from controller.formats.event import BEGINNING, GENESIS, LogEnd, Opening
from controller.formats.jwk import make_key
from controller.formats.limits import LIMITS
from sync.hub.records.collector import (
    Append,
    Fork,
    Gap,
    Held,
    Placing,
    next_receipt_number,
    place,
    read_batch,
)
from tests.sync.hub.door_log import DoorLog


@pytest.fixture
def door() -> DoorLog:
    log = DoorLog()
    log.add(3)
    log.add(2, grant="g1")
    return log


def refusal(door: DoorLog, data: bytes) -> str:
    with pytest.raises(Refused) as refused:
        read_batch(data, "hall-1", door.signing.verify_key)
    return refused.value.code


def spoiled(door: DoorLog, members: dict[str, object]) -> bytes:
    """A batch whose second event differs, chained and signed by the door as if it meant it."""
    bad = DoorLog(signing=door.signing)
    bad.append(door.events[0])
    bad.append(canonical(door.event(2) | members))
    return bad.batch(1, 2)


def test_a_good_batch_is_read_with_its_hashes_and_openings(door: DoorLog):
    batch = read_batch(door.batch(2, 5), "hall-1", door.signing.verify_key)
    assert batch.end == LogEnd(5, door.hashes[5])
    assert [record.seq for record in batch.records] == [2, 3, 4, 5]
    assert [record.hash for record in batch.records] == door.hashes[2:]
    assert [record.opening for record in batch.records] == door.openings[1:]


def test_a_batch_that_is_wrong_in_itself_is_refused_by_name(door: DoorLog):
    assert refusal(door, b"x" * (LIMITS.batch_bytes + 1)) == "too_large"
    assert refusal(door, b"{}") == "bad_schema"
    assert refusal(door, door.batch(1, 3, signing=make_key())) == "unknown_key"
    assert refusal(door, door.batch(1, 3)[: -len('"}}') - 86] + b"A" * 86 + b'"}}') == "bad_signature"
    assert refusal(door, door.batch(1, 3, {"door": "hall-2"})) == "wrong_door"
    assert refusal(door, door.batch(1, 3, {"last": 4})) == "not_gapless"
    assert refusal(door, door.batch(1, 3, {"hash": door.hashes[2]})) == "bad_chain"
    assert refusal(door, door.batch(2, 3, {"prev": GENESIS})) == "bad_chain"
    assert refusal(door, door.batch(1, 1, {"prev": door.hashes[1]})) == "bad_chain"


@pytest.mark.parametrize(
    ("members", "code"),
    [
        ({"door": "hall-2"}, "wrong_door"),
        ({"log": "ff" * 8}, "wrong_log"),
        ({"seq": 3}, "not_gapless"),
        ({"kind": "opened_by_magic"}, "bad_schema"),
        ({"colour": "blue"}, "bad_schema"),
        ({"reason": None}, "not_canonical"),
    ],
)
def test_a_spoiled_event_is_refused_even_when_the_door_signed_it(door: DoorLog, members: dict[str, object], code: str):
    assert refusal(door, spoiled(door, members)) == code


def test_an_opening_that_does_not_open_the_commitment_is_refused(door: DoorLog):
    stranger = Opening(nonce="0" * 32, grant="g2", credential="c2")
    door.openings[3] = stranger
    assert refusal(door, door.batch(1, 5)) == "bad_opening"
    door.openings[3] = None
    door.openings[0] = stranger
    assert refusal(door, door.batch(1, 5)) == "bad_opening", "an event that is nobody's has no opening"


def placing(door: DoorLog, first: int, last: int, end: LogEnd, held: DoorLog | None = None) -> Placing:
    batch = read_batch(door.batch(first, last), "hall-1", door.signing.verify_key)
    return place(batch, end, (held or door).hashes[batch.meets(end)])


@pytest.mark.parametrize(("first", "last", "new"), [(1, 3, [1, 2, 3]), (1, 5, [1, 2, 3, 4, 5])])
def test_the_first_batch_is_appended(door: DoorLog, first: int, last: int, new: list[int]):
    result = placing(door, first, last, BEGINNING)
    assert isinstance(result, Append)
    assert [record.seq for record in result.records] == new


def test_an_overlap_appends_only_what_is_new(door: DoorLog):
    result = placing(door, 2, 5, LogEnd(3, door.hashes[3]))
    assert isinstance(result, Append)
    assert [record.seq for record in result.records] == [4, 5]


@pytest.mark.parametrize(("first", "last"), [(1, 3), (2, 3), (1, 2), (2, 2)])
def test_a_repeat_is_known(door: DoorLog, first: int, last: int):
    assert placing(door, first, last, LogEnd(3, door.hashes[3])) == Held()


def test_a_batch_beyond_the_end_is_a_gap(door: DoorLog):
    assert placing(door, 2, 5, BEGINNING) == Gap()
    assert placing(door, 5, 5, LogEnd(3, door.hashes[3])) == Gap()


@pytest.mark.parametrize(("first", "last", "where"), [(1, 5, 3), (3, 5, 3), (4, 5, 3), (1, 3, 3), (2, 2, 2)])
def test_another_history_is_a_fork(door: DoorLog, first: int, last: int, where: int):
    other = DoorLog(signing=door.signing)
    other.add(1)
    other.add(4, grant="someone-else")
    assert placing(other, first, last, LogEnd(3, door.hashes[3]), held=door) == Fork(where)


def test_a_number_that_was_never_stored_contradicts(door: DoorLog):
    batch = read_batch(door.batch(1, 2), "hall-1", door.signing.verify_key)
    assert place(replace(batch), LogEnd(3, door.hashes[3]), None) == Fork(2)


def test_receipt_numbers_rise_above_everything_seen():
    assert next_receipt_number(0, 0, 1_800_000_000) == 1_800_000_000
    assert next_receipt_number(1_800_000_000, 0, 1_800_000_000) == 1_800_000_001
    assert next_receipt_number(5, 1_900_000_000, 1_800_000_000) == 1_900_000_001
