"""The hub's copy of the logs: stored once, in order, in one transaction."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import text

from controller.formats.encoding import canonical
from controller.formats.event import LogEnd
from controller.formats.state import StateReport
from sync.hub.records.collector import Append, Fork, Gap, Held, ReadBatch, read_batch
from sync.hub.records.log_store import PAGE_RECORDS, LogStore, forget_chain
from sync.hub.store.database import Sessions, open_database
from tests.sync.hub.door_log import LOG, DoorLog

NOW_S = 1_800_000_000


@pytest.fixture
def sessions(tmp_path: Path) -> Sessions:
    return open_database(f"sqlite:///{tmp_path / 'hub.db'}")


@pytest.fixture
def store(sessions: Sessions) -> LogStore:
    return LogStore(sessions)


@pytest.fixture
def door() -> DoorLog:
    log = DoorLog()
    log.add(4)
    log.add(2, grant="g1")
    return log


def read(door: DoorLog, first: int, last: int) -> ReadBatch:
    return read_batch(door.batch(first, last), door.door, door.signing.verify_key)


def reports(receipt: int, door: str = "hall-1") -> StateReport:
    """What a door says of itself, with the number of the last receipt it has taken."""
    return StateReport(
        door=door, at=0, clock="synced", list_version=0, list_hash=None, trust_version=1, receipt=receipt, log=LOG,
        seq=0, posture="controlled", faults=(),
    )  # fmt: skip


def test_what_was_stored_comes_back_byte_for_byte(store: LogStore, door: DoorLog):
    (answer,) = store.store([read(door, 1, 6)], NOW_S)
    assert isinstance(answer.placing, Append)
    held = list(store.records("hall-1", LOG, 1, 99))
    assert [record.data for record in held] == door.events
    assert [record.hash for record in held] == door.hashes[1:]
    assert [record.opening for record in held] == door.openings
    assert store.logs("hall-1") == {LOG: LogEnd(6, door.hashes[6])}


def test_several_batches_and_doors_share_a_transaction(store: LogStore, door: DoorLog):
    other = DoorLog(door="hall-2")
    other.add(3)
    answers = store.store([read(door, 1, 2), read(other, 1, 3), read(door, 3, 6), read(door, 1, 2)], NOW_S)
    assert [type(answer.placing) for answer in answers] == [Append, Append, Append, Held]
    assert [answer.receipt.seq for answer in answers if answer.receipt] == [2, 3, 6, 6]
    assert [record.cursor for record in store.after(0, 100, None)] == list(range(1, 10))
    assert [record.seq for record in store.after(2, 100, ["hall-2"])] == [1, 2, 3]
    assert [record.cursor for record in store.after(4, 2, None)] == [5, 6]


def test_sending_again_stores_nothing_twice_and_is_receipted_again(store: LogStore, door: DoorLog):
    receipts = [store.store([read(door, 1, 4)], NOW_S)[0].receipt for _ in range(2)]
    receipts.append(store.store([read(door, 2, 6)], NOW_S)[0].receipt)
    assert [(receipt.seq, receipt.number) for receipt in receipts if receipt] == [
        (4, NOW_S),
        (4, NOW_S + 1),
        (6, NOW_S + 2),
    ]
    assert len(store.after(0, 100, None)) == 6
    assert [last for last, _ in store.statements("hall-1", LOG, upto=99)] == [4, 6]


def test_a_gap_stores_nothing_and_the_receipt_names_what_is_held(store: LogStore, door: DoorLog):
    (answer,) = store.store([read(door, 3, 6)], NOW_S)
    assert answer.placing == Gap()
    assert answer.receipt
    assert (answer.receipt.seq, answer.receipt.hash) == (0, "0" * 64)
    assert store.logs("hall-1") == {}
    store.store([read(door, 1, 2)], NOW_S)
    (answer,) = store.store([read(door, 4, 6)], NOW_S)
    assert answer.receipt
    assert (answer.receipt.seq, answer.receipt.hash) == (2, door.hashes[2])
    assert [(incident.code, incident.count) for incident in store.incidents("hall-1")] == [("gap", 2)]


def test_a_fork_is_recorded_by_name_and_stores_nothing(store: LogStore, door: DoorLog):
    store.store([read(door, 1, 4)], NOW_S)
    clone = DoorLog(signing=door.signing)
    clone.add(6, fault="clone")
    for at in (NOW_S + 5, NOW_S + 9):
        (answer,) = store.store([read(clone, 3, 6)], at)
        assert answer.placing == Fork(4)
        # The receipt names the history that was first: the other unit learns that its own is another.
        assert (answer.receipt.seq, answer.receipt.hash) == (4, door.hashes[4])
    (incident,) = store.incidents("hall-1")
    assert (incident.code, incident.count, incident.seq) == ("fork", 2, 4)
    assert (incident.first_at, incident.last_at) == (NOW_S + 5, NOW_S + 9)
    assert [record.data for record in store.records("hall-1", LOG, 1, 9)] == door.events[:4]


def test_a_hub_that_forgot_its_receipts_says_at_once_how_far_it_holds_the_log(store: LogStore, door: DoorLog):
    (answer,) = store.store([read(door, 1, 4)], NOW_S)
    assert store.receipts_reported([reports(answer.receipt.number)], NOW_S) == []
    (receipt,) = store.receipts_reported([reports(answer.receipt.number + 5)], NOW_S + 60)
    assert (receipt.seq, receipt.number) == (4, answer.receipt.number + 60)
    assert store.receipts_reported([reports(receipt.number)], NOW_S + 61) == []


def test_doors_that_report_together_are_each_answered_for_themselves(store: LogStore, door: DoorLog):
    (answer,) = store.store([read(door, 1, 4)], NOW_S)
    known, ahead = answer.receipt.number, answer.receipt.number + 5
    together = [reports(ahead, "hall-2"), reports(known), reports(ahead), reports(known)]
    assert [(each.door, each.seq) for each in store.receipts_reported(together, NOW_S + 60)] == [
        ("hall-1", 4),
        ("hall-2", 0),
    ]


def test_a_fork_inside_one_transaction_is_seen(store: LogStore, door: DoorLog):
    clone = DoorLog(signing=door.signing)
    clone.add(6, fault="clone")
    answers = store.store([read(door, 1, 4), read(clone, 1, 2)], NOW_S)
    assert answers[1].placing == Fork(2)


def test_a_new_log_of_the_same_door_starts_at_one(store: LogStore, door: DoorLog):
    healed = DoorLog(log="ff" * 8, signing=door.signing)
    healed.add(1)
    answers = store.store([read(door, 1, 6), read(healed, 1, 1)], NOW_S)
    assert [answer.receipt.seq for answer in answers if answer.receipt] == [6, 1]
    assert set(store.logs("hall-1")) == {LOG, "ff" * 8}


def test_receipt_numbers_pass_what_the_door_reports(store: LogStore, door: DoorLog):
    store.receipts_reported([reports(NOW_S + 1000), reports(NOW_S + 10)], NOW_S)
    (answer,) = store.store([read(door, 1, 4)], NOW_S)
    assert answer.receipt
    assert answer.receipt.number > NOW_S + 1000


def test_refused_batches_are_counted_not_kept(store: LogStore):
    for second in range(3):
        store.refused("hall-1", "bad_chain", NOW_S + second)
    (incident,) = store.incidents("hall-1")
    assert (incident.code, incident.count, incident.last_at) == ("bad_chain", 3, NOW_S + 2)


def test_an_erased_opening_does_not_come_back_with_a_repeat(store: LogStore, sessions: Sessions, door: DoorLog):
    store.store([read(door, 1, 6)], NOW_S)
    with sessions.begin() as session:
        session.execute(text("DELETE FROM log_openings"))
    store.store([read(door, 4, 6)], NOW_S)
    held = list(store.records("hall-1", LOG, 1, 6))
    assert [record.opening for record in held] == [None] * 6
    assert canonical(held[5].event) == door.events[5]


def test_who_it_was_is_forgotten_with_the_record(store: LogStore, sessions: Sessions, door: DoorLog):
    """The database does not watch over it: no foreign key."""
    store.store([read(door, 1, 5), read(door, 6, 6)], NOW_S)
    with sessions.begin() as session:
        assert forget_chain(session, "hall-1", LOG, 5) == 5
    with sessions.begin() as session:
        left = [session.scalars(text(f"SELECT cursor FROM {table}")).all() for table in ("log_records", "log_openings")]
    assert left == [[6], [6]]


def test_reading_goes_page_by_page(store: LogStore):
    door = DoorLog()
    door.add(PAGE_RECORDS + 50)
    for first in range(1, PAGE_RECORDS + 51, 150):
        store.store([read(door, first, min(first + 149, PAGE_RECORDS + 50))], NOW_S)
    assert [record.seq for record in store.records("hall-1", LOG, 7, PAGE_RECORDS + 10)] == list(
        range(7, PAGE_RECORDS + 11)
    )
