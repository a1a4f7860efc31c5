"""The whole link on a real Mosquitto: a controller on one side, the store on the other."""

from __future__ import annotations

import shutil
import socket
import threading
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy.exc import OperationalError

from controller.formats import jwe
from controller.formats.encoding import canonical
from controller.formats.envelope import open_envelope, seal
from controller.formats.errors import Refused
from controller.formats.event import BATCH_TYP, RECEIPT_TYP, Event, Receipt, parse_receipt
from controller.formats.jwe import decrypt, encrypt
from controller.formats.jwk import SigningKey, VerifyKey, make_key
from controller.formats.limits import LIMITS
from controller.formats.messages import (
    Deliver,
    FromAgent,
    Hello,
    LineBuffer,
    Link,
    SendBatch,
    SendState,
    decode_line,
    encode_line,
)
from controller.formats.state import STATE_TYP, StateReport
from sync.agent import link
from sync.agent.config import BrokerSection, Config, DoorSection
from sync.agent.runner import Runner
from sync.hub.doors.readers import DoorReaders
from sync.hub.keys.link_keys import LinkKeys
from sync.hub.link import HubLink
from sync.hub.records.collector import ReadBatch
from sync.hub.records.log_store import LogStore
from sync.hub.records.log_storing import Answer
from sync.hub.store.database import Sessions, open_database
from sync.topics import topic
from tests.sync.hub.door_log import LOG, DoorLog
from tests.sync.mosquitto import Mosquitto

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(not shutil.which("mosquitto", path="/usr/sbin:/usr/bin"), reason="Mosquitto is not installed"),
]
PATIENCE_S = 20.0


def eventually(what: Callable[[], Any]) -> Any:
    """The first true answer of `what`."""
    deadline = time.monotonic() + PATIENCE_S
    while not (answer := what()):
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(0.02)
    return answer


class Controller:
    """The controller's side of sync.sock: says what it is told to, keeps what it hears."""

    def __init__(self, path: Path) -> None:
        self.heard: list[Deliver | Link] = []
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        self._listener.listen(1)
        self._connection: socket.socket | None = None

    def welcome(self, door: str) -> None:
        """Wait for the agent and greet it."""
        self._connection, _ = self._listener.accept()
        threading.Thread(target=self._listen, daemon=True).start()
        self.say(Hello(door=door, authorities=()))

    def say(self, message: Hello | SendBatch | SendState) -> None:
        assert self._connection
        self._connection.sendall(encode_line(message))

    def _listen(self) -> None:
        lines = LineBuffer(LIMITS.sync_line_bytes)
        assert self._connection
        while data := self._connection.recv(1 << 16):
            self.heard += [decode_line(line, FromAgent, "test") for line in lines.feed(data)]

    def delivered(self, kind: str) -> list[bytes]:
        return [one.body.encode() for one in self.heard if isinstance(one, Deliver) and one.kind == kind]

    @property
    def linked(self) -> bool:
        changes = [one.up for one in self.heard if isinstance(one, Link)]
        return bool(changes) and changes[-1]

    def close(self) -> None:
        for end in (self._connection, self._listener):
            if end:
                end.close()


class Service:
    """What the link asks of the hub's service."""

    def __init__(self, keys: dict[str, VerifyKey]) -> None:
        self._keys = keys
        self.reports: list[StateReport] = []
        self.dues = 0

    def event_keys(self, doors: Collection[str], /) -> dict[str, VerifyKey]:
        return {door: key for door, key in self._keys.items() if door in doors}

    def doors_reported(self, reports: Sequence[StateReport], at: int, /) -> list[Refused]:
        self.reports += reports
        return []

    def passes_used(self, door_id: str, credentials: Collection[str], now: int, /) -> set[str]:
        return set()

    def commissioned(self, door_id: str, events: Sequence[Event], now: int, /) -> None:
        """Nobody asks."""

    def due(self, now: int, /) -> None:
        self.dues += 1


COLLECT_KEY, READER = jwe.make_key(), jwe.make_key()


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Mosquitto]:
    broker = Mosquitto(tmp_path / "tls")
    broker.start()
    yield broker
    broker.stop()


