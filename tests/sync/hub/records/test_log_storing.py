"""A happening that a door tells again under another log id is stored for the chain and counted once."""

from __future__ import annotations

import shutil
import sqlite3
import tempfile
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from controller.draft import Draft
from controller.eventlog import EventLog, StorageFault
from controller.formats.encoding import canonical
from controller.formats.event import Event, Place, Receipt, parse_event
from controller.formats.incident import incident_number
from controller.formats.jwk import make_key
from sync.hub.audit.export import export
from sync.hub.audit.verify import verify
from sync.hub.records.collector import read_batch
from sync.hub.records.log_store import LogStore
from sync.hub.store.database import Sessions, open_database
from tests.sync.hub.door_log import DoorLog

DOOR = "hall-1"
KEY = make_key()
BEGIN_S, DAY_S = 1_800_000_000, 86_400
OTHER_LOG = "ffeeddccbbaa0011"


# ---- record by record


@pytest.fixture
def store(sessions: Sessions) -> LogStore:
    return LogStore(sessions)


def told_again(source: DoorLog, seqs: range, log: str = OTHER_LOG, into: DoorLog | None = None, **lies: Any) -> DoorLog:
    """A log that takes over records of another one."""
    moved = into or DoorLog(log=log, signing=source.signing)
    for seq in seqs:
        event = parse_event(source.events[seq - 1])
        was = event.was or Place(log=event.log, seq=event.seq)
        now_at = {"log": moved.log, "seq": len(moved.events) + 1, "was": was}
        moved.append(canonical(msgspec.structs.replace(event, **(now_at | lies))), source.openings[seq - 1])
    return moved


def put(store: LogStore, *logs: DoorLog) -> None:
    for log in logs:
        store.store([read_batch(log.batch(1, len(log.events)), DOOR, log.signing.verify_key)], BEGIN_S)


def counted(store: LogStore) -> list[tuple[str, int]]:
    return [(each.log, each.seq) for each in store.after(0, 1_000, None)]


@pytest.fixture
def first() -> DoorLog:
    log = DoorLog()
    log.add(2)
    log.add(2, grant="g1")
    return log


def test_what_is_here_already_counts_once_and_keeps_its_place_in_the_chain(store: LogStore, first: DoorLog):
    again = told_again(first, range(3, 5))
    again.add(1)
    put(store, first, again)
    assert counted(store) == [(first.log, n) for n in range(1, 5)] + [(OTHER_LOG, 3)]
    assert [each.again for each in store.records(DOOR, OTHER_LOG, 1, 9)] == [True, True, False]
    assert len(store.of_grants(["g1"])) == 2
    assert verify(export(store, DOOR, OTHER_LOG), first.signing.verify_key).damage is None


def test_also_when_the_old_log_comes_last(store: LogStore, first: DoorLog):
    put(store, told_again(first, range(3, 5)), first)
    assert counted(store) == [(OTHER_LOG, 1), (OTHER_LOG, 2), (first.log, 1), (first.log, 2)]


def test_also_when_it_moved_twice_and_the_hub_saw_only_the_later_names(store: LogStore, first: DoorLog):
    second = told_again(first, range(1, 5))
    third = told_again(second, range(1, 5), log="0011001100110011")
    put(store, second, third)
    assert counted(store) == [(OTHER_LOG, n) for n in range(1, 5)]


def test_another_happening_under_the_same_first_name_counts(store: LogStore, first: DoorLog):
    """A card that forgot gives a number again. Both happened."""
    again = told_again(first, range(4, 5), at=1_800_000_009_999)
    put(store, first, again)
    assert counted(store)[-1] == (OTHER_LOG, 1)


def test_all_in_one_transaction(store: LogStore, first: DoorLog):
    again = told_again(first, range(1, 5))
    batches = [read_batch(log.batch(1, 4), DOOR, first.signing.verify_key) for log in (first, again)]
    store.store(batches, BEGIN_S)
    assert len(counted(store)) == 4


def test_a_refusal_is_found_by_the_number_that_was_shown(store: LogStore):
    old = DoorLog()
    shown = Event(
        door=DOOR, log=old.log, seq=1, at=BEGIN_S * 1000, clock="synced", kind="refused", reason="too_early", detail={}
    )
    old.append(canonical(shown))
    put(store, told_again(old, range(1, 2)))
    for log, seq in ((old.log, 1), (OTHER_LOG, 1)):
        (found,) = store.by_incident(incident_number(DOOR, log, seq))
        assert (found.log, found.event.reason) == (OTHER_LOG, "too_early")
    put(store, old)
    assert len(store.by_incident(incident_number(DOOR, old.log, 1))) == 1


