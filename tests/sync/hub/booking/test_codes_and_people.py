"""Codes over their life: shown in time, replaced, shared out, withdrawn; on SQLite and PostgreSQL."""

import itertools
from datetime import UTC, datetime

import pytest
from sqlalchemy import func, select

from controller.formats.errors import Refused
from controller.formats.jwk import make_key
from sync.hub.booking.occurrences import Hours
from sync.hub.store.models import ApiEntry, Door, PinMark
from sync.hub.town.town_file import read_town
from tests.sync.hub.conftest import DAY, HOUR, NOW, ROOM_A, TOWN, codes_of, opens, report, wish

INSIDE = NOW + 2 * HOUR


def test_rotate_gives_new_codes_and_kills_the_old_ones(service, list_of):
    """R002-23: grant and window stay, the old code is dead in the next list."""
    before, _ = service.put("booking", "R-1", wish(), NOW)
    after = service.rotate("booking", "R-1", NOW + 60)
    assert (after.grant, after.openings) == (before.grant, before.openings)
    assert set(codes_of(before)).isdisjoint(codes_of(after))
    for door in ("front", "a-1"):
        assert opens(list_of(door), codes_of(before)[0], INSIDE) is None
        assert opens(list_of(door), codes_of(after)[0], INSIDE) == before.grant
        assert len(list_of(door).grants[0].qrs) == 1


def test_it_is_told_where_an_old_code_may_still_open(service, list_of):
    """X-14: per door, until that door has the new list."""
    service.put("booking", "R-1", wish(), NOW)
    version = list_of("a-1").version
    service.door_reported("a-1", report("a-1", version), NOW)
    service.rotate("booking", "R-1", NOW + 60)
    delivered = service.get("booking", "R-1", NOW + 60).delivered
    assert delivered["a-1"].status == "queued"
    assert delivered["a-1"].live_until == version + 21 * DAY
    assert delivered["front"].live_until is None  # it never said that it has any list
    service.door_reported("a-1", report("a-1", list_of("a-1").version), NOW + 90)
    assert service.get("booking", "R-1", NOW + 90).delivered["a-1"].live_until is None


def test_three_people_of_one_grant_and_one_leaves(service, list_of):
    """R002-05: further codes under one grant, each revocable alone."""
    first, _ = service.put("booking", "R-1", wish(), NOW)
    _, second_id = service.add_credential("booking", "R-1", "pin", "h-2", NOW)
    third, third_id = service.add_credential("booking", "R-1", "qr", "h-3", NOW)
    pins = {each.id: each.pin for each in third.credentials if each.pin}
    assert len(pins) == 2
    assert [each.holder for each in third.credentials if each.id == third_id] == ["h-3"]
    service.revoke("booking", "R-1", second_id, NOW + 5)
    assert opens(list_of("a-1"), pins[second_id], INSIDE) is None
    assert opens(list_of("a-1"), codes_of(first)[0], INSIDE) == first.grant
    assert len(list_of("a-1").grants[0].qrs) == 2
    with pytest.raises(Refused, match="not_found"):
        service.revoke("booking", "R-1", second_id, NOW + 6)


def test_reveal_waits_for_its_time_and_is_recorded(service, sessions):
    """R004-01 for N = 0, 2, 7 and for a booking made inside N; R002-07: each reveal is logged."""
    start = NOW + 10 * DAY
    for days, ref in ((0, "R-0"), (2, "R-2"), (7, "R-7")):
        late = wish(start=start + days * HOUR, until=start + days * HOUR + 60, reveal_s=days * DAY)
        answer, _ = service.put("booking", ref, late, NOW)
        assert all((each.pin or each.qr) is not None for each in answer.credentials) == (days == 0)
        due = NOW if days == 0 else start + days * HOUR - days * DAY
        assert {each.reveal_at for each in answer.credentials} == {due}
        if days:
            with pytest.raises(Refused, match="not_yet"):
                service.reveal("booking", ref, due - 1)
        assert all(codes_of(service.reveal("booking", ref, due)))
    inside, _ = service.put("booking", "R-near", wish(reveal_s=7 * DAY), NOW)
    assert all(codes_of(inside))
    with sessions.begin() as session:
        refs = session.scalars(select(ApiEntry.ref).where(ApiEntry.action == "revealed").order_by(ApiEntry.id)).all()
    assert sorted(refs) == ["R-0", "R-0", "R-2", "R-7", "R-near"]


def test_the_rooms_reveal_holds_where_a_reservation_names_none(service):
    """R004-01: two days by default."""
    start = NOW + 10 * DAY
    answer, _ = service.put("booking", "R-1", wish(start=start, until=start + HOUR, reveal_s=None), NOW)
    assert {each.reveal_at for each in answer.credentials} == {start - 2 * DAY}


def test_a_stolen_unit_costs_every_pin_it_could_check(service, list_of, sessions):
    """X-12: one command; new salt, new group key, new PINs, also for further people."""
    first, _ = service.put("booking", "R-1", wish(), NOW)
    service.add_credential("booking", "R-1", "pin", "h-2", NOW)
    second, _ = service.put("booking", "R-2", wish(start=NOW + 5 * HOUR, until=NOW + 6 * HOUR), NOW)
    other, _ = service.put("booking", "R-3", wish(rooms=("B",)), NOW)
    before = list_of("a-1")
    old = {each.pin for each in service.reveal("booking", "R-1", NOW).credentials if each.pin}
    old |= {each.pin for each in second.credentials if each.pin}
    service.rekey("a-1", NOW + 60)
    after = list_of("a-1")
    assert after.pin_kdf.salt != before.pin_kdf.salt
    assert {key.key for key in after.pass_keys}.isdisjoint(key.key for key in before.pass_keys)
    assert all(opens(list_of("front"), each, INSIDE) is None for each in old)
    renewed = [each for each in service.reveal("booking", "R-1", NOW + 61).credentials if each.pin]
    assert {each.holder for each in renewed} == {None, "h-2"}
    assert all(opens(after, each.pin, INSIDE) == first.grant for each in renewed)
    assert opens(list_of("b-1"), codes_of(other)[0], INSIDE) == other.grant


