"""The hub's openings against the naive oracle: random calendars, random instants, and no instant for two renters.

`ZS_CALENDAR_INSTANTS=100000 pytest tests/oracle/test_openings.py` is the whole comparison; a share of it in CI.
"""

import os
import random

from sync.hub.booking.windows import Booking, RoomWays, openings
from tests.oracle.openings_oracle import Hall, Stay, Town, make_town

INSTANTS = int(os.environ.get("ZS_CALENDAR_INSTANTS", "4000"))
PER_CALENDAR = 100
DOORS = ("front", "a-1", "b-1", "c-1", "c-2")


def as_rooms(halls: list[Hall]) -> list[RoomWays]:
    return [
        RoomWays(
            hall.name, hall.before_s, hall.after_s, tuple(sorted(hall.doors)), tuple(hall.entrances),
            tuple(sorted(hall.same_space)),
        )
        for hall in halls
    ]  # fmt: skip


def as_booking(stay: Stay) -> Booking:
    group = stay.party.removeprefix("share ") if stay.party.startswith("share ") else None
    return Booking(stay.who, stay.room, stay.start, stay.end, stay.renter, group)


def test_openings_are_the_oracles():
    """R002-01, R002-08: 0 wrong instants, 0 instants at which two parties of renters may enter one room's door."""
    wrong, two, compared = [], [], 0
    for seed in range(max(1, INSTANTS // PER_CALENDAR)):
        chance = random.Random(seed)
        halls, stays = make_town(chance)
        found = openings(as_rooms(halls), map(as_booking, stays))
        town = Town(halls, stays)
        edges = [at for opening in found for at in (opening.start, opening.until)] or [0]
        for _ in range(PER_CALENDAR):
            # Crowded around the edges, where mistakes are.
            at = chance.choice(edges) + chance.choice([-31, -1, 0, 1, 30, chance.randrange(-9_000, 9_000)])
            door = chance.choice(DOORS)
            said = {each.grant for each in found if each.door == door and each.start <= at < each.until}
            if said != town.may_enter(door, at):
                wrong.append((seed, door, at))
            if len(town.renters_at(door, at)) > 1:
                two.append((seed, door, at))
            compared += 1
    assert compared >= INSTANTS - PER_CALENDAR
    assert wrong == []
    assert two == []
