"""The stand-in for a controller in a fleet: it takes what a door takes, and what it sends a hub accepts."""

from __future__ import annotations

from pathlib import Path
from time import time

import pytest

from controller.formats import jwe, jwk, trust_step
from controller.formats.code_list import TYP, CodeList, PinKdf, Policy, dump
from controller.formats.encoding import b64, canonical
from controller.formats.envelope import open_envelope, seal
from controller.formats.errors import Refused
from controller.formats.event import BATCH_TYP, RECEIPT_TYP, Receipt
from controller.formats.limits import LIMITS
from controller.formats.messages import Deliver, Link, SendState
from controller.formats.state import MAX_BYTES, STATE_TYP, parse_state
from controller.formats.trust import parse
from simulator.fleet_door import DoorKit, LinkedController
from simulator.simulated_ceremony import Ceremony
from sync.hub.records.collector import read_batch

DOOR = "d00001"


class Hub:
    """The keys of a hub, and what it signs."""

    def __init__(self) -> None:
        self.list_key, self.receipt_key, self.collect_key = jwk.make_key(), jwk.make_key(), jwe.make_key()
        self.signing, self.reading = jwk.make_key(), jwe.make_key()
        ceremony = Ceremony(jwk.make_key, self.collect_key)
        ceremony.sign([(self.list_key, "list", "active"), (self.receipt_key, "receipt", "active")], int(time()))
        self.trust = parse(trust_step.payload_of(ceremony.documents[0]))

    def door(self) -> LinkedController:
        kit = DoorKit(DOOR, Path("crt"), Path("key"), self.signing.jwk(), self.reading.jwk())
        return LinkedController(kit, self.trust)

    def list_message(self, version: int, key: jwk.SigningKey | None = None) -> Deliver:
        now_s = int(time())
        made = CodeList(
            door=DOOR, epoch=1, version=version, issued=now_s, refresh_after=now_s + 60, valid_until=now_s + 3_600,
            shrink=False, policy=Policy(), posture=None, pin_kdf=PinKdf(salt=b64(bytes(16))), grants=(), closures=(),
            pass_keys=(),
        )  # fmt: skip
        envelope = seal(dump(made), TYP, key or self.list_key)
        return Deliver(kind="list", body=jwe.encrypt(envelope, TYP, self.reading.encrypt_key))

    def receipt(self, batch: str, number: int) -> Deliver:
        read = read_batch(self.opened(batch), DOOR, self.signing.verify_key)
        said = Receipt(
            door=DOOR, log=read.statement.log, seq=read.end.seq, hash=read.end.hash, number=number, issued=int(time())
        )
        return Deliver(kind="receipt", body=seal(canonical(said), RECEIPT_TYP, self.receipt_key).decode())

    def opened(self, batch: str) -> bytes:
        return jwe.decrypt(batch, BATCH_TYP, self.collect_key, max_bytes=LIMITS.sealed_batch_bytes)


def state_of(hub: Hub, said: object) -> int:
    assert isinstance(said, SendState)
    keys = {hub.signing.verify_key.thumbprint: hub.signing.verify_key}
    return parse_state(open_envelope(said.body.encode(), STATE_TYP, keys, max_bytes=MAX_BYTES).payload).list_version


def test_a_list_is_verified_and_reported():
    hub = Hub()
    door = hub.door()
    assert [state_of(hub, said) for said in door.heard(Link(up=True))] == [0]
    assert [state_of(hub, said) for said in door.heard(hub.list_message(7))] == [7]
    assert door.list_version == 7


def test_a_list_by_a_strange_key_or_an_older_one_is_refused():
    hub = Hub()
    door = hub.door()
    door.heard(hub.list_message(7))
    for message in (hub.list_message(8, jwk.make_key()), hub.list_message(6)):
        with pytest.raises(Refused):
            door.heard(message)
    assert door.list_version == 7


def test_a_mute_door_verifies_and_says_nothing():
    hub = Hub()
    door = hub.door()
    door.mute = True
    assert door.heard(hub.list_message(7)) == []
    assert door.list_version == 7


def test_the_next_batch_leaves_with_the_receipt_of_the_one_before():
    hub = Hub()
    door = hub.door()
    door.write(batches=2, records=5)
    [first] = door.send()
    [second] = door.heard(hub.receipt(first.body, 1))
    assert door.receipted == 5
    # A receipt of the same number says nothing new.
    assert door.heard(hub.receipt(second.body, 1)) == []
    assert door.heard(hub.receipt(second.body, 2)) == []
    assert door.receipted == door.written == 10
