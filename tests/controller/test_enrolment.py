"""A unit becomes a door: by the code that staff show, through an agent that nobody trusts."""

from __future__ import annotations

import json
import os
import random
from collections.abc import Callable

import pytest

from controller.door_events import HousingButton
from controller.enrolment import HELD_MS, OPEN_MS
from controller.formats import enrolment as formats
from controller.formats import trust_step
from controller.formats.encoding import b64, canonical, parse_object, unb64
from controller.formats.enrolment import Acceptance, Invitation, Request
from controller.formats.enrolment_messages import (
    AskRenewal,
    EnrolmentAnswer,
    EnrolmentFailed,
    FetchTrust,
    FoundTrust,
    SendEnrolment,
    SendRenewal,
)
from controller.formats.envelope import open_envelope
from controller.formats.errors import Refused
from controller.formats.messages import Hello
from tests.controller.enrolled_unit import DOOR, Town
from tests.controller.fresh_unit import BROKER, CSR, FreshUnit, refusals
from tests.controller.worlds import PIN, code_list, grant


@pytest.fixture
def fresh(tmp_path):
    return FreshUnit(tmp_path / "data", Town())


def test_a_unit_is_enrolled_by_the_code_that_staff_show(fresh):
    assert fresh.shown() == ("open", None)
    fresh.show()
    assert fresh.heard(FetchTrust) == [FetchTrust(hub="hub.example", trust=fresh.invitation.trust)]
    assert fresh.shown() == ("busy", None)
    fresh.bring_trust()
    request, _ = fresh.request()
    assert (request.door, request.csr, request.trust) == (DOOR, CSR, fresh.invitation.trust)
    assert "trust.json" not in fresh.kept(), "nothing is kept before the hub's answer held"
    fresh.say(EnrolmentAnswer(body=fresh.answer()))
    assert fresh.shown() == ("code", request.code)
    hello = fresh.heard(Hello)[-1]
    assert (hello.hub, hello.broker, hello.certificate) == ("hub.example", BROKER, "PEM")
    assert json.loads(fresh.kept()["event.jwk"])["x"] == request.event_key["x"]
    assert json.loads(fresh.kept()["decrypt.jwk"])["x"] == request.encrypt_key["x"]
    assert "enrolment.json" not in fresh.kept()
    assert fresh.events("trust")[-1]["detail"]["version"] == 1


def test_the_first_list_ends_the_showing_and_the_pin_opens(fresh):
    fresh.enrol()
    fresh.deliver_list(code_list(grant("g1"), version=2_000))
    assert fresh.shown() is None
    fresh.keys(f"{PIN}#")
    assert fresh.lock.released


def test_after_a_restart_it_is_still_that_door(fresh):
    fresh.enrol()
    fresh.deliver_list(code_list(grant("g1"), version=2_000))
    fresh.start()
    assert fresh.version == 2_000
    assert fresh.unit.link.hub == "hub.example"
    assert fresh.shown() is None


def test_the_code_is_random_and_told_by_light(fresh, tmp_path):
    fresh.enrol()
    _, code = fresh.shown()
    for _ in range(320):
        fresh.clock.passed_ms += 100
        fresh.performer.turn()
    assert fresh.light.count(True) >= sum(map(int, code))
    codes = set()
    for number in range(4):
        other = FreshUnit(tmp_path / f"other-{number}", fresh.town)
        other.enrol()
        codes.add(other.shown())
    assert len(codes) > 2


# ---- who may begin


def test_an_enrolled_unit_reads_no_enrolment_code(fresh):
    fresh.enrol()
    told = len(fresh.heard(FetchTrust))
    fresh.show(fresh.invite(secret=b"9876543210").text())
    assert len(fresh.heard(FetchTrust)) == told
    assert not refusals(fresh), "foreign: not counted, not parsed"


def test_the_housing_button_held_opens_it_for_ten_minutes(fresh):
    fresh.enrol()
    fresh.invitation = fresh.invite(secret=b"9876543210")
    told = len(fresh.heard(FetchTrust))
    fresh.performer.feed(HousingButton(True))
    fresh.pass_time(HELD_MS / 1000 - 0.1)
    fresh.show()
    assert len(fresh.heard(FetchTrust)) == told, "pressed is not held"
    fresh.pass_time(0.2)
    assert fresh.events("trust")[-1]["reason"] == "enrolment_open"
    fresh.performer.feed(HousingButton(False))
    fresh.clock.passed_ms += 4_000
    fresh.show()
    assert len(fresh.heard(FetchTrust)) == told + 1
    fresh.pass_time(OPEN_MS / 1000 + 1)
    fresh.show(fresh.invite(secret=b"abcdefghij").text())
    assert len(fresh.heard(FetchTrust)) == told + 1


