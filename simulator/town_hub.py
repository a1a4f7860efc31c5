"""The hub of the simulated town: the production service, adapters and log store on a real SQLite file, between a broker
and a town that live in virtual time. It can be ended and started again on the same file.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

from controller.formats import jwe
from controller.formats.code_list import TYP as LIST_TYP
from controller.formats.encoding import canonical
from controller.formats.envelope import open_envelope, seal
from controller.formats.errors import Refused
from controller.formats.event import BATCH_TYP, RECEIPT_TYP, Receipt
from controller.formats.jwe import DecryptKey, EncryptKey
from controller.formats.jwk import SigningKey, make_key
from controller.formats.limits import LIMITS
from controller.formats.state import MAX_BYTES, OFFLINE, STATE_TYP, parse_state
from simulator.simulated_broker import SimulatedBroker
from simulator.simulated_ceremony import Ceremony
from simulator.simulated_hub import cheap_verifier
from sync.hub.adapters.settings import Adapters
from sync.hub.adapters.switchboard import Switchboard
from sync.hub.booking.codes import Randomness
from sync.hub.keys.keyring import Keyring, make_keys
from sync.hub.records.collector import read_batch
from sync.hub.records.log_store import LogStore
from sync.hub.service import Service
from sync.hub.store.database import open_database
from sync.hub.town.town_file import read_town
from sync.topics import split, topic

PAGE = 500


class TownHub:
    """`folder` keeps its database and keys. PINs are derived cheaply, at the doors too: the world's stand-in."""

    service: Service
    adapters: Switchboard

    def __init__(
        self, folder: Path, town: str, broker: SimulatedBroker, now_s: Callable[[], int], chance: random.Random
    ) -> None:
        make_keys(folder / "keys")
        self._keyring = Keyring.load(folder / "keys")
        self._url = f"sqlite:///{folder}/hub.db"
        self._broker = broker
        self._now_s = now_s
        self._chance = Randomness(lambda below: int(chance.random() * below), chance.randbytes)
        self._collect: DecryptKey = jwe.make_key()
        self._readers: dict[str, EncryptKey] = {}
        self.up = False
        self.start()
        self.service.apply(read_town(town), now_s())

    def start(self) -> None:
        """The process starts, on what its database holds."""
        sessions = open_database(self._url)
        self._sessions = sessions
        self.service = Service(sessions, self._keyring, self._chance, cheap_verifier)
        self.service.attach(self)
        self.adapters = Switchboard(self.service, sessions, Adapters())
        self._records = LogStore(sessions)
        self.up = True

    def stop(self) -> None:
        """The process ends; nobody can call, nothing is made."""
        self.up = False
        self._sessions.kw["bind"].dispose()

    def trust(self) -> bytes:
        """The trust document that every door is delivered with."""
        ceremony = Ceremony(make_key, self._collect)
        keys = [(self._keyring.list_key, "list"), (self._keyring.receipt_key, "receipt")]
        named = []
        for key, purpose in keys:
            assert isinstance(key, SigningKey)
            named.append((key, purpose, "active"))
        ceremony.sign(named, self._now_s())  # type: ignore[arg-type]
        return ceremony.documents[-1]

    def enrol(self, door: str, key: SigningKey, reader: EncryptKey) -> None:
        """A door is brought into service."""
        self._readers[door] = reader
        self.service.enrol(door, key.verify_key)

    def publish(self, name: str, payload: bytes, retain: bool) -> bool:
        """The way to the broker (the service's `Publisher`)."""
        if not self._broker.up:
            return False
        door, leaf = split(name) or ("", "")
        if leaf == "list":
            if door not in self._readers:
                return False
            payload = jwe.encrypt(payload, LIST_TYP, self._readers[door]).encode("ascii")
        self._broker.publish_from_hub(name, payload, retain)
        return True

    def receive(self, name: str, payload: bytes) -> None:
        """A message of a door, as the link takes it in."""
        door, leaf = split(name) or ("", "")
        key = self.service.event_keys({door}).get(door)
        if key is None:
            return
        if leaf == "events":
            text = payload.decode("ascii", "replace")
            data = jwe.decrypt(text, BATCH_TYP, self._collect, max_bytes=LIMITS.sealed_batch_bytes)
            for answer in self._records.store([read_batch(data, door, key)], self._now_s()):
                self._send(answer.receipt)
        elif leaf == "state" and payload != OFFLINE:
            opened = open_envelope(payload, STATE_TYP, {key.thumbprint: key}, max_bytes=MAX_BYTES)
            report = parse_state(opened.payload)
            for forgotten in self._records.receipts_reported([report], self._now_s()):
                self._send(forgotten)
            self.service.door_reported(door, report, self._now_s())

    def try_to(self, call: Callable[[], None]) -> bool:
        """Make a call; False while nobody answers. What is refused is an answer too."""
        if not self.up:
            return False
        try:
            call()
        except Refused as refused:
            raise AssertionError(f"the town asks for nothing that may be refused: {refused}") from refused
        return True

    def stored(self) -> int:
        """How many records of doors the hub has, each happening once."""
        count = cursor = 0
        while page := self._records.after(cursor, PAGE, None):
            count, cursor = count + len(page), page[-1].cursor
        return count

    def _send(self, receipt: Receipt) -> None:
        sealed = seal(canonical(receipt), RECEIPT_TYP, self._keyring.receipt_key)
        self.publish(topic(receipt.door, "receipt"), sealed, True)
