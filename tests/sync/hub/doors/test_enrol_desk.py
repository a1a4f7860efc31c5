"""Enrolment at the hub, with the units' own code at the other end: what counts, and everything that is refused."""

from __future__ import annotations

import shutil
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from sqlalchemy import select

from controller.formats import enrolment as formats
from controller.formats import jwe
from controller.formats.encoding import b64, canonical, parse_object, unb64
from controller.formats.enrolment import Invitation, RenewalRequest
from controller.formats.envelope import seal
from controller.formats.errors import Refused
from controller.formats.jwk import make_key
from sync.agent.enrol_identity import Identity
from sync.hub.doors.enrol_models import DoorCertificate, Enrolment, ShutDoor
from sync.hub.doors.readers import DoorReaders
from sync.hub.keys.link_keys import LinkKeys
from sync.hub.records.log_store import LogStore
from sync.hub.store.database import reading
from sync.hub.store.models import Door
from tests.sync.hub.enrolling import HUB, NOW, Town, UnitAtTheDoor, make_town

HOUR = timedelta(hours=1)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return make_town(tmp_path_factory.mktemp("hub"))


@pytest.fixture
def town(made, tmp_path):
    return Town(Path(shutil.copytree(made, tmp_path / "hub")))


@pytest.fixture
def unit(tmp_path, town):
    return UnitAtTheDoor(tmp_path / "unit", town)


def event_key(town: Town, door: str = "a-1") -> object:
    with reading(town.sessions).begin() as session:
        return session.get_one(Door, door).event_key


def has_reader(town: Town, door: str = "a-1") -> bool:
    try:
        DoorReaders(town.sessions).of(door)
    except Refused:
        return False
    return True


def revoked(town: Town) -> set[str]:
    with reading(town.sessions).begin() as session:
        return set(session.scalars(select(DoorCertificate.serial).where(DoorCertificate.revoked_at.is_not(None))))


def shut(town: Town) -> set[str]:
    with reading(town.sessions).begin() as session:
        return set(session.scalars(select(ShutDoor.door)))


def serial(unit: UnitAtTheDoor) -> str:
    life = unit.identity.life()
    assert life is not None
    return life.serial


def altered(town: Town, body: str, member: str, value: object) -> str:
    """A request that an agent changed, which somehow can read it, and encrypted again."""
    sealed = parse_object(LinkKeys.load(town.keys).read(body, formats.TYP, max_bytes=1 << 16), "request")
    members = parse_object(unb64(sealed["payload"], "payload"), "payload") | {member: value}
    data = canonical({**sealed, "payload": b64(canonical(members))})
    return jwe.encrypt(data, formats.TYP, LinkKeys.load(town.keys).collect_key.encrypt_key)


def test_nothing_counts_before_staff_confirmed_what_they_see(town, unit):
    unit.enrol(town.desk.invite("a-1", HUB, NOW))
    assert (event_key(town), has_reader(town)) == (None, False), "no list goes out, nothing it says is believed"
    town.desk.confirm("a-1", unit.code, NOW)
    assert event_key(town) == unit.enrolled.event_key.verify_key.jwk()
    assert has_reader(town)
    certificate = x509.load_pem_x509_certificate(unit.enrolled.link.certificate.encode())
    assert certificate.subject.rfc4514_string() == "CN=a-1"
    assert timedelta(days=90) < certificate.not_valid_after_utc - certificate.not_valid_before_utc < timedelta(days=91)


def test_the_secret_is_kept_as_a_hash_and_sealed(town):
    invitation = town.desk.invite("a-1", HUB, NOW)
    with reading(town.sessions).begin() as session:
        row = session.scalars(select(Enrolment)).one()
    for secret in (invitation.secret, invitation.mac_key()):
        assert secret not in row.sealed_key


