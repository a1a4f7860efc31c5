"""Lists encrypted to the door, batches to the collector: what somebody with a broker and many lists can do."""

import pytest

from controller.disk import list_path
from controller.formats import code_list as formats
from controller.formats import jwe
from controller.formats.errors import Refused
from controller.formats.event import BATCH_TYP, parse_batch
from controller.formats.limits import LIMITS
from tests.controller.enrolled_unit import EnrolledUnit, Town
from tests.controller.worlds import PIN, code_list, grant

LIST = code_list(grant("g1"), version=1_000)


@pytest.fixture
def door(tmp_path):
    return EnrolledUnit(tmp_path / "data", Town())


def refusals(door: EnrolledUnit) -> list[str]:
    return [event["reason"] for event in door.events("list") if "reason" in event]


def lists_on_disk(door: EnrolledUnit) -> int:
    return len(list(door.folder.glob("list-*")))


def test_a_list_rests_on_disk_as_it_came_and_is_judged_again(door):
    door.deliver_list(LIST)
    rests = list_path(door.folder, door.floors.list_hash).read_bytes()
    assert jwe.decrypt(rests.decode(), formats.TYP, door.unit._decrypt_key, max_bytes=len(rests))
    door.start()
    assert door.version == 1_000


def test_a_signed_list_in_clear_is_refused(door):
    door.deliver("list", door.town.sealed(LIST))
    assert (door.version, refusals(door), lists_on_disk(door)) == (None, ["not_encrypted"], 0)


def test_another_doors_list_wrapped_again_for_this_one_is_refused(door):
    theirs = code_list(grant("g1"), version=1_000, door="hall-2")
    door.deliver_list(theirs)
    assert (door.version, refusals(door), lists_on_disk(door)) == (None, ["wrong_door"], 0)


def test_a_list_encrypted_to_another_door_does_not_open(door):
    other = jwe.make_key().encrypt_key
    door.deliver("list", jwe.encrypt(door.town.sealed(LIST).encode(), formats.TYP, other))
    assert (refusals(door), lists_on_disk(door)) == (["wrong_recipient"], 0)


def test_what_anybody_encrypts_without_signing_is_nothing(door):
    door.deliver("list", door.encrypted(formats.dump(LIST).decode()))
    assert (refusals(door), lists_on_disk(door)) == (["bad_members"], 0)


def test_a_batch_passed_off_as_a_list_is_refused(door):
    door.deliver("list", door.encrypted(door.town.sealed(LIST), BATCH_TYP))
    assert refusals(door) == ["wrong_type"]


def test_movements_leave_encrypted_to_the_collector(door):
    door.deliver_list(LIST)
    door.keys(PIN)
    body = door.batches()[-1].body
    assert not any(word in body for word in ("granted", "hall-1", door.unit.log.log))
    data = jwe.decrypt(body, BATCH_TYP, door.town.collect_key, max_bytes=LIMITS.sealed_batch_bytes)
    assert parse_batch(data).records


def test_without_a_collector_nothing_leaves(tmp_path):
    town = Town()
    town.documents.clear()
    town.sign_trust(keys=tuple(key for key in town.trust().keys if key.purpose != "collect"))
    door = EnrolledUnit(tmp_path / "data", town)
    door.deliver_list(LIST)
    assert (door.batches(), door.version) == ([], 1_000)


def test_the_decryption_key_stays_in_its_file(door):
    secret = door.unit._decrypt_key.secret
    assert (door.folder / "decrypt.jwk").stat().st_mode & 0o777 == 0o600
    assert not any(secret in repr(message) for _, message in door.told)
    with pytest.raises(Refused, match="wrong_recipient"):
        jwe.decrypt(door.encrypted("x"), formats.TYP, jwe.make_key(), max_bytes=1_000)