# ---- forks and clones


class Copied:
    """A card with six records, of which the hub has receipted the first two, and a copy of it."""

    def __init__(self, folder: Path, store: LogStore) -> None:
        self.store = store
        self._count = 0
        path, copy = folder / "log.db", folder / "copy.db"
        self.log = EventLog.open(path, DOOR, self._entropy)
        self.happens(self.log, 2)
        assert self.log.acknowledge(self.deliver(self.log), BEGIN_S)
        self.happens(self.log, 4)
        self.log.checkpoint()
        shutil.copy(path, copy)
        self.copy = EventLog.open(copy, DOOR, self._entropy)

    def happens(self, log: EventLog, count: int) -> None:
        for _ in range(count):
            self._count += 1
            log.append([Draft("opened", detail={"n": self._count})], {}, BEGIN_S * 1000, "synced", may_hold=False)

    def deliver(self, log: EventLog) -> Receipt:
        found = log.batch(log.acknowledged.seq, KEY)
        assert found is not None
        return self.store.store([read_batch(found[1], DOOR, KEY.verify_key)], BEGIN_S)[0].receipt

    def _entropy(self, size: int) -> bytes:
        self._drawn = getattr(self, "_drawn", 0) + 1
        return self._drawn.to_bytes(size)


def test_a_copied_card_is_a_fork(store: LogStore, tmp_path: Path):
    """Two units write under one name. Both histories are kept, and each happening counts once."""
    both = Copied(tmp_path, store)
    both.happens(both.log, 2)
    assert both.log.acknowledge(both.deliver(both.log), BEGIN_S)
    both.happens(both.copy, 3)
    receipt = both.deliver(both.copy)
    assert [each.code for each in store.incidents(DOOR)] == ["fork"]
    assert not both.copy.acknowledge(receipt, BEGIN_S)
    assert both.copy.contradicted_by(receipt)
    loss = both.copy.start_over(receipt, BEGIN_S * 1000, "synced")[0]
    assert (loss.reason, loss.detail["hub"]) == ("log_contradicted", "fork")
    assert both.copy.acknowledge(both.deliver(both.copy), BEGIN_S)
    told = [each.event.detail.get("n") for each in store.after(0, 99, None)]
    assert sorted(n for n in told if n is not None) == list(range(1, 12))


def test_an_old_card_put_back_hears_of_more_than_it_has(store: LogStore, tmp_path: Path):
    both = Copied(tmp_path, store)
    both.happens(both.log, 5)
    ahead = both.deliver(both.log)
    assert ahead.seq > both.copy.end.seq
    assert both.copy.contradicted_by(ahead)
    loss = both.copy.start_over(ahead, BEGIN_S * 1000, "synced")[0]
    assert (loss.reason, loss.detail["hub"]) == ("log_contradicted", "ahead")
    assert both.copy.acknowledge(both.deliver(both.copy), BEGIN_S)
    told = [each.event.detail.get("n") for each in store.after(0, 99, None)]
    assert sorted(n for n in told if n is not None) == list(range(1, 12))


# ---- a door and its hub, through everything that makes a log begin again