def test_the_same_request_again_gets_the_same_answer(town, unit):
    """An answer may be lost on the way."""
    body = unit.read(town.desk.invite("a-1", HUB, NOW))
    assert town.desk.enrol(body, NOW) == town.desk.enrol(body, NOW + HOUR / 2)
    unit.take(town.desk.enrol(body, NOW + 2 * HOUR))
    town.desk.confirm("a-1", unit.code, NOW)


# ---- reused, expired, wrong door, tampered


@pytest.mark.parametrize("confirmed", [False, True])
def test_a_second_use_is_refused_and_revokes_the_first(tmp_path, town, unit, confirmed):
    invitation = town.desk.invite("a-1", HUB, NOW)
    unit.enrol(invitation)
    if confirmed:
        town.desk.confirm("a-1", unit.code, NOW)
    other = UnitAtTheDoor(tmp_path / "other", town)
    with pytest.raises(Refused, match="reused"):
        other.enrol(invitation, NOW + HOUR / 2)
    assert revoked(town) == {serial(unit)}
    assert shut(town) == {"a-1"}
    assert (event_key(town), has_reader(town)) == (None, False)
    with pytest.raises(Refused, match="nothing_to_confirm"):
        town.desk.confirm("a-1", unit.code, NOW)
    with pytest.raises(Refused, match="reused"):
        UnitAtTheDoor(tmp_path / "third", town).enrol(invitation, NOW + HOUR / 2)
    assert "enrolment_reused" in {each.code for each in LogStore(town.sessions).incidents("a-1")}


def test_a_thief_who_was_first_has_nothing_and_the_true_unit_can_be_enrolled(tmp_path, town, unit):
    """Somebody photographed the code and was quicker. Staff see no code at the unit, and make another QR."""
    invitation = town.desk.invite("a-1", HUB, NOW)
    thief = UnitAtTheDoor(tmp_path / "thief", town)
    thief.enrol(invitation)
    with pytest.raises(Refused, match="reused"):
        unit.enrol(invitation)
    again = UnitAtTheDoor(tmp_path / "again", town)
    again.enrol(town.desk.invite("a-1", HUB, NOW))
    town.desk.confirm("a-1", again.code, NOW)
    assert event_key(town) == again.enrolled.event_key.verify_key.jwk()
    assert revoked(town) == {serial(thief)}
    assert shut(town) == set()


def test_a_code_is_good_for_an_hour(town, unit):
    body = unit.read(town.desk.invite("a-1", HUB, NOW))
    with pytest.raises(Refused, match="expired"):
        town.desk.enrol(body, NOW + HOUR + timedelta(seconds=1))
    assert (revoked(town), shut(town)) == (set(), set())


def test_a_newer_code_voids_one_that_nobody_used(town, unit):
    body = unit.read(town.desk.invite("a-1", HUB, NOW))
    town.desk.invite("a-1", HUB, NOW)
    with pytest.raises(Refused, match="replaced"):
        town.desk.enrol(body, NOW)


def test_a_code_of_another_door(tmp_path, town):
    """The unit refuses it itself; one that does not gets nowhere."""
    invitation = town.desk.invite("a-1", HUB, NOW)
    lying = UnitAtTheDoor(tmp_path / "lying", town, "b-1")
    body = lying.read(Invitation(invitation.trust, invitation.secret, "b-1", HUB))
    with pytest.raises(Refused, match="unknown_invitation"):
        town.desk.enrol(body, NOW)
    town.desk.invite("b-1", HUB, NOW)
    with pytest.raises(Refused, match="bad_mac"):
        town.desk.enrol(body, NOW)


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("code", "1111"),
        ("csr", "the agent's own"),
        ("door", "b-1"),
        ("encrypt_key", jwe.make_key().encrypt_key.jwk()),
        ("event_key", make_key().verify_key.jwk()),
        ("nonce", "00" * 16),
        ("trust", "00" * 16),
    ],
)
def test_a_request_altered_in_any_member_is_refused_and_costs_nothing(town, unit, member, value):
    body = unit.read(town.desk.invite("a-1", HUB, NOW))
    with pytest.raises(Refused, match=r"bad_mac|unknown_invitation"):
        town.desk.enrol(altered(town, body, member, value), NOW)
    unit.take(town.desk.enrol(body, NOW))


