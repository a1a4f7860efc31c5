"""Several callers and several hub processes on one database: one wins, numbers never repeat."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import select

from controller.formats.errors import Refused
from sync.hub.service import Service
from sync.hub.store.database import open_database
from sync.hub.store.models import DoorList
from tests.sync.hub.conftest import DAY, HOUR, NOW, codes_of, wish

CALLERS = 50
HUBS = 3


@pytest.fixture
def hubs(service, database, keyring):
    """Hub processes, each with connections of its own."""
    opened = [open_database(database) for _ in range(HUBS)]
    yield [Service(sessions, keyring) for sessions in opened]
    for sessions in opened:
        sessions.kw["bind"].dispose()


def test_fifty_callers_for_one_slot_and_one_wins(hubs):
    """R002-08: two renters never hold one room, however many ask at once and of whichever hub."""

    def ask(number: int) -> str:
        try:
            hubs[number % HUBS].put("booking", f"R-{number}", wish(), NOW)
        except Refused as refused:
            return refused.code
        return "created"

    with ThreadPoolExecutor(CALLERS) as callers:
        said = list(callers.map(ask, range(CALLERS)))
    assert sorted(said) == ["created", *["overlap"] * (CALLERS - 1)]


def test_hubs_share_one_sequence_and_draw_no_pin_twice(hubs, sessions):
    """Statement numbers come from the database; PINs stay two digits apart whoever draws them."""

    def ask(number: int):
        start = NOW + number * DAY + HOUR
        return hubs[number % HUBS].put("booking", f"R-{number}", wish(start=start, until=start + HOUR), NOW)[0]

    with ThreadPoolExecutor(HUBS) as callers:
        answers = list(callers.map(ask, range(12)))
    pins = [codes_of(answer)[0] for answer in answers]
    for index, left in enumerate(pins):
        assert all(sum(a != b for a, b in zip(left, right, strict=True)) >= 2 for right in pins[:index])
    with sessions.begin() as session:
        versions = session.scalars(select(DoorList.version)).all()
    assert len(set(versions)) == len(versions)


def test_the_same_call_to_two_hubs_is_one_reservation(hubs):
    """A caller that repeats because it heard nothing gets the same grant."""
    with ThreadPoolExecutor(HUBS) as callers:
        answers = list(callers.map(lambda hub: hub.put("booking", "R-1", wish(), NOW), hubs))
    assert len({answer.grant for answer, _ in answers}) == 1
    assert [created for _, created in answers].count(True) == 1
