"""The log: gapless, chained, all or nothing, kept until the hub has signed for it."""

import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from controller.draft import Draft
from controller.eventlog import DAY_S, HELD_RECORDS, EventLog, StorageFault
from controller.formats.encoding import canonical
from controller.formats.envelope import open_nested
from controller.formats.event import (
    GENESIS,
    STATEMENT_TYP,
    Batch,
    Event,
    LogEnd,
    Receipt,
    chain,
    parse_batch,
    parse_event,
    parse_statement,
)
from controller.formats.jwk import make_key
from tests.controller.worlds import NOON, PIN, Bench, records

KEY = make_key()
AT_MS = NOON * 1000
GRANTED = Draft("granted", None, "g1", "c1", "pin", {"kind": "renter"})
OPENED = Draft("opened")


@pytest.fixture
def log(tmp_path: Path) -> Iterator[EventLog]:
    log = EventLog.open(tmp_path / "log.db", "hall-1", os.urandom)
    yield log
    log.close()


def reopen(path: Path) -> EventLog:
    return EventLog.open(path / "log.db", "hall-1", os.urandom)


def add(log: EventLog, *drafts: Draft, may_hold: bool = False, **kept: Any) -> list[Event]:
    return log.append(drafts, kept, AT_MS, "synced", may_hold=may_hold)


class BrokenDisk:
    """A connection on which nothing can be committed."""

    def __init__(self, real: sqlite3.Connection) -> None:
        self._real = real

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)

    def execute(self, sql: str, *more: Any) -> Any:
        if sql == "COMMIT":
            raise sqlite3.OperationalError("disk I/O error")
        return self._real.execute(sql, *more)


def break_disk(log: EventLog) -> sqlite3.Connection:
    healthy = log._db
    log._db = BrokenDisk(healthy)  # type: ignore[assignment]
    return healthy


def batch_of(log: EventLog, after: int = 0, **more: Any) -> tuple[Batch, list[Event]]:
    """A batch, after everything a collector checks of it: signature, canonical bytes, chain, commitments."""
    found = log.batch(after, KEY, **more)
    assert found is not None
    last, data = found
    batch = parse_batch(data)
    assert canonical(batch) == data
    opened = open_nested(batch.statement, STATEMENT_TYP, {KEY.verify_key.thumbprint: KEY.verify_key})
    statement = parse_statement(opened.payload)
    previous, events = statement.prev, []
    for seq, record in enumerate(batch.records, statement.first):
        event = parse_event(bytes(record.event))
        assert (event.seq, event.log, event.door) == (seq, log.log, "hall-1")
        assert event.who == (record.opening.commitment() if record.opening else None)
        previous = chain(previous, bytes(record.event))
        events.append(event)
    assert (statement.hash, statement.last) == (previous, last)
    return batch, events


def receipt(log: EventLog, seq: int, number: int) -> Receipt:
    ours = log.hash_of(seq)
    assert ours is not None
    return Receipt(door="hall-1", log=log.log, seq=seq, hash=ours, number=number, issued=NOON)


# ---- chain and sequence


def test_records_are_numbered_without_gaps_and_chained(log: EventLog):
    events = add(log, OPENED, GRANTED) + add(log, OPENED)
    assert [event.seq for event in events] == [1, 2, 3]
    digest = GENESIS
    for event in events:
        digest = chain(digest, canonical(event))
    assert log.end == LogEnd(3, digest)
    _, sent = batch_of(log)
    assert sent == events


def test_who_it_was_is_a_commitment_that_says_nothing(log: EventLog):
    first, second = add(log, GRANTED, GRANTED)
    assert first.who != second.who
    assert b"g1" not in canonical(first)
    batch, _ = batch_of(log)
    assert batch.records[0].opening is not None
    assert batch.records[0].opening.grant == "g1"


def test_durable_in_wal_with_full_sync(log: EventLog):
    assert log._db.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert log._db.execute("PRAGMA synchronous").fetchone() == (2,)