@pytest.fixture
def door() -> DoorLog:
    log = DoorLog()
    log.add(10, grant="g1")
    return log


@pytest.fixture
def controller(tmp_path: Path, broker: Mosquitto) -> Iterator[Controller]:
    """A controller with a running agent beside it."""
    path = tmp_path / "sync.sock"
    controller = Controller(path)
    certificate, private_key = broker.door_certificate("hall-1")
    runner = Runner(
        Config(
            door=DoorSection(id="hall-1", socket=str(path)),
            broker=BrokerSection(
                host="localhost",
                port=broker.port,
                certificate=str(certificate),
                private_key=str(private_key),
                authorities=str(broker.folder / "ca.pem"),
            ),
        )
    )
    agent = threading.Thread(target=runner.run)
    agent.start()
    controller.welcome("hall-1")
    yield controller
    runner.stop()
    agent.join()
    controller.close()


@pytest.fixture
def sessions(tmp_path: Path) -> Sessions:
    return open_database(f"sqlite:///{tmp_path / 'hub.db'}")


@pytest.fixture
def service(door: DoorLog) -> Service:
    return Service({"hall-1": door.signing.verify_key})


@pytest.fixture
def receipt_key() -> SigningKey:
    return make_key()


@pytest.fixture
def hub(broker: Mosquitto, service: Service, sessions: Sessions, receipt_key: SigningKey) -> Iterator[HubLink]:
    settings = SimpleNamespace(
        mqtt=SimpleNamespace(host="localhost", port=broker.port),
        folders=SimpleNamespace(tls=broker.folder, keys=broker.folder),
    )
    hub = HubLink(settings, service, LinkKeys(receipt_key, make_key(), COLLECT_KEY), sessions)
    hub.start()
    eventually(lambda: hub.connected)
    yield hub
    hub.stop()


def state_of(door: DoorLog, receipt: int = 0) -> SendState:
    report = StateReport(
        door=door.door,
        at=1,
        clock="synced",
        list_version=7,
        list_hash=None,
        trust_version=1,
        receipt=receipt,
        log=LOG,
        seq=10,
        posture="controlled",
        faults=(),
    )
    return SendState(body=seal(canonical(report), STATE_TYP, door.signing).decode())


def batch_of(door: DoorLog, first: int, last: int) -> SendBatch:
    return SendBatch(last=last, body=encrypt(door.batch(first, last), BATCH_TYP, COLLECT_KEY.encrypt_key))


def receipts(controller: Controller, receipt_key: SigningKey) -> list[Receipt]:
    keys = {receipt_key.verify_key.thumbprint: receipt_key.verify_key}
    return [
        parse_receipt(open_envelope(body, RECEIPT_TYP, keys, max_bytes=LIMITS.receipt_bytes).payload)
        for body in controller.delivered("receipt")
    ]


def test_events_go_up_and_receipts_and_lists_come_down(
    controller: Controller,
    hub: HubLink,
    service: Service,
    sessions: Sessions,
    door: DoorLog,
    receipt_key: SigningKey,
):
    controller.say(state_of(door, receipt=2_000_000_000))
    (report,) = eventually(lambda: service.reports)
    assert report.list_version == 7
    controller.say(batch_of(door, 1, 4))
    # A number this hub does not remember: it first says how far it holds the log.
    eventually(lambda: len(receipts(controller, receipt_key)) == 2)
    receipt = receipts(controller, receipt_key)[-1]
    assert (receipt.seq, receipt.hash, receipt.number) == (4, door.hashes[4], 2_000_000_002)
    controller.say(batch_of(door, 5, 10))
    eventually(lambda: [receipt.seq for receipt in receipts(controller, receipt_key)] == [0, 4, 10])
    assert [record.data for record in LogStore(sessions).after(0, 100, None)] == door.events
    assert controller.linked
    big_list = b'{"list":"' + b"x" * (2 << 20) + b'"}'
    hub.publish(topic("hall-1", "list"), big_list, retain=True)
    assert eventually(lambda: controller.delivered("list")) == [b""], "nothing goes in clear to a door without a key"
    DoorReaders(sessions).register("hall-1", READER.encrypt_key)
    hub.publish(topic("hall-1", "list"), big_list, retain=True)
    sealed = eventually(lambda: controller.delivered("list")[1:])[0]
    assert decrypt(sealed.decode(), "zs-list-1", READER, max_bytes=LIMITS.envelope_bytes) == big_list
    eventually(lambda: service.dues >= 2)


