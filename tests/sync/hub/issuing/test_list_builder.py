"""Lists are made beside the calls: complete whoever asks, never older than what they are numbered, once for a burst."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import func, select

from controller.formats import pin, qr_pass
from sync.hub.issuing.list_builder import BuilderThread, ListBuilder
from sync.hub.service import Service
from sync.hub.store.database import open_database
from sync.hub.store.models import ListRequest, Verifier
from tests.sync.hub.conftest import DAY, HOUR, NOW, codes_of, opens, report, wish


@pytest.fixture
def later(service):
    """Nothing is made until somebody calls `service.lists.build`."""
    service.bench.when_lists_are_wanted(lambda _now: None)
    return service


def count(sessions, table) -> int:
    with sessions.begin() as session:
        return session.scalar(select(func.count()).select_from(table)) or 0


def test_a_call_derives_nothing_and_a_burst_is_one_list_a_door(later, sessions, broker, list_of):
    """R002-17: the answer has the code; what it costs to bring it to the doors comes after."""
    answers = [
        later.put("booking", f"R-{day}", wish(start=NOW + day * DAY + HOUR, until=NOW + day * DAY + 2 * HOUR), NOW)[0]
        for day in range(4)
    ]
    assert all(codes_of(each)[0] for each in answers)
    assert (broker.take(), count(sessions, Verifier)) == ([], 0)
    assert sorted(later.lists.build(NOW)) == ["a-1", "front"]
    assert sorted(broker.take()) == ["zs/1/a-1/list", "zs/1/front/list"]
    assert count(sessions, ListRequest) == 0
    for day, each in enumerate(answers):
        assert opens(list_of("a-1"), codes_of(each)[0], NOW + day * DAY + HOUR + 60) == each.grant
    assert later.lists.build(NOW) == []


def test_a_booking_of_next_year_costs_no_derivation_today(later, sessions):
    far = NOW + 300 * DAY
    later.put("booking", "R-1", wish(start=far, until=far + HOUR), NOW)
    later.lists.build(NOW)
    assert count(sessions, Verifier) == 0
    later.due(far - DAY)
    later.lists.build(far - DAY)
    assert count(sessions, Verifier) == 2


def test_a_change_during_the_making_does_not_count_as_delivered(later, sessions, keyring, list_of):
    """What was looked at holds; what came in between waits for the next list."""
    first, _ = later.put("booking", "R-1", wish(), NOW)
    moved = threading.Event()

    def derive(clear, kdf):
        if not moved.is_set():
            moved.set()
            later.put("booking", "R-1", wish(2, start=NOW + 5 * HOUR, until=NOW + 6 * HOUR), NOW)
        return pin.derive(clear, kdf)

    ListBuilder(later.bench, derive).build(NOW)
    old = list_of("a-1").version
    later.door_reported("a-1", report("a-1", old), NOW)
    assert later.get("booking", "R-1", NOW).delivery["a-1"] == "queued"
    later.lists.build(NOW)
    later.door_reported("a-1", report("a-1", list_of("a-1").version), NOW)
    assert later.get("booking", "R-1", NOW).delivery["a-1"] == "applied"
    assert opens(list_of("a-1"), codes_of(first)[0], NOW + 5 * HOUR + 60) == first.grant


def test_a_list_holds_every_pass_with_a_lower_number(later, list_of):
    """Otherwise a door would refuse a pass that is older than a list which does not know it."""
    answers = []
    for number in range(3):
        start = NOW + number * DAY + HOUR
        answers.append(later.put("booking", f"R-{number}", wish(start=start, until=start + HOUR), NOW)[0])
        if number == 1:
            later.lists.build(NOW)
    made = list_of("a-1")
    held = {each.hash for grant in made.grants for each in grant.qrs}
    for answer in answers:
        shown = qr_pass.parse(codes_of(answer)[1])
        assert (shown.number < made.version) == (shown.list_hash in held)


def test_hubs_that_make_lists_at_once_leave_nobody_out(service, database, keyring, list_of):
    """Rooms of one building share an entrance: its list has everybody, whichever hub was called last."""
    hubs = [Service(open_database(database), keyring) for _ in range(3)]

    def ask(number: int) -> str:
        start = NOW + number // 2 * DAY + HOUR
        room = "https://data.example/id/A" if number % 2 else "B"
        wanted = wish(rooms=(room,), start=start, until=start + HOUR)
        return hubs[number % 3].put("booking", f"R-{number}", wanted, NOW)[0].grant

    with ThreadPoolExecutor(3) as callers:
        grants = set(callers.map(ask, range(12)))
    for hub in hubs:
        hub.bench._sessions.kw["bind"].dispose()
    service.lists.build(NOW)
    assert {each.id for each in list_of("front").grants} == grants


def test_a_thread_makes_what_is_asked_for_and_what_an_ended_hub_left(later, sessions):
    later.put("booking", "R-1", wish(), NOW)
    made = threading.Event()

    class Watched(ListBuilder):
        def build(self, now):
            done = super().build(now)
            if done:
                made.set()
            return done

    worker = BuilderThread(Watched(later.bench), clock=lambda: NOW)
    later.bench.when_lists_are_wanted(worker.wake)
    worker.start()
    try:
        assert made.wait(30)
        made.clear()
        later.put("booking", "R-2", wish(rooms=("B",)), NOW)
        assert made.wait(30)
    finally:
        worker.stop()
    assert count(sessions, ListRequest) == 0
