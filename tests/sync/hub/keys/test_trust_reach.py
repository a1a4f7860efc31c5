"""A new key epoch reaches the lists: doors that moved on take no list of the epoch before."""

from controller.formats import code_list
from controller.formats.envelope import unverified
from sync.hub.keys.trust_reach import enter_epoch
from tests.sync.hub.conftest import NOW


def epoch_at(service, door: str) -> int:
    return code_list.parse(unverified(service.list_of(door)).payload).epoch


def test_every_list_is_made_anew_in_the_new_epoch(service, sessions):
    assert epoch_at(service, "a-1") == 1
    enter_epoch(sessions, 2)
    for second in range(1, 10):
        service.due(NOW + second)
    assert {epoch_at(service, door) for door in ("a-1", "b-1", "front")} == {2}


def test_the_same_epoch_again_changes_nothing(service, sessions):
    before = service.list_of("a-1")
    enter_epoch(sessions, 1)
    service.due(NOW + 1)
    assert service.list_of("a-1") == before