def test_a_photograph_and_the_agent_together_bring_no_code_to_the_unit(tmp_path, town, unit):
    """With the secret a thief can enrol keys of his own. But to have the true unit show a code he would have to answer
    it, and an answer names what he cannot read: the request that went out encrypted to the hub."""
    invitation = town.desk.invite("a-1", HUB, NOW)
    held_back = unit.read(invitation)
    thief = UnitAtTheDoor(tmp_path / "thief", town)
    body = thief.read(invitation)
    answer = town.desk.enrol(body, NOW)
    with pytest.raises(Refused, match="wrong_request"):
        unit.take(answer)
    assert unit.code == ""
    with pytest.raises(Refused, match="wrong_code"):
        town.desk.confirm("a-1", "0000", NOW)
    assert not has_reader(town)
    with pytest.raises(Refused, match="reused"):
        town.desk.enrol(held_back, NOW)


def test_three_wrong_codes_void_the_enrolment(town, unit):
    unit.enrol(town.desk.invite("a-1", HUB, NOW))
    wrong = "1111" if unit.code != "1111" else "2222"
    for _ in range(3):
        with pytest.raises(Refused, match="wrong_code"):
            town.desk.confirm("a-1", wrong, NOW)
    with pytest.raises(Refused, match="nothing_to_confirm"):
        town.desk.confirm("a-1", unit.code, NOW)
    assert revoked(town) == {serial(unit)}


def test_a_unit_that_nobody_confirmed_within_a_day_is_nobodys(town, unit):
    unit.enrol(town.desk.invite("a-1", HUB, NOW))
    town.desk.tidy(NOW + 23 * HOUR)
    assert revoked(town) == set()
    town.desk.tidy(NOW + 25 * HOUR)
    assert revoked(town) == {serial(unit)}


@pytest.mark.parametrize(
    "csr", ["nonsense", "-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END CERTIFICATE REQUEST-----\n"]
)
def test_a_certificate_request_that_is_none(town, tmp_path, csr, monkeypatch):
    unit = UnitAtTheDoor(tmp_path / "odd", town)
    monkeypatch.setattr(Identity, "request", lambda _self, _door: csr)
    with pytest.raises(Refused, match="bad_csr"):
        unit.enrol(town.desk.invite("a-1", HUB, NOW))


def test_what_is_not_encrypted_to_this_hub(town):
    with pytest.raises(Refused, match="not_encrypted"):
        town.desk.enrol("{}", NOW)
    stranger = jwe.encrypt(b"{}", formats.TYP, jwe.make_key().encrypt_key)
    with pytest.raises(Refused, match="wrong_recipient"):
        town.desk.enrol(stranger, NOW)


# ---- a unit is replaced


def test_the_new_unit_ends_the_old_one_when_it_is_confirmed(tmp_path, town, unit):
    unit.enrol(town.desk.invite("a-1", HUB, NOW))
    town.desk.confirm("a-1", unit.code, NOW)
    new = UnitAtTheDoor(tmp_path / "new", town)
    new.enrol(town.desk.invite("a-1", HUB, NOW))
    assert event_key(town) == unit.enrolled.event_key.verify_key.jwk(), "until then the old one is the door"
    town.desk.confirm("a-1", new.code, NOW)
    assert event_key(town) == new.enrolled.event_key.verify_key.jwk()
    assert revoked(town) == {serial(unit)}


