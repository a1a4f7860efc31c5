"""How many questions the database is asked: the hub's time goes into putting them together, so they are counted."""

import itertools
from collections.abc import Callable, Iterator

import pytest
from sqlalchemy import event

from sync.hub.issuing.lists import look_at
from sync.hub.town.town_file import read_town
from tests.sync.hub.conftest import DAY, HOUR, NOW, ROOM_A, TOWN, report, wish

DOORS = ["front", "a-1", "b-1", "gym-1"]


@pytest.fixture
def count(sessions) -> Iterator[Callable[[Callable[[], object]], int]]:
    """How many statements a call takes, its transaction's beginning among them."""
    asked: list[str] = []
    engine = sessions.kw["bind"]

    def note(_connection, _cursor, statement, *_more) -> None:
        asked.append(statement)

    event.listen(engine, "before_cursor_execute", note)

    def counted(call: Callable[[], object]) -> int:
        asked.clear()
        call()
        return len(asked)

    yield counted
    event.remove(engine, "before_cursor_execute", note)


def test_a_put_asks_no_more_than_it_did(service, count):
    """Of a room and its entrance: half as much again once. The lists are made by somebody else."""
    service.bench.when_lists_are_wanted(lambda _now: None)
    assert count(lambda: service.put("booking", "R-1", wish(), NOW)) <= 40


def test_a_look_asks_as_much_for_many_doors_with_many_grants_as_for_one(service, keyring, count):
    def look(doors: list[str]) -> None:
        service.bench.look(lambda session: look_at(session, keyring, doors, NOW))

    before = count(lambda: look(["a-1"]))
    for number in range(3):
        start = NOW + number * DAY + HOUR
        for room in (ROOM_A, "B"):
            service.put("booking", f"R-{number}-{room[-1]}", wish(rooms=(room,), start=start, until=start + HOUR), NOW)
    assert count(lambda: look(["a-1"])) == count(lambda: look(DOORS)) == before


def test_reports_of_many_doors_and_what_came_with_their_lists_are_few_statements(service, count, list_of):
    for number in range(3):
        start = NOW + number * DAY + HOUR
        service.put("booking", f"R-{number}", wish(start=start, until=start + HOUR), NOW)
    one = count(lambda: service.doors_reported([report("gym-1", list_of("gym-1").version)], NOW))
    both = [report(door, list_of(door).version) for door in ("a-1", "front")]
    assert count(lambda: service.doors_reported(both, NOW)) <= one + 4  # the self-test's and the update's, of each


def test_a_town_that_is_applied_asks_as_much_for_many_doors_as_for_few(service, count):
    service.bench.when_lists_are_wanted(lambda _now: None)
    seconds = itertools.count(NOW)

    def release(text, release_s):
        town = read_town(f"{text}\n[policy]\nrelease_s = {release_s}")
        return count(lambda: service.apply(town, next(seconds)))

    larger = TOWN + "".join(
        f'[rooms.N{number}]\nservice = "culture"\nbuilding = "hall"\ndoors = ["n-{number}"]\n' for number in range(20)
    )
    release(TOWN, 5)
    few = release(TOWN, 6)
    release(larger, 6)
    assert release(larger, 7) <= few


def test_what_is_due_writes_nothing_when_nothing_is(service, count):
    service.due(NOW)
    service.due(NOW + 1)
    begun: list[str] = []
    engine = service.bench._sessions.kw["bind"]
    event.listen(engine, "before_cursor_execute", lambda *told: begun.append(told[2]))
    service.due(NOW + 2)
    assert not [each for each in begun if each.startswith("BEGIN IMMEDIATE")]
