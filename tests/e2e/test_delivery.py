"""At least once on the wire, exactly once in the store: a month of records through everything that goes wrong between.

A real Mosquitto, real collectors on a shared subscription, and a door with the production log; only its agent is
replaced by one that does its worst: it sends batches twice, out of order and cut off.
"""

from __future__ import annotations

import os
import queue
import random
import shutil
import sqlite3
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from controller.draft import Draft
from controller.eventlog import EventLog
from controller.formats import jwe
from controller.formats.envelope import open_envelope
from controller.formats.errors import Refused
from controller.formats.event import BATCH_TYP, RECEIPT_TYP, Event, parse_receipt
from controller.formats.jwk import SigningKey, VerifyKey, make_key
from controller.formats.limits import LIMITS
from controller.formats.state import StateReport
from simulator import tap
from simulator.overheard import leaks
from simulator.tap import Tap
from sync.hub.audit.export import export
from sync.hub.audit.verify import verify
from sync.hub.keys.link_keys import LinkKeys
from sync.hub.link import HubLink
from sync.hub.records.log_store import LogStore
from sync.hub.store.database import Sessions, open_database
from sync.topics import topic
from tests.sync.mosquitto import Mosquitto

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(not shutil.which("mosquitto", path="/usr/sbin:/usr/bin"), reason="Mosquitto is not installed"),
]
DOOR = "hall-1"
MONTH, A_DAY = 30, 200
PATIENCE_S, RESEND_S = 90.0, 1.0
COLLECT_KEY = jwe.make_key()


class Service:
    """What the link asks of the hub's service."""

    def __init__(self, key: VerifyKey) -> None:
        self._key = key

    def event_keys(self, doors: Collection[str], /) -> dict[str, VerifyKey]:
        return {DOOR: self._key} if DOOR in doors else {}

    def doors_reported(self, reports: Sequence[StateReport], at: int, /) -> list[Refused]:
        return []

    def passes_used(self, door_id: str, credentials: Collection[str], now: int, /) -> set[str]:
        return set()

    def commissioned(self, door_id: str, events: Sequence[Event], now: int, /) -> None:
        """Nobody asks."""

    def due(self, now: int, /) -> None:
        """Nothing is."""


