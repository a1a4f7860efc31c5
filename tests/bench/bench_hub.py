"""The collector from a batch to a receipt in its database, against reading and verifying alone."""

from __future__ import annotations

import time
from pathlib import Path

from rich.progress import Progress

from sync.hub.collector import read_batch
from sync.hub.database import open_database
from sync.hub.log_store import LogStore
from tests.bench.measure import Result, result
from tests.sync.hub.door_log import DoorLog

EVENTS = 10_000
A_BATCH = 200
AT_ONCE = 20  # batches of as many doors in one transaction, as the link gathers them


def collecting(folder: Path, progress: Progress) -> list[Result]:
    """Events a second, end to end on SQLite, as a share of verifying alone: at least half."""
    door = DoorLog()
    door.add(EVENTS)
    batches = [door.batch(first, first + A_BATCH - 1) for first in range(1, EVENTS, A_BATCH)]
    store = LogStore(open_database(f"sqlite:///{folder / 'hub.db'}"))
    bar = progress.add_task("collector", total=2 * len(batches))
    started = time.perf_counter()
    for batch in batches:
        read_batch(batch, door.door, door.signing.verify_key)
        progress.advance(bar)
    verifying_s = time.perf_counter() - started
    started = time.perf_counter()
    for place in range(0, len(batches), AT_ONCE):
        together = [read_batch(batch, door.door, door.signing.verify_key) for batch in batches[place : place + AT_ONCE]]
        store.store(together, 1_800_000_000)
        progress.advance(bar, AT_ONCE)
    whole_s = time.perf_counter() - started
    # Told as times: twice the time of the floor is half its rate.
    return [
        result("collector to a stored receipt, 10,000 events on SQLite, ms", whole_s * 1000, verifying_s * 1000, 2.0)
    ]