def test_a_unit_enrolled_anew_has_new_keys_and_forgets_its_lists(fresh):
    fresh.enrol()
    fresh.deliver_list(code_list(grant("g1"), version=2_000))
    before = fresh.kept()
    fresh.performer.feed(HousingButton(True))
    fresh.pass_time(HELD_MS / 1000 + 0.1)
    fresh.invitation = fresh.invite(secret=b"9876543210")
    fresh.enrol()
    after = fresh.kept()
    assert before["event.jwk"] != after["event.jwk"]
    assert before["decrypt.jwk"] != after["decrypt.jwk"]
    assert not [name for name in after if name.startswith("list-")]
    assert fresh.version is None
    fresh.deliver_list(code_list(grant("g2"), version=1_000))
    assert fresh.version == 1_000, "another town's numbers count from its own beginning"


# ---- what is refused


def test_a_code_for_another_door(fresh):
    fresh.show(fresh.invite(door="hall-2").text())
    assert fresh.shown() == ("refused", "wrong_door")
    assert refusals(fresh) == ["wrong_door"]
    assert not fresh.heard(FetchTrust)


def test_a_code_that_is_none(fresh):
    fresh.show("ZSE1:NONSENSE")
    assert refusals(fresh) == ["malformed"]


def test_another_trust_document_than_the_code_names(fresh):
    fresh.show()
    fresh.bring_trust(Town().documents[0])
    assert refusals(fresh) == ["wrong_trust"]
    assert not fresh.heard(SendEnrolment)


def test_a_document_that_too_few_have_signed(fresh):
    town = Town()
    town.documents = [trust_step.sign(canonical(town.trust(version=1)), town.roots[:1])]
    hash_ = trust_step.trust_hash(trust_step.payload_of(town.documents[0]))
    fresh.invitation = Invitation(hash_, b"0123456789", DOOR, "hub.example")
    fresh.show()
    fresh.bring_trust(town.documents[0])
    assert refusals(fresh) == ["bad_threshold"]


def test_the_agent_cannot_swap_keys_or_its_request(fresh):
    """It can encrypt to the hub, like anybody; it has no secret to authenticate with."""
    fresh.show()
    fresh.bring_trust()
    request, _ = fresh.request()
    own = b"\0" * 32
    forged = formats.seal_request(
        Request(**{name: getattr(request, name) for name in request.__struct_fields__} | {"csr": "the agent's own"}),
        own,
    )
    with pytest.raises(Refused, match="bad_mac"):
        formats.open_request(forged, fresh.invitation.mac_key())


@pytest.mark.parametrize(
    ("changes", "reason"), [({"request": "00" * 32}, "wrong_request"), ({"door": "hall-2"}, "wrong_door")]
)
def test_an_answer_to_somebody_else(fresh, changes, reason):
    fresh.show()
    fresh.bring_trust()
    fresh.say(EnrolmentAnswer(body=fresh.answer(**changes)))
    assert refusals(fresh) == [reason]
    assert "trust.json" not in fresh.kept()


@pytest.mark.parametrize("member", ["broker", "certificate", "door", "request"])
def test_the_agent_cannot_swap_anything_in_the_answer(fresh, member):
    fresh.show()
    fresh.bring_trust()
    sealed = parse_object(fresh.answer().encode(), "answer")
    payload = parse_object(unb64(sealed["payload"], "payload"), "payload")
    payload[member] = {"host": "evil.example", "port": 1} if member == "broker" else "ff" * 32
    body = canonical({**sealed, "payload": b64(canonical(payload))}).decode()
    fresh.say(EnrolmentAnswer(body=body))
    assert refusals(fresh) == ["bad_mac"]
    assert "trust.json" not in fresh.kept()
    fresh.clock.passed_ms += 4_000
    fresh.show()
    fresh.bring_trust()
    fresh.say(EnrolmentAnswer(body=fresh.answer()))
    assert fresh.shown()[0] == "code", "and the true answer still counts"


def test_what_nobody_asked_for(fresh):
    fresh.bring_trust()
    fresh.say(EnrolmentAnswer(body="{}"))
    fresh.say(EnrolmentFailed(reason="whatever"))
    assert set(refusals(fresh)) <= {"unasked", "whatever"}
    assert "trust.json" not in fresh.kept()


def test_a_second_try_with_the_same_code_is_the_same_request(fresh):
    """Another one would be a second use of the code, and void both."""
    fresh.show()
    fresh.bring_trust()
    fresh.say(EnrolmentFailed(reason="hub_unreachable"))
    assert fresh.shown() == ("refused", "hub_unreachable")
    fresh.clock.passed_ms += 4_000
    fresh.show()
    fresh.bring_trust(csr="another")
    first, second = fresh.heard(SendEnrolment)
    assert first == second


def test_one_code_before_the_camera_is_one_attempt(fresh):
    for _ in range(20):
        fresh.show()
        fresh.clock.passed_ms += 100
    assert len(fresh.heard(FetchTrust)) == 1


# ---- renewal


