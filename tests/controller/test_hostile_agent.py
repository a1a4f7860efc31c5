"""An agent that belongs to somebody else, at `sync.sock`: it gains delay, never entry, and no event is forgotten.

`ZS_MISBEHAVIOURS=10000` for the whole campaign; CI runs a few hundred from the same script.
"""

import json
import os
import random
from collections.abc import Callable

import msgspec
import pytest

from controller.formats import code_list as formats
from controller.formats import jwe
from controller.formats.encoding import canonical
from controller.formats.envelope import seal
from controller.formats.errors import Refused
from controller.formats.event import GENESIS, RECEIPT_TYP, Receipt
from controller.formats.jwk import make_key
from controller.formats.limits import LIMITS
from controller.formats.messages import FromAgent, LineBuffer, decode_line
from tests.controller.enrolled_unit import EnrolledUnit, Town
from tests.controller.worlds import DAY, NOON, PIN, code_list, grant, verifier_of

COUNT = int(os.environ.get("ZS_MISBEHAVIOURS", "400"))
GENUINE = code_list(grant("g1", windows=((NOON, NOON + 7 * DAY),)), version=2_000)
THIEVES_PIN = "111111"


class HostileAgent:
    """Everything that somebody with the agent's account and all that ever went over the wire can say."""

    def __init__(self, door: EnrolledUnit, chance: random.Random) -> None:
        self.door, self.chance, self.town = door, chance, door.town
        self.lines = LineBuffer(LIMITS.sync_line_bytes)
        self.thief = make_key()
        wishful = code_list(grant("thief", pin=THIEVES_PIN), version=3_000)
        self.recorded = [
            door.encrypted(self.town.sealed(code_list(grant("old", pin=THIEVES_PIN), version=1_000))),
            door.encrypted(self.town.sealed(code_list(grant("them", pin=THIEVES_PIN), version=3_000, door="hall-2"))),
            door.encrypted(self.town.sealed(wishful, self.thief)),
            door.encrypted(self.town.sealed(wishful, self.town.keys["receipt"])),
            door.encrypted(formats.dump(wishful).decode()),
            self.town.sealed(GENUINE),
            jwe.encrypt(self.town.sealed(wishful).encode(), formats.TYP, jwe.make_key().encrypt_key),
        ]
        self.tricks: list[Callable[[], None]] = [
            self.recorded_list, self.altered_list, self.garbage, self.half_a_message, self.flood_of_asks,
            self.forged_receipt, self.receipt_of_another_key, self.replayed_receipt, self.strangers_trust,
            self.command_of_a_thief, self.link_flaps, self.silence, self.deep_nesting, self.wrong_verbs,
        ]  # fmt: skip

    def misbehave(self) -> None:
        self.chance.choice(self.tricks)()

    def raw(self, data: bytes) -> None:
        """Bytes on the socket; whoever talks nonsense is disconnected and comes back."""
        try:
            for line in self.lines.feed(data):
                self.door.performer.heard("sync", decode_line(line, FromAgent, "sync.sock"), lambda _message: None)
        except Refused as refused:
            self.lines = LineBuffer(LIMITS.sync_line_bytes)
            self.door.performer.left("sync")
            self.door.performer.nonsense("sync", refused)
            self.door.performer.joined("sync")
        self.door.performer.turn()

    def say(self, kind: str, body: str) -> None:
        self.raw(json.dumps({"type": "deliver", "kind": kind, "body": body}).encode() + b"\n")

    def recorded_list(self) -> None:
        self.say("list", self.chance.choice(self.recorded))

    def altered_list(self) -> None:
        text = self.chance.choice(self.recorded)
        place = self.chance.randrange(len(text))
        self.say(
            self.chance.choice(["list", "trust", "receipt"]),
            text[:place] + self.chance.choice("Aa0.") + text[place + 1 :],
        )

    def garbage(self) -> None:
        self.raw(self.chance.randbytes(self.chance.randrange(1, 500)) + b"\n")

    def half_a_message(self) -> None:
        self.raw(b'{"type":"deliver","kind":"list","body":"')
        self.lines = LineBuffer(LIMITS.sync_line_bytes)

    def flood_of_asks(self) -> None:
        for _ in range(20):
            self.say("ask", json.dumps({"ask": self.chance.randbytes(16).hex(), "door": "hall-1"}))

    def forged_receipt(self) -> None:
        self._receipt(self.thief, 1 << 39)

    def receipt_of_another_key(self) -> None:
        self._receipt(self.town.keys["list"], 1 << 39)

    def replayed_receipt(self) -> None:
        self._receipt(self.town.keys["receipt"], 1, seq=0)

    def _receipt(self, key: object, number: int, seq: int | None = None) -> None:
        log = self.door.unit.log
        seq = log.end.seq if seq is None else seq
        receipt = Receipt(
            door="hall-1", log=log.log, seq=seq, hash=log.hash_of(seq) or GENESIS, number=number, issued=NOON
        )
        self.say("receipt", seal(canonical(receipt), RECEIPT_TYP, key).decode())  # type: ignore[arg-type]

    def strangers_trust(self) -> None:
        self.say("trust", "[" + Town().documents[0].decode() + "]")

    def command_of_a_thief(self) -> None:
        body = {"by": "x", "challenge": "ab" * 16, "door": "hall-1", "reason": "x", "until": None, "verb": "release"}
        self.say(
            "command", self.door.encrypted(seal(canonical(body), "zs-command-1", self.thief).decode(), "zs-command-1")
        )

    def link_flaps(self) -> None:
        self.raw(b'{"type":"link","up":%s}\n' % self.chance.choice([b"true", b"false"]))

    def silence(self) -> None:
        self.door.pass_time(self.chance.random())

    def deep_nesting(self) -> None:
        self.say("trust", "[" * 5_000)

    def wrong_verbs(self) -> None:
        self.raw(self.chance.choice([b'{"type":"open"}\n', b'{"type":"read","text":"ZS1:"}\n', b'{"type":"status"}\n']))


@pytest.fixture
def door(tmp_path):
    door = EnrolledUnit(tmp_path / "data", Town(), remote=("release", "attended"))
    door.deliver_list(GENUINE)
    return door


def test_a_hostile_agent_gains_delay_and_nothing_else(door):
    agent = HostileAgent(door, random.Random(7))
    asked = 0
    for turn in range(COUNT):
        agent.misbehave()
        assert door.version == GENUINE.version
        assert door.lock.releases == asked, "no wrong grant"
        if turn % 50 == 0:
            door.pass_time(10)
            door.keys(PIN)
            asked += 1
            assert door.lock.releases == asked, "no missed right one"
            door.pass_time(10)
    log = door.unit.log
    assert log.acknowledged.seq == 0
    assert [event["seq"] for event in door.events()] == list(range(1, log.end.seq + 1)), "no event forgotten"
    assert (door.trust_on_disk(), door.floors.list_version) == (1, GENUINE.version)
    door.start()
    assert door.version == GENUINE.version


def test_after_all_that_a_genuine_list_and_receipt_still_count(door):
    agent = HostileAgent(door, random.Random(8))
    for _ in range(50):
        agent.misbehave()
    door.deliver_list(msgspec.structs.replace(GENUINE, version=2_001))
    door.receipt(1, 5)
    assert (door.version, door.unit.log.acknowledged.seq) == (2_001, 1)


def test_the_thieves_pin_is_really_wrong():
    assert verifier_of(THIEVES_PIN) != verifier_of(PIN)
