"""The power goes at every write and sync of a door's day: nothing that was acknowledged is lost, nothing is half there.

`./run crash --images 100000` looks at that many images. The last test is what makes the first worth something: with one
setting less (`synchronous=NORMAL`) the same search finds losses.
"""

from __future__ import annotations

import hashlib
import random
import shutil
import sqlite3
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from controller.data_folder import LOG, DataFolder
from controller.draft import Draft
from controller.eventlog import EventLog, StorageFault
from controller.formats.event import GENESIS, chain
from tests.durability.door_day import DOOR, Day, Promise, live
from tests.durability.images import Image, images

MEMORY = Path("/dev/shm")


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """Where images are laid out: in memory where that is possible, since nothing there has to last."""
    made = (MEMORY if MEMORY.is_dir() else tmp_path) / f"zaalsleutel-{tmp_path.name}-{random.randrange(1 << 32):08x}"
    made.mkdir()
    yield made
    shutil.rmtree(made)


def judge(day: Day, done: int, image: Image, folder: Path) -> str | None:
    """What is wrong with a card on which `done` operations were under way, or None."""
    for old in folder.iterdir():
        old.unlink()
    for name, content in image.items():
        (folder / name).write_bytes(content)
    promised, under_way = day.allowed(done)
    try:
        log = EventLog.open(folder / LOG, DOOR, random.Random(2).randbytes)
    except StorageFault as fault:
        return f"unreadable log: {fault}"
    with closing(log):
        if promised is not None and not _is(log, promised) and not (under_way and _is(log, under_way)):
            known = any(_is(log, step) for step in day.steps if step.done <= done)
            return "acknowledged change lost" if known or log.end.seq == 0 else "a state that never was"
        if not _chain_holds(log, folder / LOG):
            return "broken chain"
        log.append([Draft("boot")], {}, 1, "floor", may_hold=False)
    return _files(promised, under_way, folder)


def _is(log: EventLog, promise: Promise) -> bool:
    return (log.log, log.end.seq, log.end.hash, log.kept()) == (promise.log, promise.seq, promise.hash, promise.kept)


def _chain_holds(log: EventLog, path: Path) -> bool:
    kept = log.kept()
    at, digest = kept.get("pruned_seq", 0), kept.get("pruned_hash", GENESIS)
    with closing(sqlite3.connect(path)) as database:
        for seq, event, stored in database.execute(
            "SELECT seq, event, hash FROM record WHERE log = ? ORDER BY seq", (log.log,)
        ):
            digest = chain(digest, event)
            if (seq, stored) != (at + 1, digest):
                return False
            at = seq
    return bool(at == log.end.seq)


def _files(promised: Promise | None, under_way: Promise | None, folder: Path) -> str | None:
    try:
        floors = DataFolder(folder).read_floors()
    except ValueError as error:
        return str(error)
    allowed = {each.floors for each in (promised, under_way) if each is not None}
    if floors not in allowed and promised is not None:
        return "floors that never were"
    if floors is None or floors.list_hash is None:
        return None
    envelope = DataFolder(folder).read_list(floors.list_hash)
    return None if hashlib.sha256(envelope).hexdigest()[:32] == floors.list_hash else "half a list"


def search(day: Day, folder: Path, count: int) -> tuple[int, Counter[str]]:
    """How many images were looked at, and what was wrong with how many."""
    found: Counter[str] = Counter()
    seen = 0
    for done, image in images(day.operations, random.Random(count), count):
        seen += 1
        fault = judge(day, done, image, folder)
        if fault is not None:
            found[fault] += 1
    return seen, found


def test_no_power_cut_loses_an_acknowledged_record(tmp_path: Path, folder: Path, pytestconfig: pytest.Config):
    day = live(tmp_path)
    assert len(day.operations) > 150
    seen, found = search(day, folder, pytestconfig.getoption("--images"))
    print(f"\n{seen} images, {len(day.operations)} operations: {dict(found) or 'nothing lost'}")
    assert not found


def test_the_search_finds_what_a_weaker_setting_loses(tmp_path: Path, folder: Path, pytestconfig: pytest.Config):
    seen, found = search(live(tmp_path, "NORMAL"), folder, min(5_000, pytestconfig.getoption("--images")))
    print(f"\n{seen} images with synchronous=NORMAL: {dict(found)}")
    assert found["acknowledged change lost"] > seen // 20
    assert not found["a state that never was"], "WAL mode keeps transactions whole and in order even so"


def test_the_search_finds_a_file_that_is_not_synced(tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("controller.disk.sync_directory", lambda _path: None)
    _, found = search(live(tmp_path), folder, 600)
    assert found["floors that never were"]
