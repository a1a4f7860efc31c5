"""From booked time to the time a door opens: margins, and who gives way to whom.

Pure. All instants are whole UTC seconds, all stretches half-open (`start <= now < until`). The rules (R002-01):

- a code opens from `before_s` before the booked start to `after_s` after the booked end, both set per room;
- at the doors of a room, a margin never reaches into another renter's booked time;
- where the margins of two renters meet, the contested stretch is split at its midpoint;
- an entrance is shared by many groups, so there nobody is clipped;
- staff and suppliers neither clip nor are clipped: they come on purpose while others are in.

    openings([room], [Booking("g-1", "hall", start, until, renter=True)])
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from controller.formats.code_list import Window


@dataclass(frozen=True)
class RoomWays:
    """A room's margins in seconds, its own `doors`, and the `entrances` that lead to it."""

    id: str
    before_s: int
    after_s: int
    doors: tuple[str, ...]
    entrances: tuple[str, ...] = ()


@dataclass(frozen=True)
class Booking:
    """Booked time of one grant in one room. Booked times of two renters in one room do not overlap."""

    grant: str
    room: str
    start: int
    until: int
    renter: bool


@dataclass(frozen=True)
class Opening:
    """When one grant opens one door, on its way to one room; `clipped` when a neighbour cost it some margin."""

    grant: str
    room: str
    door: str
    start: int
    until: int
    clipped: bool


def openings(rooms: Iterable[RoomWays], bookings: Iterable[Booking]) -> list[Opening]:
    """Every opening that the bookings of these rooms give. Bookings of other rooms are ignored."""
    by_room: dict[str, list[Booking]] = {}
    for booking in bookings:
        by_room.setdefault(booking.room, []).append(booking)
    found: list[Opening] = []
    for room in rooms:
        booked = by_room.get(room.id, [])
        renters = [booking for booking in booked if booking.renter]
        others = [booking for booking in booked if not booking.renter]
        clipped = _clipped(room, renters) + _plain(room, others)
        found += [_opening(stretch, door) for stretch in clipped for door in room.doors]
        found += [_opening(stretch, door) for stretch in _plain(room, booked) for door in room.entrances]
    return found


def merged(windows: Iterable[Window]) -> tuple[Window, ...]:
    """The union of windows: sorted, with overlapping and touching ones joined."""
    union: list[Window] = []
    for start, until in sorted(windows):
        if union and start <= union[-1][1]:
            union[-1] = (union[-1][0], max(union[-1][1], until))
        else:
            union.append((start, until))
    return tuple(union)


_Stretch = tuple[Booking, int, int, bool]


def _opening(stretch: _Stretch, door: str) -> Opening:
    booking, start, until, clipped = stretch
    return Opening(booking.grant, booking.room, door, start, until, clipped)


def _plain(room: RoomWays, bookings: Iterable[Booking]) -> list[_Stretch]:
    return [(each, each.start - room.before_s, each.until + room.after_s, False) for each in bookings]


def _clipped(room: RoomWays, bookings: Iterable[Booking]) -> list[_Stretch]:
    # A run is a row of bookings of one grant with nobody else in between: it gives way only at its two ends.
    ordered = sorted(bookings, key=lambda each: (each.start, each.until))
    runs = [list(run) for _, run in itertools.groupby(ordered, key=lambda each: each.grant)]
    limits = [_boundary(room, left[-1].until, right[0].start) for left, right in itertools.pairwise(runs)]
    stretches: list[_Stretch] = []
    # The first run has nobody to its left, the last one nobody to its right.
    for run, left_limit, right_limit in zip(runs, [None, *limits], [*limits, None], strict=False):
        stretches += [_within(plain, left_limit, right_limit) for plain in _plain(room, run)]
    return stretches


def _within(plain: _Stretch, left_limit: Sequence[int] | None, right_limit: Sequence[int] | None) -> _Stretch:
    booking, start, until, _ = plain
    first = start if left_limit is None else max(start, left_limit[1])
    last = until if right_limit is None else min(until, right_limit[0])
    return booking, first, last, (first, last) != (start, until)


def _boundary(room: RoomWays, left_until: int, right_start: int) -> Window:
    """Where the left neighbour's margin ends at the latest and the right one's begins at the earliest."""
    left_end = min(left_until + room.after_s, right_start)
    right_begin = max(right_start - room.before_s, left_until)
    if right_begin < left_end:
        left_end = right_begin = (left_end + right_begin) // 2
    return left_end, right_begin