class Door:
    """A log and an agent that behaves badly where `chance` says so."""

    def __init__(self, folder: Path, broker: Mosquitto, receipt_key: SigningKey) -> None:
        self.signing = make_key()
        self.log = EventLog.open(folder / "log.db", DOOR, os.urandom)
        self.rolled_back = 0
        self._keys = {receipt_key.verify_key.thumbprint: receipt_key.verify_key}
        self._receipts: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        self._sent: list[bytes] = []
        self._client = Client(CallbackAPIVersion.VERSION2, client_id=DOOR, protocol=MQTTProtocolVersion.MQTTv5)
        certificate, private_key = broker.door_certificate(DOOR)
        self._client.tls_set(str(broker.folder / "ca.pem"), str(certificate), str(private_key))
        self._client.reconnect_delay_set(1, 1)
        self._client.on_connect = self._connected
        self._client.on_message = self._heard
        self._client.connect_async("localhost", broker.port)
        self._client.loop_start()

    def record(self, count: int, at_s: int = 1_800_000_000) -> None:
        for number in range(count):
            draft = Draft("granted", None, f"g{number % 7}", "c1", "pin", {"kind": "renter"})
            self.log.append([draft], {}, (at_s + number) * 1000, "synced", may_hold=False)

    def publish(self, body: str | bytes) -> None:
        self._client.publish(topic(DOOR, "events"), body, qos=1)

    def batch(self) -> str | None:
        """What the hub is to get next, encrypted as the door does."""
        found = self.log.batch(self.log.acknowledged.seq, self.signing)
        return None if found is None else jwe.encrypt(found[1], BATCH_TYP, COLLECT_KEY.encrypt_key)

    def deliver(self, chance: random.Random, halfway: Callable[[], None] = lambda: None) -> float:
        """Send until the hub has signed for everything; how long that took, in seconds."""
        begun = time.monotonic()
        middle = (self.log.acknowledged.seq + self.log.end.seq) // 2
        while self.log.acknowledged.seq < self.log.end.seq:
            assert time.monotonic() < begun + PATIENCE_S, f"only {self.log.acknowledged.seq} of {self.log.end.seq}"
            if middle and self.log.acknowledged.seq >= middle:
                halfway()
                middle = 0
            body = self.batch()
            assert body is not None
            self._misbehave(body, chance)
            self.publish(body)
            self._sent.append(body.encode())
            self._await_receipt()
        return time.monotonic() - begun

    def _misbehave(self, body: str, chance: random.Random) -> None:
        if chance.random() < 0.2:
            self.publish(body)
        if chance.random() < 0.1:
            self.publish(body[: len(body) // 2])
        if self._sent and chance.random() < 0.3:
            self.publish(chance.choice(self._sent))

    def _await_receipt(self) -> None:
        until = time.monotonic() + RESEND_S
        before = self.log.acknowledged
        while self.log.acknowledged == before and (left := until - time.monotonic()) > 0:
            try:
                body = self._receipts.get(timeout=left)
            except queue.Empty:
                return
            opened = open_envelope(body, RECEIPT_TYP, self._keys, max_bytes=LIMITS.receipt_bytes)
            receipt = parse_receipt(opened.payload)
            if self.log.acknowledge(receipt, receipt.issued) and receipt.seq < before.seq:
                self.rolled_back += 1

    def _connected(self, client: Client, *_: Any) -> None:
        client.subscribe(topic(DOOR, "receipt"), 1)

    def _heard(self, _client: Client, _data: object, message: MQTTMessage) -> None:
        self._receipts.put(bytes(message.payload))

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()
        self.log.close()


class Town:
    """The broker, a hub database, its collectors, one door."""

    def __init__(self, folder: Path) -> None:
        self.database = folder / "hub.db"
        self.broker = Mosquitto(folder / "tls")
        self.receipt_key = make_key()
        self.broker.start()
        self.tap = Tap(self.broker.folder, self.broker.port, folder / "traffic.jsonl")
        self.door = Door(folder, self.broker, self.receipt_key)
        self.sessions = self.open()

    def open(self) -> Sessions:
        return open_database(f"sqlite:///{self.database}")

    def collector(self, name: str) -> HubLink:
        """One of the processes that share the doors' messages."""
        settings = SimpleNamespace(
            mqtt=SimpleNamespace(host="localhost", port=self.broker.port),
            folders=SimpleNamespace(tls=self.broker.folder, keys=self.broker.folder),
        )
        keys = LinkKeys(self.receipt_key, make_key(), COLLECT_KEY)
        made = HubLink(settings, Service(self.door.signing.verify_key), keys, self.sessions, name=name)
        made.start()
        deadline = time.monotonic() + PATIENCE_S
        while not made.connected and time.monotonic() < deadline:
            time.sleep(0.02)
        return made

    @contextmanager
    def collectors(self, *names: str) -> Iterator[list[HubLink]]:
        with ExitStack() as stack:
            made = [self.collector(name) for name in names]
            for each in made:
                stack.callback(each.stop)
            yield made

    def check(self) -> None:
        """Everything once, in order, and provably so."""
        store, log = LogStore(self.sessions), self.door.log.log
        seqs = [record.seq for record in store.records(DOOR, log, 1, self.door.log.end.seq + 1)]
        assert seqs == list(range(1, self.door.log.end.seq + 1)), "0 lost, 0 double"
        verdict = verify(export(store, DOOR, log), self.door.signing.verify_key)
        assert (verdict.damage, verdict.last) == (None, self.door.log.end.seq)


@pytest.fixture
def town(tmp_path: Path) -> Iterator[Town]:
    made = Town(tmp_path)
    yield made
    made.door.close()
    made.tap.close()
    made.broker.stop()
    messages = set(tap.read(tmp_path / "traffic.jsonl"))
    assert messages and list(leaks(messages, [])) == [], "the movements of a month, and nobody overheard one"


def test_a_month_offline_arrives_once_whatever_happens_on_the_way(town: Town):
    town.door.record(MONTH * A_DAY)
    with town.collectors("hub-a", "hub-b") as (first, _):

        def worst() -> None:
            """Halfway the broker comes back empty."""
            town.broker.stop()
            town.broker.start()

        took_s = town.door.deliver(random.Random(1), worst)
        assert first.connected or took_s < PATIENCE_S
    print(f"\n{MONTH * A_DAY} events with duplicates, cuts and an empty broker: {took_s:.1f} s")
    town.check()


def test_a_month_offline_on_a_good_line(town: Town):
    """The budget is 5 minutes."""
    town.door.record(MONTH * A_DAY)
    with town.collectors("hub-a"):
        begun = time.monotonic()
        while (body := town.door.batch()) is not None:
            town.door.publish(body)
            town.door._await_receipt()
        took_s = time.monotonic() - begun
    print(f"\n{MONTH * A_DAY} events: {took_s:.1f} s, {MONTH * A_DAY / took_s:.0f} events a second")
    assert took_s < PATIENCE_S
    town.check()


def test_a_queue_that_overflows_while_nobody_collects(town: Town):
    """Mosquitto keeps 1,000 messages for a collector that is away, and acknowledges the rest just the same."""
    with town.collectors("hub-a"):
        town.door.record(10)
        town.door.deliver(random.Random(2))
    town.door.record(20)
    body = town.door.batch()
    assert body is not None
    for _ in range(1_300):
        town.door.publish(body)
    with town.collectors("hub-a"):
        town.door.deliver(random.Random(3))
    town.check()


def test_a_hub_restored_from_a_backup_gets_the_rest_again(town: Town, tmp_path: Path):
    town.door.record(500)
    with town.collectors("hub-a"):
        town.door.deliver(random.Random(4))
    backup = tmp_path / "backup.db"
    with sqlite3.connect(town.database) as source, sqlite3.connect(backup) as target:
        source.backup(target)
    town.door.record(700)
    with town.collectors("hub-a", "hub-b"):
        town.door.deliver(random.Random(5))
    town.sessions.kw["bind"].dispose()
    for name in (town.database, Path(f"{town.database}-wal"), Path(f"{town.database}-shm")):
        name.unlink(missing_ok=True)
    shutil.copy(backup, town.database)
    town.sessions = town.open()
    town.door.record(1)
    with town.collectors("hub-a", "hub-b"):
        town.door.deliver(random.Random(6))
    assert town.door.rolled_back == 1, "the door noticed, and sent from there"
    town.check()