class Life:
    """A production log and a production store. `wanted` are the happenings that must be at the hub in the end: those
    that door or hub still had whenever something was truly lost."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.store = LogStore(open_database(f"sqlite:///{folder / 'hub.db'}"))
        self.now_s = BEGIN_S
        self.wanted: set[int] = set()
        self._made = 0
        self._path = folder / "log.db"
        self.log = EventLog.open(self._path, DOOR, self._entropy)
        self._healthy: sqlite3.Connection | None = None

    def do(self, step: str) -> None:
        getattr(self, step)()

    def happens(self) -> None:
        self.now_s += 60
        with suppress(StorageFault):
            self.log.append([Draft("opened", detail={"n": self._made})], {}, self._ms, "synced", may_hold=True)
            self.wanted.add(self._made)
            self._made += 1

    def sent(self) -> None:
        """A batch arrives; its receipt does not."""
        self._deliver()

    def receipted(self) -> None:
        receipt = self._deliver()
        if receipt is not None and not self.log.acknowledge(receipt, self.now_s):
            assert self.log.contradicted_by(receipt)
            with suppress(StorageFault):
                self.log.start_over(receipt, self._ms, "synced")

    def disk_fails(self) -> None:
        if self._healthy is None and not self.log.volatile:
            self._healthy, self.log._db = self.log._db, sqlite3.connect(f"file:{self._path}?mode=ro", uri=True)
            self.log._db.isolation_level = None

    def disk_heals(self) -> None:
        if self._healthy is not None:
            self.log._db.close()
            self.log._db, self._healthy = self._healthy, None

    def disk_cannot_be_read(self) -> None:
        """What it held is out of reach, perhaps for good."""
        if self._healthy is None and not self.log.volatile:
            on_disk = self.log._db
            self.log.go_on_in_memory({}, self._ms, "synced")
            on_disk.close()
            self._forget()

    def disk_is_back(self) -> None:
        if self.log.volatile:
            fresh = EventLog.open(self._path, DOOR, self._entropy)
            self.wanted |= set(self._numbers(fresh, fresh.acknowledged.seq))
            self.log.move_to(fresh)

    def power_cut(self) -> None:
        """What was only in memory is gone."""
        self.disk_heals()
        self.log.close()
        self.log = EventLog.open(self._path, DOOR, self._entropy)
        self._forget()

    def card_is_copied(self) -> None:
        if self._healthy is None and not self.log.volatile:
            self.log.checkpoint()
            shutil.copy(self._path, self.folder / "copy.db")

    def old_card_is_put_back(self) -> None:
        if (self.folder / "copy.db").exists():
            self.disk_heals()
            self.log.close()
            for left in self.folder.glob("log.db*"):
                left.unlink()
            shutil.copy(self.folder / "copy.db", self._path)
            self.log = EventLog.open(self._path, DOOR, self._entropy)
            self._forget()

    def months_pass(self) -> None:
        self.now_s += 98 * DAY_S
        with suppress(StorageFault):
            self.log.drop_unsent(self.now_s, self._ms, "synced")
            self._forget()

    def settle(self) -> None:
        """Everything works again, for long enough."""
        self.disk_heals()
        self.disk_is_back()
        for _ in range(100):
            if self.log.end.seq == self.log.acknowledged.seq:
                return
            self.receipted()
        raise AssertionError("the log does not arrive")

    def at_hub(self) -> list[int]:
        details = [each.event.detail for each in self.store.after(0, 9_999, None)]
        return [int(detail["n"] or 0) for detail in details if "n" in detail]

    def close(self) -> None:
        self.disk_heals()
        self.log.close()

    @property
    def _ms(self) -> int:
        return self.now_s * 1000

    def _entropy(self, size: int) -> bytes:
        self._drawn = getattr(self, "_drawn", 0) + 1
        return self._drawn.to_bytes(size)

    def _deliver(self) -> Any:
        try:
            found = self.log.batch(self.log.acknowledged.seq, KEY, limit=3)
        except StorageFault:
            return None
        if found is None:
            return None
        batch = read_batch(found[1], DOOR, KEY.verify_key)
        return self.store.store([batch], self.now_s)[0].receipt

    def _numbers(self, log: EventLog, after: int) -> list[int]:
        details = [msgspec.json.decode(row[2], type=Event).detail for row in log._rows(after)]
        return [int(detail["n"] or 0) for detail in details if "n" in detail]

    def _forget(self) -> None:
        """Only what somebody still has can be asked for."""
        self.wanted &= {*self._numbers(self.log, 0), *self.at_hub()}


STEPS = st.sampled_from(
    [
        "happens", "happens", "happens", "sent", "receipted", "disk_fails", "disk_heals", "disk_cannot_be_read",
        "disk_is_back", "power_cut", "card_is_copied", "old_card_is_put_back", "months_pass",
    ]
)  # fmt: skip


@settings(max_examples=40)
@given(st.lists(STEPS, max_size=30))
@example(["happens", "sent", "disk_cannot_be_read", "disk_is_back"])
@example(["happens", "disk_fails", "happens", "sent", "disk_heals", "disk_cannot_be_read", "sent", "disk_is_back"])
@example(["happens", "happens", "sent", "months_pass"])
@example(["happens", "card_is_copied", "happens", "sent", "old_card_is_put_back", "happens", "receipted"])
def test_nothing_is_lost_and_nothing_counts_twice(steps: list[str]):
    with tempfile.TemporaryDirectory() as folder, closing(Life(Path(folder))) as life:
        for step in steps:
            life.do(step)
        life.settle()
        found = life.at_hub()
        assert sorted(found) == sorted(set(found)), "twice"
        assert life.wanted <= set(found), "lost"