def test_a_renewal_is_signed_with_the_event_key_and_not_often(fresh):
    fresh.enrol()
    fresh.say(AskRenewal(csr=CSR, serial="1f"))
    fresh.say(AskRenewal(csr=CSR, serial="1f"))
    (sent,) = fresh.heard(SendRenewal)
    key = fresh.unit.signer.verify_key
    opened = open_envelope(sent.body.encode(), formats.RENEWAL_TYP, {key.thumbprint: key}, max_bytes=formats.MAX_BYTES)
    renewal = formats.parse_renewal(opened.payload)
    assert (renewal.csr, renewal.door, renewal.serial) == (CSR, DOOR, "1f")
    fresh.pass_time(61)
    fresh.say(AskRenewal(csr=CSR, serial="1f"))
    assert len(fresh.heard(SendRenewal)) == 2


def test_a_unit_that_is_no_door_renews_nothing(fresh):
    fresh.say(AskRenewal(csr=CSR, serial=None))
    assert not fresh.heard(SendRenewal)


def test_a_certificate_that_has_expired_keeps_nobody_out(fresh):
    """The controller does not look at it; the agent has no link then, and the door opens as ever."""
    fresh.show()
    fresh.bring_trust()
    fresh.say(EnrolmentAnswer(body=fresh.answer(certificate="a certificate of ten years ago")))
    fresh.deliver_list(code_list(grant("g1"), version=2_000))
    fresh.performer.left("sync")
    fresh.keys(f"{PIN}#")
    assert fresh.lock.released


# ---- a hostile agent


class HostileAgent:
    """Everything that somebody with the agent's account can say while staff try to enrol the unit. He has the trust
    documents, whatever went over the wire, and an answer that the hub gave to another unit of the town."""

    def __init__(self, unit: FreshUnit, other: FreshUnit, chance: random.Random) -> None:
        self.unit, self.chance = unit, chance
        other.show()
        other.bring_trust()
        self.others_answer = other.answer()
        self.strangers = Town().documents[0].decode()
        self.own_key = b"\7" * 32
        self.tricks: list[Callable[[], None]] = [
            self.true_trust, self.strangers_trust, self.altered_trust, self.answer_of_another, self.forged_answer,
            self.request_as_answer, self.altered_answer, self.failure, self.renewals, self.silence,
        ]  # fmt: skip

    def misbehave(self) -> None:
        self.chance.choice(self.tricks)()

    def true_trust(self) -> None:
        self.unit.bring_trust(csr=self.chance.choice([CSR, "the agent's own", "x"]))

    def strangers_trust(self) -> None:
        self.unit.say(FoundTrust(document=self.strangers, csr=CSR))

    def altered_trust(self) -> None:
        self.unit.say(FoundTrust(document=self.altered(self.unit.town.documents[0].decode()), csr=CSR))

    def answer_of_another(self) -> None:
        self.unit.say(EnrolmentAnswer(body=self.others_answer))

    def forged_answer(self) -> None:
        own = Acceptance(broker=BROKER, certificate="his own", door=DOOR, request="00" * 32)
        self.unit.say(EnrolmentAnswer(body=formats.seal_answer(own, self.own_key).decode()))

    def request_as_answer(self) -> None:
        for sent in self.unit.heard(SendEnrolment)[-1:]:
            self.unit.say(EnrolmentAnswer(body=sent.body))

    def altered_answer(self) -> None:
        self.unit.say(EnrolmentAnswer(body=self.altered(self.others_answer)))

    def failure(self) -> None:
        self.unit.say(EnrolmentFailed(reason=self.chance.choice(["expired", "whatever"])))

    def renewals(self) -> None:
        self.unit.say(AskRenewal(csr="his own", serial=self.chance.choice([None, "1f"])))

    def silence(self) -> None:
        self.unit.clock.passed_ms += self.chance.randrange(5_000)
        self.unit.performer.turn()

    def altered(self, text: str) -> str:
        place = self.chance.randrange(len(text))
        return text[:place] + self.chance.choice('Aa0."}') + text[place + 1 :]


def test_a_hostile_agent_at_enrolment_gains_delay_and_nothing_else(tmp_path):
    town = Town()
    unit = FreshUnit(tmp_path / "unit", town)
    agent = HostileAgent(unit, FreshUnit(tmp_path / "other", town), random.Random(5))
    for number in range(int(os.environ.get("ZS_MISBEHAVIOURS", "400")) // 2):
        if number % 7 == 0:
            unit.clock.passed_ms += 4_000
            unit.show()
        agent.misbehave()
        assert "trust.json" not in unit.kept()
        assert not unit.heard(SendRenewal)
    unit.clock.passed_ms += 4_000
    unit.show()
    unit.bring_trust()
    unit.say(EnrolmentAnswer(body=unit.answer()))
    unit.deliver_list(code_list(grant("g1"), version=2_000))
    unit.keys(f"{PIN}#")
    assert unit.lock.released
