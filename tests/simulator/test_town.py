"""A town of a real hub and real doors goes through its days without anybody (R002-14, R002-33).

`zaalsleutel sim town` runs the whole month of 20 rooms and 1,500 bookings; here a small one, with the same breaks.
"""

import random

import pytest

from simulator.town import START_S, TownWorld
from simulator.town_calendar import DAY_S, Plan


def test_a_few_days_without_an_operator(tmp_path):
    world = TownWorld(tmp_path, seed=3, rooms=3, days=2, bookings=14)
    report = world.run()
    assert report.right, report
    assert report.visits["inside"] >= 8
    assert report.calls["booked"] == 14
    assert report.stored == report.records > 0


@pytest.mark.parametrize("seed", range(5))
def test_the_plan_never_books_a_room_twice(seed):
    """The reservation system owns availability: parts and the whole of a room are never taken together."""
    rooms = {"one": ("hall",), "two": ("hall",), "hall": ("one", "two"), "other": ()}
    plan = Plan(random.Random(seed), rooms, START_S, 30, 80)
    taken = [(stay.rooms[0], start, until) for stay in plan.stays for start, until in (*stay.booked, *stay.moves_to)]
    for room, start, until in taken:
        space = {room, *rooms[room]}
        here = [each for each in taken if each[0] in space and each[1] < until and start < each[2]]
        assert len(here) == 1, here
    assert {stay.way for stay in plan.stays} >= {"api", "series"}
    assert all(START_S < stay.asked_at < stay.booked[0][0] < START_S + 30 * DAY_S for stay in plan.stays)


def test_somebody_who_may_not_is_noticed(tmp_path):
    """The judge knows better than the hub: a stay that the town never made is wrong at once."""
    world = TownWorld(tmp_path, seed=3, rooms=1, days=1, bookings=1)
    world._judge("door-1", "p-0123456789")
    assert not world.report.right
