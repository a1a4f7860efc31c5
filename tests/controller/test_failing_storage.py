"""A card that fills up, fails, turns read-only or loses its database: the door goes on deciding, says so, and heals."""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import os
import shutil
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
import pytest

from controller.codelist import Floors
from controller.data_folder import LOG, TRIAL, DataFolder
from controller.draft import Draft
from controller.eventlog import DAY_S, HELD_RECORDS, EventLog, StorageFault
from controller.formats.event import BATCH_TYP, Receipt, parse_batch
from controller.formats.jwe import decrypt
from controller.formats.jwk import make_key
from controller.formats.limits import LIMITS
from tests.controller.enrolled_unit import DOOR, EnrolledUnit, Town
from tests.controller.worlds import NOON, PIN, code_list, grant
from tests.durability.recorder import Operation, Recorder

AT_MS = NOON * 1000
WRONG_PIN = "000000"


class Unit(EnrolledUnit):
    """An enrolled unit with a list, and a card whose log answers to `broken`."""

    numbers = 0

    def ready(self) -> Unit:
        self.deliver_list(code_list(grant()))
        return self

    def in_memory(self) -> bool:
        """Whether the log is in memory altogether."""
        return self.unit.log.volatile

    @property
    def faults(self) -> set[str]:
        return self.performer.door.faults

    def opens(self) -> bool:
        """Whether the PIN opens the door now."""
        before = self.lock.releases
        self.lock.secure()
        self.keys(PIN)
        self.pass_time(6)
        return self.lock.releases > before

    def sent(self) -> list[dict[str, Any]]:
        """Every event of the log handed to the agent, while the hub signs for each batch."""
        found = []
        while self.batches() and self.batches()[-1].body:
            message = self.batches()[-1]
            self.told.clear()
            body = decrypt(message.body, BATCH_TYP, self.town.collect_key, max_bytes=LIMITS.batch_bytes)
            found += [msgspec.json.decode(bytes(record.event)) for record in parse_batch(body).records]
            self.numbers += 1
            self.receipt(message.last, self.numbers)
        return found


def no_lower(now: Floors, before: Floors) -> bool:
    """Whether no floor has sunk; receipts and time may have moved on."""
    moved = dataclasses.replace(now, clock_s=before.clock_s, receipt=before.receipt)
    return moved == before and now.clock_s >= before.clock_s and now.receipt >= before.receipt


@pytest.fixture
def unit(tmp_path: Path) -> Unit:
    return Unit(tmp_path / "data", Town()).ready()


class Failing:
    """A connection on which some statements fail."""

    def __init__(self, real: sqlite3.Connection, error: str, *, reads_too: bool) -> None:
        self._real, self._error, self._reads_too = real, error, reads_too

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)

    def execute(self, sql: str, *more: Any) -> Any:
        if sql == "COMMIT" or (self._reads_too and sql != "ROLLBACK"):
            raise sqlite3.OperationalError(self._error)
        return self._real.execute(sql, *more)


def break_log(unit: Unit, error: str, *, reads_too: bool = False) -> sqlite3.Connection:
    healthy = unit.unit.log._db
    unit.unit.log._db = Failing(healthy, error, reads_too=reads_too)  # type: ignore[assignment]
    return healthy


@pytest.mark.parametrize(
    "error", ["database or disk is full", "disk I/O error", "attempt to write a readonly database"]
)
def test_a_disk_that_takes_nothing_stops_nobody(unit: Unit, error: str):
    floors = unit.floors
    healthy = break_log(unit, error)
    assert unit.opens()
    unit.keys(WRONG_PIN)
    unit.pass_time(6)
    assert "log_degraded" in unit.faults
    last = unit.unit.log.end.seq
    kinds = [event["kind"] for event in unit.sent()]
    assert "granted" in kinds, "handed to the agent at once, though it is in memory only"
    unit.unit.log._db = healthy
    unit.pass_time(3)
    assert "log_degraded" not in unit.faults
    assert [event["seq"] for event in unit.events()] == list(range(1, unit.unit.log.end.seq + 1))
    assert unit.unit.log.end.seq > last
    assert no_lower(unit.floors, floors)


def refuse(*_: Any) -> Any:
    raise StorageFault("unable to open database file")


def read_only(*_: Any) -> Any:
    raise OSError(errno.EROFS, "read-only file system")