def test_a_log_goes_on_where_it_was(tmp_path: Path):
    log = reopen(tmp_path)
    add(log, OPENED, tries=9)
    name, end = log.log, log.end
    log._db.execute("BEGIN")  # killed in the middle of the next one
    again = reopen(tmp_path)
    assert (again.log, again.end, again.kept()["tries"]) == (name, end, 9)
    log.close()
    add(again, GRANTED)
    batch_of(again)
    again.close()


def test_what_is_no_database_is_a_storage_fault(tmp_path: Path):
    (tmp_path / "log.db").write_bytes(b"no database at all" * 99)
    with pytest.raises(StorageFault):
        reopen(tmp_path)


def test_a_counter_that_is_no_json_is_a_storage_fault(tmp_path: Path):
    log = reopen(tmp_path)
    log._db.execute("INSERT INTO kept VALUES ('tries', '{')")
    log.close()
    with pytest.raises(StorageFault):
        reopen(tmp_path)


def test_everything_the_door_writes_is_a_valid_event(log: EventLog):
    bench = Bench(handle_sensed=True)
    bench.keys(PIN + "#5123456#")
    bench.keys("*000000")
    for _ in range(3):
        bench.wait(200)
    for draft in records(bench.effects):
        for event in add(log, draft):
            parse_event(canonical(event))


# ---- counters in the same transaction


def test_counters_are_kept_with_their_record(log: EventLog):
    add(log, GRANTED, tries=3, pulse=5)
    add(log, OPENED, pulse=None)
    kept = log.kept()
    assert kept["tries"] == 3
    assert "pulse" not in kept


def test_a_disk_that_fails_leaves_nothing_of_it(log: EventLog):
    add(log, OPENED, tries=9)
    end, healthy = log.end, break_disk(log)
    with pytest.raises(StorageFault):
        add(log, GRANTED, tries=1)
    assert (log.end, log.held) == (end, 0)
    log._db = healthy
    assert log.kept()["tries"] == 9
    assert [event.seq for event in add(log, OPENED)] == [2]
    batch_of(log)


def test_a_mistake_of_ours_leaves_no_transaction_open(log: EventLog):
    with pytest.raises(TypeError):
        add(log, OPENED, tries=object())
    add(log, OPENED)
    assert log.end.seq == 1


# ---- held in memory


def test_what_is_held_has_its_place_and_is_written_first(log: EventLog):
    add(log, OPENED)
    healthy = break_disk(log)
    add(log, GRANTED, may_hold=True, tries=2)
    log.keep({"tries": 1}, may_hold=True)
    assert (log.held, log.end.seq) == (1, 2)
    _, events = batch_of(log)
    assert [event.kind for event in events] == ["opened", "granted"]
    log._db = healthy
    assert "tries" not in log.kept()
    add(log, OPENED)
    assert (log.held, log.kept()["tries"]) == (0, 1)
    _, events = batch_of(log)
    assert [event.seq for event in events] == [1, 2, 3]


def test_only_so_much_is_held(log: EventLog):
    break_disk(log)
    add(log, *[OPENED] * HELD_RECORDS, may_hold=True)
    end = log.end
    with pytest.raises(StorageFault):
        add(log, OPENED, may_hold=True)
    assert (log.held, log.end) == (HELD_RECORDS, end)
    _, events = batch_of(log, after=900)
    assert len(events) == 100


# ---- batches


def test_batches_follow_each_other(log: EventLog):
    assert log.batch(0, KEY) is None
    add(log, *[OPENED] * 5)
    first, _ = batch_of(log, limit=3)
    _, events = batch_of(log, after=3, limit=3)
    assert (len(first.records), [event.seq for event in events]) == (3, [4, 5])
    assert log.batch(5, KEY) is None


# ---- receipts


@pytest.mark.parametrize(
    "lies", [{"hash": "0" * 64}, {"log": "0" * 16}, {"seq": 3}, {"seq": 1}, {"number": 7}, {"number": 1}]
)
def test_a_receipt_that_lies_or_is_old_does_not_count(log: EventLog, lies: dict[str, Any]):
    add(log, OPENED, OPENED)
    assert log.acknowledge(receipt(log, 1, 7), NOON)
    assert not log.acknowledge(msgspec.structs.replace(receipt(log, 2, 8), **lies), NOON)
    assert (log.acknowledged.seq, log.acknowledged.number) == (1, 7)


