"""The log's records: bytes, chain and commitments, recomputed by hand."""

import hashlib
import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.formats import event
from controller.formats.encoding import canonical
from controller.formats.errors import Refused
from controller.formats.limits import LIMITS
from tests.vectors.log_cases import LOG, OPENING, chained, statements

words = st.from_regex(r"\A[a-z0-9_]{1,40}\Z")
details = st.dictionaries(
    words,
    st.none()
    | st.booleans()
    | st.integers(-(2**53) + 1, 2**53 - 1)
    | st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=200),
    max_size=6,
)
events = st.builds(
    event.Event,
    door=st.from_regex(r"\A[a-z0-9-]{1,40}\Z"),
    log=st.just(LOG),
    seq=st.integers(1, 2**53 - 1),
    at=st.integers(0, 2**53 - 1),
    clock=st.sampled_from(["synced", "holdover", "floor", "bad"]),
    kind=st.sampled_from(event.EVENT_KINDS),
    reason=st.none() | words,
    who=st.none() | st.from_regex(r"\A[0-9a-f]{64}\Z"),
    credential=st.none() | st.sampled_from(["pin", "qr", "pass", "remote"]),
    detail=details,
)


@given(events)
def test_canonical_bytes_are_rfc_8785_and_survive(made: event.Event):
    data = canonical(made)
    independent = json.dumps(json.loads(data), sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    assert data == independent
    assert event.parse_event(data) == made


@given(events, st.data())
def test_any_other_spelling_is_refused(made: event.Event, data: Any):
    members = json.loads(canonical(made))
    names = data.draw(st.permutations(sorted(members)))
    text = json.dumps({name: members[name] for name in names}, separators=(",", ":"), ensure_ascii=False)
    if names != sorted(members):
        with pytest.raises(Refused, match="not_canonical"):
            event.parse_event(text.encode())
    with pytest.raises(Refused, match="not_canonical"):
        event.parse_event(canonical(made) + b" ")


def test_the_chain_by_hand():
    digest = bytes(32)
    for made, data, before, after in chained():
        assert before == digest.hex()
        digest = hashlib.sha256(digest + data).digest()
        assert event.chain(before, canonical(made)) == after == digest.hex()


def test_the_commitment_by_hand():
    text = f"{OPENING.grant}\0{OPENING.credential}".encode()
    assert OPENING.commitment() == hashlib.sha256(bytes.fromhex(OPENING.nonce) + text).hexdigest()


def test_a_commitment_tells_grant_and_credential_apart():
    one = event.Opening(nonce="0" * 32, grant="ab", credential="c")
    other = event.Opening(nonce="0" * 32, grant="a", credential="bc")
    assert one.commitment() != other.commitment()


def test_a_flip_of_any_byte_breaks_the_event_or_its_hash():
    for _, data, before, after in chained():
        for position in range(len(data)):
            changed = bytearray(data)
            changed[position] ^= 0x01
            try:
                event.parse_event(bytes(changed))
            except Refused:
                continue
            assert event.chain(before, bytes(changed)) != after


def test_size_comes_first():
    with pytest.raises(Refused, match="too_large"):
        event.parse_event(b"\xff" * (LIMITS.event_bytes + 1))
    with pytest.raises(Refused, match="too_large"):
        event.parse_batch(b"\xff" * (LIMITS.batch_bytes + 1))
    with pytest.raises(Refused, match="not_json"):
        event.parse_event(b"\xff" * LIMITS.event_bytes)
    with pytest.raises(Refused, match="not_json"):
        event.parse_batch(b"\xff" * LIMITS.batch_bytes)


@pytest.mark.parametrize(("first", "last", "fine"), [(1, 1, True), (1, 2, True), (2, 1, False)])
def test_a_statement_is_over_one_record_or_more(first: int, last: int, fine: bool):
    one = event.Statement(door="hall-1", log=LOG, first=first, prev=event.GENESIS, last=last, hash=event.GENESIS)
    if fine:
        assert event.parse_statement(canonical(one)) == one
    else:
        with pytest.raises(Refused, match="ends before it starts"):
            event.parse_statement(canonical(one))


def test_a_batch_keeps_each_event_as_its_exact_bytes():
    vector = statements()["good"][0]
    batch = event.parse_batch(vector["batch"].encode())
    assert [bytes(record.event) for record in batch.records] == [data for _, data, _, _ in chained()]
    assert [record.opening for record in batch.records] == [None, None, OPENING, None]


@pytest.mark.parametrize(
    "edit",
    [
        lambda batch: batch.pop("statement"),
        lambda batch: batch.update(records=[]),
        lambda batch: batch.update(records=batch["records"] * 100),
        lambda batch: batch["records"][0].update(note="x"),
        lambda batch: batch["records"][2]["opening"].update(grant="a\x00b"),
        lambda batch: batch["statement"].update(header={}),
    ],
)
def test_batches_of_another_shape_are_refused(edit: Any):
    batch = json.loads(statements()["good"][0]["batch"])
    edit(batch)
    with pytest.raises(Refused, match="bad_schema"):
        event.parse_batch(canonical(batch))


@given(st.binary(max_size=100))
def test_garbage_is_refused(data: bytes):
    for read in (event.parse_event, event.parse_batch, event.parse_receipt, event.parse_statement):
        with pytest.raises(Refused):
            read(data)


def test_records_leave_out_an_unknown_opening():
    _, data, _, _ = chained()[0]
    assert canonical(event.Record(event=msgspec.Raw(data))) == b'{"event":' + data + b"}"
