"""The collector from a sealed batch to a signed receipt, against decrypting, parsing and verifying alone.

Rates told as times: twice the time of the floor is half its rate. Each turn is one transaction of the collector, with
as many batches as the link gathers when it is busy, from a log that is new to the store.
"""

from __future__ import annotations

from itertools import count
from pathlib import Path

from rich.progress import Progress

from controller.formats.encoding import canonical
from controller.formats.envelope import seal
from controller.formats.event import BATCH_TYP, RECEIPT_TYP
from controller.formats.jwe import decrypt, encrypt
from controller.formats.jwe import make_key as make_reader
from controller.formats.jwk import make_key
from controller.formats.limits import LIMITS
from sync.hub.records.collector import ReadBatch, read_batch
from sync.hub.records.log_store import LogStore
from sync.hub.store.database import open_database
from tests.bench.measure import Missing, Result, against_floor
from tests.sync.hub.door_log import DoorLog
from tests.sync.hub.postgresql import NoPostgresql, running_cluster

A_BATCH = 200
AT_ONCE = 20
ROUNDS = 12


def on_sqlite(folder: Path, progress: Progress) -> list[Result]:
    """The default database: a file, every commit on disk."""
    return _collecting("SQLite", f"sqlite:///{folder / 'hub.db'}", progress)


def on_postgresql(_folder: Path, progress: Progress) -> list[Result]:
    """A server of our own with its usual durability, reached over a Unix socket."""
    try:
        with running_cluster(durable=True) as cluster:
            return _collecting("PostgreSQL", cluster.new_database(), progress)
    except NoPostgresql as reason:
        raise Missing(str(reason)) from None


def _collecting(database: str, url: str, progress: Progress) -> list[Result]:
    store = LogStore(open_database(url))
    reader, receipt_key = make_reader(), make_key()
    doors = [DoorLog(door=f"hall-{number}") for number in range(ROUNDS + 1)]
    sealed: dict[str, list[str]] = {}
    for door in doors:
        door.add(A_BATCH * AT_ONCE // 4 * 3, grant="g-1")
        door.add(A_BATCH * AT_ONCE // 4)
        firsts = range(1, A_BATCH * AT_ONCE, A_BATCH)
        batches = [door.batch(first, first + A_BATCH - 1) for first in firsts]
        sealed[door.door] = [encrypt(batch, BATCH_TYP, reader.encrypt_key) for batch in batches]
    turns = count()

    def read(door: DoorLog) -> list[ReadBatch]:
        opened = (decrypt(text, BATCH_TYP, reader, max_bytes=LIMITS.sealed_batch_bytes) for text in sealed[door.door])
        return [read_batch(data, door.door, door.signing.verify_key) for data in opened]

    def collect() -> None:
        batches = read(doors[next(turns)])
        for answer in store.store(batches, 1_800_000_000)[-1:]:
            seal(canonical(answer.receipt), RECEIPT_TYP, receipt_key)

    name = f"collector to a signed receipt, {A_BATCH * AT_ONCE:,} events on {database}"
    return against_floor(name, collect, lambda: read(doors[0]), {50: 2.0}, progress, rounds=ROUNDS)
