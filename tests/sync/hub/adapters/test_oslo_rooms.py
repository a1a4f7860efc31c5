"""Rooms of an OSLO document as a draft of town.toml: filled in, it is a town."""

import json

import pytest

from controller.formats.errors import Refused
from sync.hub.adapters.oslo_rooms import OsloRoom, draft, read_rooms
from sync.hub.town.town_file import read_town
from tests.sync.hub.adapters.test_oslo import BASE, SAMPLES

TOWN = '[services.culture]\nname = "Cultuur"\n[buildings.hall]\nentrances = []\n'


def sample(name: str) -> list[OsloRoom]:
    path = SAMPLES / f"{name}.jsonld"
    if not path.is_file():
        pytest.skip("the published samples are not beside this checkout")
    return read_rooms(path.read_bytes(), BASE)


def filled_in(text: str):
    filled = text.replace('service = ""', 'service = "culture"').replace('building = ""', 'building = "hall"')
    return read_town(TOWN + filled.replace("doors = []", 'doors = ["hall-1"]'))


def test_a_published_room_becomes_a_room_of_the_town():
    (room,) = sample("kenmerkenMaterialenAnnulatie")
    assert room == OsloRoom(f"{BASE}INF001", "Vergaderzaal 2 Cultureel Centrum", ("07:00", "23:30"))
    town = filled_in(draft([room]))
    assert town.room_id("INF001") == f"{BASE}INF001"
    assert len(town.rooms["INF001"].opening_hours) == 7


def test_an_id_that_is_described_twice_counts_once():
    assert [room.name for room in sample("opdeelbaarheidCompabiliteit")] == ["Sportzaal A"]


@pytest.mark.parametrize("name", ['Zaal "A"\n[clients.evil]', "\\", "x" * 300, "é"])
def test_what_a_document_says_stays_in_its_place(name):
    node = {"@id": f"_:{name[:20]}", "@type": ["Binnenruimte"], "Infrastructuur.naam": {"@value": name}}
    (room,) = read_rooms(json.dumps(node).encode())
    assert room.hours is None
    assert draft([room]).count("\n[") == 0


@pytest.mark.parametrize("data", [b"", b"{}", b"[]", b"no json", b'{"@graph": [{"@type": "Gebouw"}]}'])
def test_a_document_without_rooms_is_refused(data):
    with pytest.raises(Refused, match="bad_document"):
        read_rooms(data)