def test_a_broker_that_comes_back_empty_loses_and_doubles_nothing(
    controller: Controller,
    hub: HubLink,
    broker: Mosquitto,
    service: Service,
    sessions: Sessions,
    door: DoorLog,
    receipt_key: SigningKey,
    monkeypatch: pytest.MonkeyPatch,
):
    # The agent may be back before the hub listens; what it publishes then is heard only the next time.
    monkeypatch.setattr(link, "RESEND_S", 1.0)
    monkeypatch.setattr(link, "RESEND_JITTER_S", 1.0)
    controller.say(state_of(door))
    controller.say(batch_of(door, 1, 4))
    eventually(lambda: receipts(controller, receipt_key))
    broker.stop()
    eventually(lambda: not controller.linked)
    controller.say(batch_of(door, 3, 8))
    broker.start()
    eventually(lambda: receipts(controller, receipt_key)[-1].seq == 8)
    assert [record.data for record in LogStore(sessions).after(0, 100, None)] == door.events[:8]
    eventually(lambda: len(service.reports) >= 2)


def test_a_database_that_fails_delays_and_loses_nothing(
    controller: Controller,
    hub: HubLink,
    sessions: Sessions,
    door: DoorLog,
    receipt_key: SigningKey,
    monkeypatch: pytest.MonkeyPatch,
):
    failures = [OperationalError("INSERT", None, OSError("disk full"))]
    store = LogStore.store

    def failing_once(self: LogStore, batches: Sequence[ReadBatch], now_s: int) -> list[Answer]:
        if failures:
            raise failures.pop()
        return store(self, batches, now_s)

    monkeypatch.setattr(LogStore, "store", failing_once)
    controller.say(batch_of(door, 1, 4))
    (receipt,) = eventually(lambda: receipts(controller, receipt_key))
    assert receipt.seq == 4
    assert failures == []
    assert len(LogStore(sessions).after(0, 100, None)) == 4


def test_a_hub_that_was_away_learns_what_doors_said_meanwhile(
    controller: Controller, broker: Mosquitto, service: Service, door: DoorLog, request: pytest.FixtureRequest
):
    controller.say(state_of(door))
    eventually(lambda: controller.linked)
    request.getfixturevalue("hub")
    eventually(lambda: service.reports)


def test_what_is_wrong_is_counted_and_answered_by_what_is_held(
    controller: Controller, hub: HubLink, sessions: Sessions, door: DoorLog, receipt_key: SigningKey
):
    controller.say(batch_of(door, 5, 8))
    (receipt,) = eventually(lambda: receipts(controller, receipt_key))
    assert receipt.seq == 0
    controller.say(SendBatch(last=8, body="rubbish"))
    stranger = DoorLog()
    stranger.add(1)
    controller.say(batch_of(stranger, 1, 1))
    store = LogStore(sessions)
    eventually(lambda: len(store.incidents("hall-1")) == 3)
    assert {incident.code for incident in store.incidents("hall-1")} == {"gap", "not_encrypted", "unknown_key"}
    controller.say(batch_of(door, 1, 1))
    eventually(lambda: receipts(controller, receipt_key)[-1].seq == 1)


def test_an_unknown_door_is_not_listened_to(broker: Mosquitto, controller: Controller, hub: HubLink, service: Service):
    service._keys.clear()
    lost = DoorLog()
    lost.add(1)
    controller.say(batch_of(lost, 1, 1))
    eventually(lambda: service.dues >= 3)
    assert controller.delivered("receipt") == []