def test_a_log_that_cannot_be_read_any_more_goes_on_in_memory_and_comes_back(
    unit: Unit, monkeypatch: pytest.MonkeyPatch
):
    assert unit.opens()
    floors, old_log = unit.floors, unit.unit.log.log
    repaired = DataFolder.open_log
    monkeypatch.setattr(DataFolder, "open_log", refuse)
    break_log(unit, "database disk image is malformed", reads_too=True).close()
    (unit.folder / LOG).write_bytes(b"rubbish " * 1024)
    for name in (f"{LOG}-wal", f"{LOG}-shm"):
        (unit.folder / name).unlink(missing_ok=True)
    unit.keys(WRONG_PIN)
    unit.pass_time(3)
    assert unit.in_memory()
    assert unit.opens()
    assert "log_degraded" in unit.faults
    told = [event for event in unit.sent() if event["log"] == unit.unit.log.log]
    assert (told[0]["kind"], told[0]["reason"], told[0]["detail"]["old_log"]) == ("loss", "log_unreadable", old_log)
    monkeypatch.setattr(DataFolder, "open_log", repaired)
    unit.pass_time(61)
    unit.pass_time(3)
    assert not unit.in_memory()
    assert "log_degraded" not in unit.faults
    assert [event["seq"] for event in unit.events()] == list(range(1, unit.unit.log.end.seq + 1))
    assert unit.events("granted")
    assert (unit.folder / f"{LOG}.unreadable").exists(), "kept for whoever wants to look"
    assert no_lower(unit.floors, floors)
    unit.start()
    assert unit.unit.log.log != old_log
    assert unit.performer.door.memory.uses.keys() == {"g1"} or unit.performer.door.memory.tries < 10


def test_a_bad_page_keeps_no_record_from_the_hub_for_ever(unit: Unit):
    """The ends of the log can be read, and it takes more; the middle cannot be read any more."""
    log, folder = unit.unit.log, unit.folder
    for _ in range(100):
        log.append([Draft("opened")] * 10, {}, AT_MS, "synced", may_hold=False)
    log.checkpoint()
    log.close()
    middle = (folder / LOG).stat().st_size // 2 // 4096 * 4096
    with (folder / LOG).open("r+b") as file:
        file.seek(middle)
        file.write(b"\xff" * 4096)
    unit.start()
    assert unit.opens()
    for _ in range(70):
        unit.pass_time(1)
        unit.sent()
    assert unit.opens()
    unit.pass_time(3)
    unit.sent()
    log = unit.unit.log
    assert not unit.in_memory()
    assert "log_degraded" not in unit.faults
    assert log.acknowledged.seq == log.end.seq < 100
    assert [event["reason"] for event in unit.events("loss")] == ["log_unreadable"]
    assert unit.events("granted")
    assert (folder / f"{LOG}.unreadable").exists(), "kept for whoever wants to look"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("log", value) for value in ("5", "null", '""')),
        *((name, "5") for name in ("receipt", "acknowledged", "clock")),
        *((name, '["a","b"]') for name in ("receipt", "acknowledged", "unconfirmed_from", "clock", "epoch")),
        ("clock", '{"a":1}'),
    ],
)
def test_what_is_kept_and_makes_no_sense_keeps_no_unit_from_starting(unit: Unit, name: str, value: str):
    unit.unit.log.close()
    with closing(sqlite3.connect(unit.folder / LOG)) as log, log:
        log.execute("INSERT OR REPLACE INTO kept VALUES (?, ?)", (name, value))
    unit.start()
    unit.pass_time(1801)
    assert unit.opens()
    assert unit.sent()
    unit.pass_time(6 * 3600 + 10)
    unit.pass_time(10)
    assert ("loss" in {event["kind"] for event in unit.events()}) == (name != "clock")


def test_a_unit_that_starts_without_a_usable_disk_decides(unit: Unit, monkeypatch: pytest.MonkeyPatch):
    before = unit.events()
    floors = unit.floors
    with monkeypatch.context() as broken:
        broken.setattr(DataFolder, "open_log", refuse)
        broken.setattr(DataFolder, "set_log_aside", read_only)
        unit.start()
        assert unit.in_memory()
        unit.pass_time(3)
        assert "log_degraded" in unit.faults
        # A database that cannot be read gives no PIN try: the first is back after half an hour.
        assert not unit.opens()
        unit.pass_time(1801)
        assert unit.opens()
        assert {"boot", "loss", "granted"} <= {event["kind"] for event in unit.sent()}
    unit.pass_time(61)
    unit.pass_time(3)
    assert not unit.in_memory()
    assert "log_degraded" not in unit.faults
    log = unit.unit.log.log
    mine = [event for event in unit.events() if event["log"] == log]
    assert [event["seq"] for event in mine] == list(range(1, unit.unit.log.end.seq + 1))
    assert [(e["kind"], e["at"]) for e in mine if e["at"] <= before[-1]["at"]][-len(before) :] == [
        (event["kind"], event["at"]) for event in before
    ], "what had no receipt yet is sent behind it"
    assert no_lower(unit.floors, floors)


