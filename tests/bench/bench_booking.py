"""What a reservation system waits for, over HTTP, with 200 doors at a real broker and a real `hub serve`.

- from a PUT to every door on the way having reported a list that holds it, one booking after the other (R002-19);
- how many bookings a second are answered, codes included, when callers come together, and how long each waits
  (R002-17: 50 a second, within a second).

Callers, hub, broker and doors share this one machine.
"""

from __future__ import annotations

import itertools
import os
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from rich.progress import Progress

from simulator.broker import NoBroker
from simulator.fleet import Fleet, Size
from simulator.fleet_town import CLIENT, door_id
from simulator.hub_client import HubClient, Json
from sync.hub.instants import instant
from tests.bench.measure import Missing, Result, percentile, result
from tests.sync.hub.postgresql import NoPostgresql, running_cluster

DOORS, GRANTS = 200, 20
APPLIED = int(os.environ.get("ZS_BENCH_APPLIED", "60"))
TOGETHER, CALLERS = int(os.environ.get("ZS_BENCH_BOOKINGS", "400")), 8
APPLIED_S, ANSWER_S, A_SECOND = 2.0, 1.0, 50
LOOK_S, PATIENCE_S = 0.02, 180.0
AHEAD_S = 12 * 86_400  # what the fleet's doors hold already is nearer


def on_sqlite(folder: Path, progress: Progress) -> list[Result]:
    """The default store."""
    return _measure(folder, progress, None, "SQLite")


def on_postgresql(folder: Path, progress: Progress) -> list[Result]:
    """The other one."""
    try:
        with running_cluster(durable=True) as cluster:
            return _measure(folder, progress, cluster.new_database(), "PostgreSQL")
    except NoPostgresql as reason:
        raise Missing(str(reason)) from None


def _measure(folder: Path, progress: Progress, database: str | None, store: str) -> list[Result]:
    bar = progress.add_task(f"bookings, {store}")

    def tell(what: str, done: int, total: int) -> None:
        progress.update(bar, description=f"bookings, {store}: {what}", completed=done, total=total)

    try:
        with Fleet(folder / "fleet", Size(DOORS, GRANTS, database=database), tell) as fleet:
            fleet.prepare()
            fleet.herd()
            token = fleet.hub.service.new_token(CLIENT)
            client = HubClient("127.0.0.1", fleet.hub.settings.http.port, token)
            wanted = _bookings()
            applied = [_applied_s(client, *next(wanted)) for _ in range(APPLIED)]
            answered, seconds = _together(client, list(itertools.islice(wanted, TOGETHER)))
    except NoBroker as reason:
        raise Missing(str(reason)) from None
    rate = TOGETHER / seconds
    return [
        result(
            f"PUT to applied at {DOORS} doors, {store}, p50, s against 2 s", percentile(applied, 50), APPLIED_S, 1.0
        ),
        result(
            f"PUT to applied at {DOORS} doors, {store}, p95, s against 2 s", percentile(applied, 95), APPLIED_S, 1.0
        ),
        result(f"bookings answered, {store}, wanted 50 a second, got", A_SECOND, rate, 1.0),
        result(f"a booking's answer, {CALLERS} callers, {store}, p95, s", percentile(answered, 95), ANSWER_S, 1.0),
    ]


def _bookings() -> Iterator[tuple[str, Json]]:
    """Bookings of one hour, over all doors in turn, none in another's way."""
    begin = int(time.time()) // 3_600 * 3_600 + AHEAD_S
    for number in itertools.count():
        start = begin + number // DOORS * 3_600
        body: Json = {
            "revision": 1,
            "state": "active",
            "rooms": [door_id(number * 7 % DOORS)],
            "windows": [{"start": instant(start), "end": instant(start + 3_600)}],
            "holder": {"ref": "h-1", "kind": "association"},
            "reveal": "P0D",
        }
        yield f"B-{number}", body


def _applied_s(client: HubClient, ref: str, body: Json) -> float:
    started = time.perf_counter()
    answer = client.put(ref, body)
    while any(each["status"] != "applied" for each in answer["delivery"]):
        if time.perf_counter() - started > PATIENCE_S:
            raise RuntimeError(f"{ref} is not at its door after {PATIENCE_S:g} s")
        time.sleep(LOOK_S)
        answer = client.get(ref)
    return time.perf_counter() - started


def _together(client: HubClient, wanted: list[tuple[str, Json]]) -> tuple[list[float], float]:
    """How long each answer took, and all of them."""

    def book(each: tuple[str, Json]) -> float:
        started = time.perf_counter()
        client.put(*each)
        return time.perf_counter() - started

    started = time.perf_counter()
    with ThreadPoolExecutor(CALLERS) as callers:
        answered = list(callers.map(book, wanted))
    return answered, time.perf_counter() - started
