"""The door's climb from one trust document to the next: attacks, rotations, power cuts. What counts is on disk."""

import pytest

from controller import disk
from controller.formats import trust_step
from controller.formats.errors import Refused
from controller.formats.jwk import make_key
from controller.trust_chain import climb
from tests.controller.enrolled_unit import EnrolledUnit, Town
from tests.controller.worlds import DAY, NOON, code_list, grant

LIST = code_list(grant("g1", pin=None), version=1_000)
NEWER = code_list(grant("g1", pin=None), version=1_001)


@pytest.fixture
def town():
    return Town()


@pytest.fixture
def door(tmp_path, town):
    return EnrolledUnit(tmp_path / "data", town)


def reasons(door: EnrolledUnit) -> list[str]:
    return [event["reason"] for event in door.events("trust") if "reason" in event]


def test_a_step_is_taken_written_down_and_recorded(door, town):
    document = town.sign_trust()
    door.deliver_trust()
    assert (door.folder / "trust.json").read_bytes() == document
    assert door.floors.trust_version == 2
    assert [event["detail"] for event in door.events("trust")] == [{"epoch": 1, "version": 2}]


@pytest.mark.parametrize("attack", ["one signature", "strangers", "old roots only", "garbage", "replayed"])
def test_no_forged_document_is_installed(door, town, attack):
    strangers = [make_key(), make_key()]
    before = (door.folder / "trust.json").read_bytes()
    forged = {
        "one signature": lambda: town.sign_trust(town.roots[:1]),
        "strangers": lambda: town.sign_trust(strangers, roots=tuple(key.verify_key.jwk() for key in strangers)),
        "old roots only": lambda: town.sign_trust(roots=tuple(key.verify_key.jwk() for key in strangers)),
        "garbage": lambda: b'{"payload":"","signatures":[]}',
        "replayed": lambda: town.documents[0],
    }[attack]()
    door.deliver_trust(forged)
    assert (door.folder / "trust.json").read_bytes() == before
    assert door.floors.trust_version == 1
    assert reasons(door) == ([] if attack == "replayed" else reasons(door)[:1])
    assert len(reasons(door)) == (attack != "replayed")


def test_a_version_left_out_is_refused_and_what_came_before_it_is_kept(door, town):
    town.sign_trust()
    third, fourth = town.sign_trust(), town.sign_trust()
    door.deliver_trust(third, fourth)
    assert (door.trust_on_disk(), reasons(door)) == (1, ["trust_gap"])
    door.deliver_trust(town.documents[1], fourth)
    assert door.trust_on_disk() == 2


def test_another_document_with_the_doors_own_version_is_a_fork(door, town):
    town.documents.clear()
    door.deliver_trust(town.sign_trust(issued=NOON))
    assert reasons(door) == ["trust_fork"]


def test_a_door_offline_across_ten_rotations_arrives_with_its_list(door, town):
    door.deliver_list(LIST)
    for _ in range(10):
        town.retire("list")
        town.sign_trust()
    door.deliver_trust()
    assert (door.trust_on_disk(), door.version) == (11, 1_000)
    door.deliver_list(NEWER)
    assert door.version == 1_001


def test_all_three_roots_are_replaced_through_an_intermediate(door, town):
    old, new = town.roots, [make_key() for _ in range(3)]
    town.roots = [old[0], new[0], new[1]]
    town.sign_trust([old[0], old[1], new[0]])
    town.roots = new
    town.sign_trust([old[0], new[0], new[1]])
    door.deliver_trust()
    assert door.trust_on_disk() == 3
    town.sign_trust(old[:2])
    door.deliver_trust()
    assert (door.trust_on_disk(), reasons(door)) == (3, ["unknown_key"])


def test_a_retired_key_signs_nothing_new_but_its_list_lives(door, town):
    door.deliver_list(LIST)
    stolen = town.keys["list"]
    town.retire("list")
    town.sign_trust()
    door.deliver_trust()
    door.deliver_list(NEWER, stolen)
    assert door.version == 1_000
    door.start()
    assert door.version == 1_000