def test_a_list_is_in_force_also_when_the_one_before_cannot_be_taken_away(unit: Unit, monkeypatch: pytest.MonkeyPatch):
    installed = unit.performer.door.installed
    assert installed is not None
    monkeypatch.setattr(DataFolder, "remove_other_lists", read_only)
    unit.deliver_list(code_list(version=installed.list.version + 1, shrink=True))
    assert unit.floors.list_version == installed.list.version + 1
    assert not unit.opens(), "what the hub is told is applied holds"


def test_where_a_record_must_be_on_disk_nobody_enters_without_one(unit: Unit):
    rules = code_list(grant())
    policy = msgspec.structs.replace(rules.policy, log_failure="refuse")
    unit.deliver_list(msgspec.structs.replace(rules, version=rules.version + 1, policy=policy))
    assert unit.opens()
    break_log(unit, "disk I/O error")
    assert not unit.opens()


# ---- the log alone: a fault at every operation


def _day(log: EventLog) -> list[int]:
    """Some records, each either there or refused; the numbers that were recorded."""
    made = []
    for kind in ("granted", "in", "refused", "out"):
        named = ("g1", "c1", "pin") if kind in {"granted", "in"} else (None, None, None)
        try:
            events = log.append([Draft(kind, None, *named)], {"tries": 9}, AT_MS, "synced", may_hold=True)
            made += [event.seq for event in events]
        except StorageFault:
            continue
    return made


class Dying:
    """Fails the operation of that number, and after it a few more or all."""

    def __init__(self, at: int, error: type[Exception], how_many: int) -> None:
        self._left, self._error, self._how_many = at, error, how_many

    def __call__(self, _operation: Operation) -> None:
        self._left -= 1
        if -self._how_many <= self._left < 0:
            raise self._error("injected")


@pytest.mark.parametrize("how_many", [1, 10_000])
@pytest.mark.parametrize("fault", ["IOError", "FullError"])
def test_a_fault_at_every_operation(tmp_path: Path, fault: str, how_many: int):
    """Every write and sync of a day, in turn: each record is made and can be sent, and when the disk is well again all
    of them are on it, once and in order."""
    import apsw

    at = 0
    while True:
        folder = tmp_path / str(at)
        folder.mkdir()
        recorder = Recorder(folder)
        log = EventLog.attach(recorder.connect(folder / LOG), DOOR, os.urandom)
        dying = Dying(at, getattr(apsw, fault), how_many)
        recorder.fail = dying
        made = _day(log)
        assert made == [1, 2, 3, 4], "the door went on"
        recorder.fail = lambda _operation: None
        log.keep({}, may_hold=True)
        assert log.held == 0
        batch = log.batch(0, make_key())
        assert batch is not None
        assert len(parse_batch(batch[1]).records) == 4
        with closing(EventLog.open(folder / LOG, DOOR, os.urandom)) as again:
            assert (again.end, again.kept()["tries"]) == (log.end, 9)
        shutil.rmtree(folder)
        if dying._left >= 0:
            assert at > 10
            return
        at += 1


# ---- what nobody ever signed for


def filled(tmp_path: Path, days: int) -> EventLog:
    log = EventLog.open(tmp_path / LOG, DOOR, os.urandom)
    for day in range(days):
        named = ("g1", "c1", "pin") if day % 2 else (None, None, None)
        kind = "granted" if day % 2 else "opened"
        log.append([Draft(kind, None, *named)], {"tries": day}, (NOON + day * DAY_S) * 1000, "synced", may_hold=False)  # type: ignore[arg-type]
    return log


