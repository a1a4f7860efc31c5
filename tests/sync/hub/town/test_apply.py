"""hub apply: idempotent, told before done, and never a renter before a door that is gone."""

import pytest

from controller.formats.errors import Refused
from sync.hub.town.town_file import read_town
from tests.sync.hub.conftest import DAY, NOW, TOWN, wish

WITHOUT_B = TOWN.replace('[rooms.B]\nservice = "culture"\nbuilding = "hall"\ndoors = ["b-1"]\n', "")


def test_twice_changes_nothing(service, broker):
    assert service.apply(read_town(TOWN), NOW) == []
    assert broker.take() == []


def test_a_dry_run_tells_what_would_change(service):
    town = read_town(TOWN.replace('doors = ["a-1"]', 'doors = ["a-1"]\nmargin_after_min = 30'))
    told = service.apply(town, NOW, dry_run=True)
    assert [(each.action, each.what, dict(each.fields)) for each in told] == [("change", "rooms", {"after_s": 1800})]
    assert service.apply(town, NOW) == told
    assert service.apply(town, NOW) == []


def test_a_room_goes_when_nobody_has_it_any_more(service):
    service.put("booking", "R-1", wish(rooms=("B",)), NOW)
    with pytest.raises(Refused, match=r"R-1 \(B\)"):
        service.apply(read_town(WITHOUT_B), NOW)
    service.put("booking", "R-1", wish(2, rooms=("B",), state="cancelled"), NOW)
    gone = service.apply(read_town(WITHOUT_B), NOW)
    assert {(each.action, each.name) for each in gone} >= {("remove", "B"), ("remove", "b-1")}
    assert "b-1" not in [door.id for door in service.doors()]


def test_a_door_may_be_replaced_but_not_taken_away(service):
    service.put("booking", "R-1", wish(rooms=("B",)), NOW)
    with pytest.raises(Refused, match="grants_remain"):
        service.apply(read_town(TOWN.replace('entrances = ["front"]', "entrances = []")), NOW)
    service.apply(read_town(TOWN.replace('doors = ["b-1"]', 'doors = ["b-2"]')), NOW)
    assert {each.door for each in service.get("booking", "R-1", NOW).openings} == {"front", "b-2"}
    service.apply(read_town(TOWN.replace('entrances = ["front"]', "entrances = []")), NOW + 2 * DAY)


def test_pins_keep_their_length(service):
    with pytest.raises(Refused) as refused:
        service.apply(read_town(TOWN.replace("live = 17", "live = 1")), NOW)
    assert (refused.value.code, refused.value.where) == ("pin_length_fixed", "[pin_sets.town]")