def test_a_receipt_survives_a_restart(tmp_path: Path):
    log = reopen(tmp_path)
    add(log, OPENED)
    log.acknowledge(receipt(log, 1, 7), NOON)
    log.close()
    again = reopen(tmp_path)
    assert (again.acknowledged.seq, again.acknowledged.number) == (1, 7)
    again.close()


def test_a_lower_number_of_records_is_a_hub_that_fell_back(log: EventLog):
    add(log, OPENED, OPENED)
    log.acknowledge(receipt(log, 2, 7), NOON)
    assert log.acknowledge(receipt(log, 0, 8), NOON)
    assert (log.acknowledged.seq, log.acknowledged.number) == (0, 8)
    assert len(batch_of(log, after=log.acknowledged.seq)[1]) == 2


# ---- pruning


def test_records_go_a_week_after_their_receipt_and_the_chain_goes_on(tmp_path: Path):
    log = reopen(tmp_path)
    add(log, *[OPENED] * 4)
    log.acknowledge(receipt(log, 3, 7), NOON)
    assert log.prune(NOON + 7 * DAY_S) == 0
    assert log.prune(NOON + 8 * DAY_S) == 3
    assert log.prune(NOON + 9 * DAY_S) == 0
    _, events = batch_of(log, after=3)
    assert [event.seq for event in events] == [4]
    log.acknowledge(receipt(log, 4, 8), NOON + 9 * DAY_S)
    assert log.prune(NOON + 17 * DAY_S) == 1
    end = log.end
    log.close()
    again = reopen(tmp_path)
    assert again.end == end
    assert again.hash_of(4) == end.hash
    assert again.hash_of(3) is None
    add(again, GRANTED)
    assert [event.seq for event in batch_of(again, after=4)[1]] == [5]
    again.close()


def test_nothing_goes_without_a_receipt(log: EventLog):
    add(log, *[OPENED] * 4)
    assert log.prune(NOON + 9_999 * DAY_S) == 0


def test_a_hub_that_holds_nothing_of_a_pruned_log_contradicts_it(log: EventLog):
    add(log, *[OPENED] * 4)
    nothing = receipt(log, 0, 9)
    assert not log.contradicted_by(nothing)  # the whole log is there to be told again
    log.acknowledge(receipt(log, 3, 7), NOON)
    assert log.prune(NOON + 8 * DAY_S) == 3
    assert log.contradicted_by(nothing)
    assert not log.acknowledge(nothing, NOON + 8 * DAY_S)
    loss, *again = log.start_over(nothing, (NOON + 8 * DAY_S) * 1000, "synced")
    assert (loss.kind, loss.detail["last"]) == ("loss", 3)
    assert [event.kind for event in again] == ["opened"]


def test_after_a_hub_fell_back_the_week_starts_again(log: EventLog):
    add(log, *[OPENED] * 4)
    log.acknowledge(receipt(log, 4, 7), NOON)
    log.acknowledge(receipt(log, 1, 8), NOON + 6 * DAY_S)
    log.acknowledge(receipt(log, 4, 9), NOON + 7 * DAY_S)
    assert log.prune(NOON + 9 * DAY_S) == 1
    assert log.prune(NOON + 15 * DAY_S) == 3


def test_a_log_pruned_every_day_keeps_about_a_week(log: EventLog):
    for day in range(40):
        add(log, OPENED)
        log.acknowledge(receipt(log, day + 1, day + 1), NOON + day * DAY_S)
        log.prune(NOON + day * DAY_S)
    assert log._db.execute("SELECT count(*) FROM record").fetchone()[0] in {8, 9}


def test_a_checkpoint_keeps_everything(tmp_path: Path):
    log = reopen(tmp_path)
    add(log, *[OPENED] * 50)
    log.checkpoint()
    assert (tmp_path / "log.db-wal").stat().st_size == 0
    batch_of(log)
    log.close()