def test_unsent_records_go_after_ninety_days_behind_a_loss(tmp_path: Path):
    log = filled(tmp_path, 100)
    old_log = log.log
    assert log.drop_unsent(NOON + 96 * DAY_S, AT_MS, "synced") == [], "a week at a time"
    events = log.drop_unsent(NOON + 99 * DAY_S, AT_MS, "synced")
    assert (events[0].kind, events[0].reason) == ("loss", "unsent_too_long")
    assert events[0].detail == {"old_log": old_log, "first": 1, "count": 9}
    assert [event.at // 1000 for event in events[1:]] == [NOON + day * DAY_S for day in range(9, 100)]
    found = log.batch(0, make_key())
    assert found is not None
    assert len(parse_batch(found[1]).records) == 92
    log.close()
    again = EventLog.open(tmp_path / LOG, DOOR, os.urandom)
    assert (again.log, again.end, again.kept()["tries"]) == (log.log, log.end, 99)
    again.close()


def test_records_the_hub_has_are_not_given_up(tmp_path: Path):
    log = filled(tmp_path, 100)
    said = Receipt(door=DOOR, log=log.log, seq=100, hash=log.end.hash, number=1, issued=NOON)
    assert log.acknowledge(said, NOON)
    assert log.drop_unsent(NOON + 300 * DAY_S, AT_MS, "synced") == []
    log.close()


def test_memory_is_bounded(tmp_path: Path):
    log = EventLog.in_memory(DOOR, os.urandom)
    for _ in range(HELD_RECORDS):
        log.append([Draft("opened")], {}, AT_MS, "synced", may_hold=True)
    with pytest.raises(StorageFault):
        log.append([Draft("opened")], {}, AT_MS, "synced", may_hold=True)
    said = Receipt(door=DOOR, log=log.log, seq=900, hash=log.hash_of(900) or "", number=1, issued=NOON)
    assert log.acknowledge(said, NOON)
    log.append([Draft("opened")], {}, AT_MS, "synced", may_hold=True)
    with pytest.raises(StorageFault):
        log.append([Draft("granted")], {}, AT_MS, "synced", may_hold=False)


# ---- real full and read-only disks


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 1 MiB."""
    folder = tmp_path / "small"
    folder.mkdir()
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "none", str(folder)], capture_output=True, text=True, check=False
    )
    if made.returncode:
        pytest.skip(f"no file system can be mounted here: {made.stderr.strip()}")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def fill(disk: Path) -> Path:
    """The file that takes all the room there is."""
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while file.write(bytes(4096)):
            continue
    return filler


def test_a_disk_that_is_really_full(small_disk: Path):
    unit = Unit(small_disk / "data", Town()).ready()
    filler = fill(small_disk)
    for _ in range(40):
        assert unit.opens()
    assert unit.unit.log.held
    assert "log_degraded" in unit.faults
    filler.unlink()
    unit.pass_time(3)
    assert unit.unit.log.held == 0
    assert [event["seq"] for event in unit.events()] == list(range(1, unit.unit.log.end.seq + 1))


def test_a_start_on_a_full_disk_loses_no_record(small_disk: Path):
    unit = Unit(small_disk / "data", Town()).ready()
    assert unit.opens()
    before = unit.events()
    unit.unit.log.close()
    filler = fill(small_disk)
    unit.start()
    assert unit.in_memory()
    unit.pass_time(61)
    filler.unlink()
    unit.pass_time(61)
    unit.pass_time(3)
    assert not unit.in_memory()
    after = [(event["kind"], event["at"]) for event in unit.events()]
    assert {(event["kind"], event["at"]) for event in before} <= set(after)
    assert not list(unit.folder.glob(f"{LOG}.*")), "a log that is whole is not set aside"
    assert not list(unit.folder.glob(f"{TRIAL}*"))


def test_a_list_that_does_not_fit_leaves_the_room_to_the_log(small_disk: Path):
    unit = Unit(small_disk / "data", Town()).ready()
    filler = fill(small_disk)
    with filler.open("r+b") as file:
        file.truncate(filler.stat().st_size - (1 << 16))
    with pytest.raises(OSError, match="No space"):
        DataFolder(unit.folder).write_list("0" * 64, bytes(1 << 20))
    assert unit.opens()
    assert not unit.unit.log.held


def test_a_disk_that_turns_read_only(small_disk: Path):
    unit = Unit(small_disk / "data", Town()).ready()

    def remount(how: str) -> bool:
        done = subprocess.run(["mount", "-o", f"remount,{how}", str(small_disk)], capture_output=True, check=False)
        return done.returncode == 0

    floors = unit.floors
    unit.unit.log.close()
    if not remount("ro"):
        pytest.skip("this file system cannot be remounted")
    unit.start()
    assert unit.in_memory()
    unit.pass_time(1801)
    assert unit.opens()
    assert remount("rw")
    unit.pass_time(61)
    unit.pass_time(3)
    assert not unit.in_memory()
    assert unit.events("granted")
    assert no_lower(unit.floors, floors)