def test_any_two_pins_of_a_set_are_two_digits_apart(service, sessions):
    """R002-04: kept by the database, whoever draws."""
    pins = []
    for number in range(12):
        start = NOW + number * 2 * DAY
        answer, _ = service.put("booking", f"R-{number}", wish(start=start, until=start + HOUR), NOW)
        pins.append(codes_of(answer)[0])
    for left, right in itertools.combinations(pins, 2):
        assert sum(a != b for a, b in zip(left, right, strict=True)) >= 2
    with sessions.begin() as session:
        assert session.scalar(select(func.count()).select_from(PinMark)) == 12 * 8
    service.due(NOW + 60 * DAY)
    with sessions.begin() as session:
        assert session.scalar(select(func.count()).select_from(PinMark)) == 0


def test_no_more_live_pins_than_the_set_was_made_for(service):
    """X-11: six digits carry one live PIN at a door; the second one is an answer, not a weaker door."""
    town = TOWN.replace("live = 17", "live = 1\ntries = 10").replace('entrances = ["front"]', "entrances = []")
    with pytest.raises(Refused, match="pin_length_fixed"):
        service.apply(read_town(town), NOW)
    for number in range(17):
        service.put("booking", f"R-{number}", wish(share_group="fair"), NOW)
    with pytest.raises(Refused) as refused:
        service.put("booking", "R-17", wish(share_group="fair"), NOW)
    assert refused.value.code == "pin_space_low"
    # A QR needs no PIN, and another day has room.
    service.put("booking", "R-18", wish(share_group="fair", methods=("qr",)), NOW)
    service.put("booking", "R-19", wish(start=NOW + 2 * DAY, until=NOW + 2 * DAY + HOUR), NOW)


def test_a_long_rental_changes_its_code_and_overlaps_for_a_week(service, list_of):
    """R004-20: weekly hours, forced rotation within 90 days, both codes open for 7 days, then the old one does not."""
    first_day = datetime.fromtimestamp(NOW + DAY, UTC).date()
    last_day = datetime.fromtimestamp(NOW + 200 * DAY, UTC).date()
    weekdays = {day: [["08:00", "18:00"]] for day in ("mon", "tue", "wed", "thu", "fri")}
    hours = Hours(first_day.isoformat(), last_day.isoformat(), weekdays)
    answer, _ = service.put("booking", "L-1", wish(windows=(), patterns=(hours,)), NOW)
    assert len({each.start for each in answer.openings if each.door == "a-1"}) > 130
    old = codes_of(answer)[0]
    rotated_at = min(each.start for each in answer.openings) + 900 + 83 * DAY
    service.due(rotated_at - 60)
    assert len(list_of("a-1").grants[0].pins) == 1
    service.due(rotated_at)
    new = next(
        each for each in service.reveal("booking", "L-1", rotated_at).credentials if each.pin and not each.ends_at
    )
    open_at = next(start for start, _ in list_of("a-1").grants[0].windows if start > rotated_at)
    assert opens(list_of("a-1"), old, open_at) == opens(list_of("a-1"), new.pin, open_at) == answer.grant
    service.due(rotated_at + 7 * DAY)
    service.due(rotated_at + 7 * DAY + 1)
    later = next(start for start, _ in list_of("a-1").grants[0].windows if start > rotated_at + 7 * DAY)
    assert opens(list_of("a-1"), old, later) is None
    assert opens(list_of("a-1"), new.pin, later) == answer.grant
    saturday = next(t for t in range(later, later + 7 * DAY, DAY) if datetime.fromtimestamp(t, UTC).weekday() == 5)
    assert opens(list_of("a-1"), new.pin, saturday + HOUR) is None


def test_max_uses_travels(service, list_of):
    """R003-03: a one-shot grant; its QR never stands alone, where nobody could count."""
    service.put("booking", "R-1", wish(kind="supplier", max_uses=1), NOW)
    assert [grant.max_uses for grant in list_of("a-1").grants] == [1]


def test_an_external_owner_lets_in_staff_and_no_renters(service):
    """R000-08."""
    town = TOWN.replace('doors = ["b-1"]', 'doors = ["b-1"]\nowner = "parish"')
    town = town.replace("[pin_sets", '[clients.verger]\nservice = "culture"\nowner = "parish"\n[pin_sets', 1)
    service.apply(read_town(town), NOW)
    with pytest.raises(Refused, match="not_owner"):
        service.put("verger", "V-1", wish(rooms=("B",)), NOW)
    with pytest.raises(Refused, match="unknown_room"):
        service.put("verger", "V-1", wish(rooms=(ROOM_A,), kind="cleaning"), NOW)
    service.put("verger", "V-1", wish(rooms=("B",), kind="cleaning"), NOW)
    with pytest.raises(Refused, match="not_found"):
        service.get("booking", "V-1", NOW)


def test_a_door_without_a_key_is_not_enrolled(service, sessions):
    service.enrol("a-1", make_key().verify_key)
    with sessions.begin() as session:
        assert session.get_one(Door, "a-1").event_key is not None
