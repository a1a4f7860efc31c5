"""A lockdown reaches a door that answers nobody: its list says so too, until it is resumed."""

import pytest

from controller.formats.command import Verb
from sync.hub.doors.commands import CommandBook, Wish
from tests.sync.hub.conftest import NOW, wish


def entered(sessions, verb: Verb, at: int) -> None:
    until = at + 60 if verb == "attended" else None
    CommandBook(sessions).enter(Wish("a-1", verb, "drill", "desk-1", until), at)


@pytest.fixture
def posture_of(service, list_of):
    def look(door: str, at: int):
        service.lists.build(at)  # as the running hub's builder does every few seconds
        return list_of(door).posture

    return look


def test_the_list_of_the_door_and_no_other_carries_a_lockdown_and_its_end(service, sessions, posture_of, list_of):
    service.put("booking", "R-1", wish(), NOW)
    assert posture_of("a-1", NOW + 1) is None
    before = list_of("a-1").version
    entered(sessions, "lockdown", NOW + 10)
    locked = posture_of("a-1", NOW + 11)
    assert (locked.state, locked.since, locked.until) == ("lockdown", NOW + 10, None)
    assert list_of("a-1").version > before and posture_of("front", NOW + 12) is None
    entered(sessions, "resume", NOW + 20)
    assert (posture_of("a-1", NOW + 21).state, posture_of("a-1", NOW + 22).since) == ("controlled", NOW + 20)


@pytest.mark.parametrize("verb", ["release", "attended", "self_test"])
def test_what_lets_people_in_goes_by_no_list(service, sessions, posture_of, verb):
    entered(sessions, "lockdown", NOW + 1)
    entered(sessions, verb, NOW + 2)
    assert posture_of("a-1", NOW + 3).state == "lockdown"