def test_a_replacement_that_fails_leaves_the_old_unit_alone(tmp_path, town, unit):
    unit.enrol(town.desk.invite("a-1", HUB, NOW))
    town.desk.confirm("a-1", unit.code, NOW)
    new = UnitAtTheDoor(tmp_path / "new", town)
    new.enrol(town.desk.invite("a-1", HUB, NOW))
    town.desk.tidy(NOW + 25 * HOUR)
    assert revoked(town) == {serial(new)}
    assert event_key(town) == unit.enrolled.event_key.verify_key.jwk()
    assert shut(town) == set()


# ---- renewal


@pytest.fixture
def door(town, unit):
    unit.enrol(town.desk.invite("a-1", HUB, NOW))
    town.desk.confirm("a-1", unit.code, NOW)
    return unit


def renewed(answer: bytes) -> str:
    return str(parse_object(answer, "answer")["certificate"])


def test_a_certificate_is_renewed_by_the_event_key_and_repeated_alike(town, door):
    before, body = serial(door), door.renewal()
    first = town.desk.renew(body, NOW + 60 * 24 * HOUR)
    assert town.desk.renew(body, NOW + 60 * 24 * HOUR) == first, "the answer was lost"
    assert door.identity.take(renewed(first))
    assert serial(door) != before
    assert door.identity.take(renewed(town.desk.renew(door.renewal(), NOW + 120 * 24 * HOUR)))


def test_two_renewals_from_one_state_are_a_clone(tmp_path, town, door):
    """Somebody copied the card: keys, certificate and all."""
    copied = tmp_path / "copy"
    copied.mkdir()
    shutil.copy(tmp_path / "unit" / "agent.pem", copied)
    town.desk.renew(door.renewal(), NOW)
    with pytest.raises(Refused, match="clone_suspected"):
        town.desk.renew(door.renewal(Identity(copied / "agent.pem", None)), NOW)
    assert "clone_suspected" in {each.code for each in LogStore(town.sessions).incidents("a-1")}


def test_an_agent_that_lost_its_files_gets_a_new_certificate(tmp_path, town, door):
    empty = Identity(tmp_path / "empty.pem", None)
    assert empty.life() is None
    empty.request("a-1")
    certificate = renewed(town.desk.renew(door.renewal(empty), NOW))
    assert empty.take(certificate)


def test_an_expired_certificate_can_still_be_renewed(town, door):
    assert renewed(town.desk.renew(door.renewal(), NOW + 400 * 24 * HOUR))


def test_who_may_not_renew(town, unit, door):
    request = RenewalRequest(csr=door.identity.request("a-1"), door="a-1", serial=serial(door))
    with pytest.raises(Refused, match="unknown_key"):
        town.desk.renew(seal(canonical(request), formats.RENEWAL_TYP, make_key()), NOW)
    other = RenewalRequest(csr=door.identity.request("a-1"), door="b-1", serial=None)
    with pytest.raises(Refused, match="not_enrolled"):
        town.desk.renew(seal(canonical(other), formats.RENEWAL_TYP, door.enrolled.event_key), NOW)
    with pytest.raises(Refused, match="wrong_type"):
        town.desk.renew(seal(canonical(request), "zs-state-1", door.enrolled.event_key), NOW)


def test_a_revoked_door_renews_nothing_and_is_forgotten(town, door):
    town.desk.revoke("a-1", NOW)
    assert revoked(town) == {serial(door)}
    assert (event_key(town), has_reader(town), shut(town)) == (None, False, {"a-1"})
    with pytest.raises(Refused, match="not_enrolled"):
        town.desk.renew(door.renewal(), NOW)


def test_doors_that_are_not_there(town):
    for call in (
        lambda: town.desk.invite("c-9", HUB, NOW),
        lambda: town.desk.confirm("c-9", "1111", NOW),
        lambda: town.desk.revoke("c-9", NOW),
    ):
        with pytest.raises(Refused, match="not_found"):
            call()
    with pytest.raises(Refused, match="names_too_long"):
        town.desk.invite("a-1", "h" * 39, NOW)
