"""A second opinion on who may enter which door when: margins walked step by step, nothing computed at once.

Nothing of `sync.hub.booking.windows` is used. Bookings are made on whole minutes, so everything that can change does so
on a half-minute: `STEP_S`. A margin is walked outward from the booked time until it is used up or somebody else is in
the way; where two margins meet, the points that both could have are counted and the nearer half goes to each.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

STEP_S = 30
MINUTE = 60


@dataclass(frozen=True)
class Hall:
    """A room: its doors, the entrances before it, its margins (seconds), and which rooms are the same space."""

    name: str
    doors: frozenset[str]
    entrances: frozenset[str]
    before_s: int
    after_s: int
    same_space: frozenset[str]


@dataclass(frozen=True)
class Stay:
    """One booked time."""

    who: str
    party: str
    room: str
    start: int
    end: int
    renter: bool


class Town:
    """Rooms and stays, and who may enter."""

    def __init__(self, halls: list[Hall], stays: list[Stay]) -> None:
        self._halls = {hall.name: hall for hall in halls}
        self._stays = stays
        self._reach: dict[Stay, set[int]] = {}

    def may_enter(self, door: str, at: int) -> set[str]:
        """Who may pass `door` at `at`."""
        return {stay.who for stay in self._stays if self._opens(stay, door, at)}

    def renters_at(self, door: str, at: int) -> set[str]:
        """The parties of renters for whom a room's own door opens."""
        own = [stay for stay in self._stays if stay.renter and door in self._halls[stay.room].doors]
        return {stay.party for stay in own if self._opens(stay, door, at)}

    def _opens(self, stay: Stay, door: str, at: int) -> bool:
        hall = self._halls[stay.room]
        if door in hall.entrances or (door in hall.doors and not stay.renter):
            return stay.start - hall.before_s <= at < stay.end + hall.after_s
        if door not in hall.doors:
            return False
        if stay.start <= at < stay.end:
            return True
        if stay not in self._reach:
            self._reach[stay] = self._walk(stay)
        return at - at % STEP_S in self._reach[stay]

    def _walk(self, stay: Stay) -> set[int]:
        hall, reached = self._halls[stay.room], set[int]()
        others = [
            each
            for each in self._stays
            if each.renter and each.party != stay.party and each.room in hall.same_space | {hall.name}
        ]
        at = stay.end
        while at < stay.end + hall.after_s and not any(self._holds_after(other, stay, at) for other in others):
            reached.add(at)
            at += STEP_S
        at = stay.start - STEP_S
        while at >= stay.start - hall.before_s and not any(self._holds_before(other, stay, at) for other in others):
            reached.add(at)
            at -= STEP_S
        return reached

    def _holds_after(self, other: Stay, stay: Stay, at: int) -> bool:
        """Whether `other`, who comes later, has the point `at` after the end of `stay`."""
        if other.start < stay.end:
            return False
        if at >= other.start:
            return True
        both = self._contested(stay, other)
        return at in both[len(both) // 2 :]

    def _holds_before(self, other: Stay, stay: Stay, at: int) -> bool:
        if other.end > stay.start:
            return False
        if at < other.end:
            return True
        both = self._contested(other, stay)
        return at in both[: len(both) // 2]

    def _contested(self, left: Stay, right: Stay) -> list[int]:
        """The points between two stays that lie in the margins of both."""
        after_s, before_s = self._halls[left.room].after_s, self._halls[right.room].before_s
        between = range(left.end, right.start, STEP_S)
        return [at for at in between if at < left.end + after_s and at >= right.start - before_s]


def make_town(chance: random.Random) -> tuple[list[Hall], list[Stay]]:
    """A small town with a divisible room and an entrance, and a calendar in which renters never overlap in one space,
    unless they share it."""

    def margin() -> int:
        return MINUTE * chance.choice([0, 1, 5, 15, 15, 30, 120])

    space = {"whole": {"A", "B"}, "A": {"whole"}, "B": {"whole"}, "C": set[str]()}
    doors = {"whole": {"a-1", "b-1"}, "A": {"a-1"}, "B": {"b-1"}, "C": {"c-1", "c-2"}}
    halls = [
        Hall(name, frozenset(doors[name]), frozenset({"front"}), margin(), margin(), frozenset(space[name]))
        for name in space
    ]
    stays: list[Stay] = []
    for number in range(chance.randrange(1, 25)):
        room = chance.choice(sorted(space))
        start = MINUTE * chance.randrange(0, 1_200)
        end = start + MINUTE * chance.choice([1, 5, 30, 60, 240])
        renter, group = chance.random() < 0.8, chance.choice([None, None, None, "fair"])
        who = f"g-{chance.randrange(number + 1)}"
        mine = [stay for stay in stays if stay.who == who]
        if mine:
            renter, party = mine[0].renter, mine[0].party
        else:
            party = f"share {group}" if group else who
        near = [each for each in stays if each.room in space[room] | {room} and each.start < end and start < each.end]
        if any(each.renter and renter and each.party != party for each in near) or any(
            each.who == who for each in near
        ):
            continue
        stays.append(Stay(who, party, room, start, end, renter))
    return halls, stays
