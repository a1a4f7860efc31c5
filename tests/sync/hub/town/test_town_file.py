"""town.toml: nothing can be mistyped without being told where."""

import msgspec
import pytest

from controller.formats.code_list import Screen
from controller.formats.errors import Refused
from sync.hub.town.town_file import read_town
from tests.sync.hub.conftest import TOWN


def test_ways_and_ids():
    town = read_town(TOWN)
    assert town.ways("A") == ("front", "a-1")
    assert (town.room_id("A"), town.room_id("B")) == ("https://data.example/id/A", "B")


def test_policy_falls_back_from_room_to_town_to_defaults():
    town = read_town(TOWN + '[rooms.gym.policy]\nrelease_s = 9\n[policy]\nhelp = "bel 1234"\nrelease_s = 7\n')
    gym, other = (town.door_policy(town.rooms[name].policy, "town") for name in ("gym", "B"))
    assert (gym.release_s, other.release_s, gym.help, gym.pin_digits) == (9, 7, "bel 1234", 7)
    assert (10 + 86_400 / gym.pin_refill_s) / 10**6 <= 1e-4


@pytest.mark.parametrize(
    ("old", "new", "where"),
    [
        ("[services.sport]", "[servces.sport]", "[servces]"),
        ('name = "Sport"', 'nam = "Sport"', "[services.sport]"),
        ('service = "sport"', 'service = "sprot"', "[clients.club] service"),
        ('building = "hall"\ndoors = ["a-1"]', 'doors = ["a-1"]', "[rooms.A]"),
        ('doors = ["a-1"]', 'doors = ["A 1"]', "[rooms.A] doors[0]"),
        ('doors = ["a-1"]', "doors = []", "[rooms.A] doors"),
        ('doors = ["b-1"]', 'doors = ["a-1"]', "[rooms.B] doors"),
        ('doors = ["b-1"]', 'doors = ["b-1"]\nentrances = ["back"]', "[rooms.B] entrances"),
        ('doors = ["b-1"]', 'doors = ["b-1"]\ntime_zone = "Europe/Mortsel"', "[rooms.B] time_zone"),
        ('doors = ["b-1"]', 'doors = ["b-1"]\nmargin_before_min = 121', "[rooms.B] margin_before_min"),
        ('doors = ["b-1"]', 'doors = ["b-1"]\npolicy = {release_s = 99}', "[rooms.B.policy]"),
        ('doors = ["b-1"]', 'doors = ["b-1"]\nid = "https://data.example/id/A"', "[rooms.B] id"),
        ("live = 17", "live = 173", "[pin_sets.town] live"),
        ("[pin_sets.town]", "[pin_sets.other]", "[buildings.hall] pin_set"),
        ('scopes = ["reservations", "records"]', 'scopes = ["all"]', "[clients.booking] scopes[0]"),
        ("[rooms.A]", "[rooms.A", "town.toml"),
    ],
)
def test_a_mistake_is_named(old, new, where):
    assert old in TOWN
    with pytest.raises(Refused) as refused:
        read_town(TOWN.replace(old, new, 1))
    assert refused.value.where == where


def test_what_the_screen_says_of_a_room_goes_into_its_policy():
    town = read_town(TOWN + '[rooms.gym.policy.screen]\nroom = "Turnzaal"\nleave = {nl = "Lichten uit."}\n')
    screen = town.door_policy(town.rooms["gym"].policy, "town").screen
    assert isinstance(screen, Screen)
    assert (screen.room, screen.leave) == ("Turnzaal", {"nl": "Lichten uit."})
    assert town.door_policy(town.rooms["B"].policy, "town").screen is msgspec.UNSET