def test_a_revoked_keys_list_dies_at_once_and_after_a_restart(door, town):
    door.deliver_list(LIST)
    town.retire("list", "revoked")
    town.sign_trust()
    door.deliver_trust()
    assert door.version is None
    door.start()
    assert door.version is None
    door.deliver_list(NEWER)
    assert door.version == 1_001


def test_fast_forward_is_undone_by_a_new_epoch(door, town):
    thief = town.keys["list"]
    far = code_list(version=(1 << 32) - 2)
    door.deliver_list(far, thief)
    door.receipt(1, (1 << 32) - 2)
    door.deliver_list(NEWER)
    assert door.version == far.version
    town.retire("list", "revoked")
    town.retire("receipt", "revoked")
    town.epoch = 2
    town.sign_trust()
    door.deliver_trust()
    assert (door.floors.list_version, door.floors.list_hash) == (0, None)
    door.deliver_list(code_list(version=2_000, epoch=2))
    door.receipt(2, NOON)
    assert (door.version, door.unit.log.acknowledged.seq) == (2_000, 2)
    door.deliver_list(far, thief)
    assert door.version == 2_000


def test_the_time_floor_counts_once_and_not_at_every_start(door, town):
    town.sign_trust(time_floor=NOON - DAY)
    door.deliver_trust()
    assert door.performer.now().floor_s >= NOON - DAY
    town.sign_trust(time_floor=NOON + DAY)
    door.deliver_trust()
    assert not door.performer.now().trusted
    door.clock.passed_ms += 2 * DAY * 1000
    door.clock.boot = "boot-2"
    door.start()
    assert door.performer.now().trusted


def test_an_older_document_put_back_on_the_card_does_not_start(door, town):
    town.sign_trust()
    door.deliver_trust()
    disk.write_trust(door.folder, town.documents[0])
    with pytest.raises(Refused, match="rolled_back"):
        door.start()


def test_a_document_altered_on_the_card_does_not_start(door):
    path = door.folder / "trust.json"
    path.write_bytes(path.read_bytes().replace(b'"protected":"ey', b'"protected":"eX', 1))
    with pytest.raises(Refused):
        door.start()


@pytest.mark.parametrize("cut", ["write_trust", "write_floors"])
def test_a_power_cut_within_a_step_leaves_one_version_or_the_other(door, town, cut, monkeypatch):
    door.deliver_list(code_list(version=5_000))
    town.retire("list", "revoked")
    town.epoch = 2
    town.sign_trust()

    def power_goes(*_arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr(f"controller.data_folder.{cut}", power_goes)
    with pytest.raises(KeyboardInterrupt):
        door.deliver_trust()
    monkeypatch.undo()
    door.start()
    if cut == "write_trust":
        assert (door.trust_on_disk(), door.version, door.floors.list_version) == (1, 5_000, 5_000)
        door.deliver_trust()
    assert (door.trust_on_disk(), door.version, door.floors.list_version) == (2, None, 0)
    door.deliver_list(code_list(version=2_000, epoch=2))
    assert door.version == 2_000


def test_expired_trust_takes_no_list_but_takes_its_successor(door, town):
    door.pass_time(299 * DAY)
    dates = {"issued": NOON + 298 * DAY, "refresh_after": NOON + 320 * DAY, "valid_until": NOON + 330 * DAY}
    expired = code_list(version=1_000, **dates)
    door.pass_time(2 * DAY)
    door.deliver_list(expired)
    assert door.version is None
    fresh = tuple(
        type(key)(jwk=key.jwk, purpose=key.purpose, state=key.state, doors=key.doors, expires=NOON + 400 * DAY)
        for key in town.trust().keys
    )
    town.sign_trust(issued=NOON + 299 * DAY, expires=NOON + 600 * DAY, keys=fresh)
    door.deliver_trust()
    door.deliver_list(expired)
    assert door.version == 1_000


def test_a_crash_in_the_gate_is_a_refusal(town, monkeypatch):
    def broken(_body):
        raise ZeroDivisionError

    monkeypatch.setattr(trust_step, "unpack", broken)
    with pytest.raises(Refused, match="gate_failed"):
        list(climb(b"[]", trust_step.open_first(town.documents[0])))
