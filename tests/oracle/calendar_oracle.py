"""A town's bookings as somebody with a paper calendar would keep them: who holds which room when, by hand.

Nothing of `sync.hub` is used. Local times are looked up by walking through the days of the year in steps of a quarter
of an hour and reading the clock on the wall; who may enter is walked by `openings_oracle`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from tests.oracle.openings_oracle import Hall, Stay, Town

QUARTER_S = 900


@lru_cache(maxsize=4_000)
def wall_clock(zone: str, day: date) -> dict[str, int]:
    """What the clock on a wall shows around a day, every quarter of an hour, and when it first does (UTC seconds)."""
    place = ZoneInfo(zone)
    begin = int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()) - 86_400
    shown: dict[str, int] = {}
    for second in range(begin, begin + 3 * 86_400, QUARTER_S):
        shown.setdefault(datetime.fromtimestamp(second, place).strftime("%Y-%m-%dT%H:%M"), second)
    return shown


def instant(zone: str, day: date, clock: str) -> int:
    """When the clock shows this; a time that it skips is the one an hour on, when it would have been shown."""
    shown, wanted = wall_clock(zone, day), f"{day}T{clock}"
    if wanted in shown:
        return shown[wanted]
    later = datetime.fromisoformat(wanted) + timedelta(hours=1)
    return shown[later.strftime("%Y-%m-%dT%H:%M")]


def evenings(
    zone: str, first: date, every: int, count: int, clock: tuple[str, str], but: Iterable[date]
) -> list[tuple[int, int]]:
    """A series: so many times, every so many days, from one time on the wall to another, without some days."""
    left_out = set(but)
    days = [first + timedelta(days=every * number) for number in range(count)]
    return [(instant(zone, day, clock[0]), instant(zone, day, clock[1])) for day in days if day not in left_out]


@dataclass(frozen=True)
class Held:
    """One booking: `code` is what its holder types."""

    ref: str
    code: str
    rooms: tuple[str, ...]
    times: tuple[tuple[int, int], ...]
    renter: bool
    group: str | None
    suspended: bool = False

    @property
    def party(self) -> str:
        return f"share {self.group}" if self.group else self.ref


@dataclass
class Calendar:
    """What holds. `closed` are (room, start, end) by ref."""

    halls: list[Hall]
    held: dict[str, Held] = field(default_factory=dict)
    closed: dict[str, tuple[str, int, int]] = field(default_factory=dict)

    def clash(self, wanted: Held, without: Iterable[str] = ()) -> bool:
        """Whether somebody else has the space at any of these times."""
        space = {hall.name: {hall.name, *hall.same_space} for hall in self.halls}
        others = [each for each in self.held.values() if each.ref not in {wanted.ref, *without}]
        return wanted.renter and any(
            other.renter and other.party != wanted.party and theirs in space[own] and a < d and c < b
            for other in others
            for own in wanted.rooms
            for theirs in other.rooms
            for a, b in wanted.times
            for c, d in other.times
        )

    def suspend(self, ref: str) -> None:
        """They keep their place and may not enter."""
        self.held[ref] = replace(self.held[ref], suspended=True)

    def answers(self) -> Answers:
        """Who may enter, from what holds now."""
        return Answers(self)


class Answers:
    """`may_enter` by code."""

    def __init__(self, calendar: Calendar) -> None:
        self._halls = {hall.name: hall for hall in calendar.halls}
        self._held = dict(calendar.held)
        self._closed = list(calendar.closed.values())
        stays = [
            Stay(each.ref, each.party, room, start, end, each.renter)
            for each in self._held.values()
            for room in each.rooms
            for start, end in each.times
        ]
        self._town = Town(calendar.halls, stays)

    def may_enter(self, door: str, at: int) -> set[str]:
        """The codes that open `door` at `at`."""
        shut = any(start <= at < end and door in self._halls[room].doors for room, start, end in self._closed)
        found = {self._held[ref] for ref in self._town.may_enter(door, at)}
        return {each.code for each in found if not each.suspended and not (shut and each.renter)}

    def parties(self, door: str, codes: set[str]) -> set[str]:
        """The parties of renters among these codes, at a door that is a room's own."""
        own = any(door in hall.doors for hall in self._halls.values())
        return {each.party for each in self._held.values() if own and each.renter and each.code in codes}
