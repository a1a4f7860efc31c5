"""From booked time to the time a door opens: margins, and who gives way to whom.

Pure. All instants are whole UTC seconds, all stretches half-open (`start <= now < until`). The rules (R002-01):

- a code opens from `before_s` before the booked start to `after_s` after the booked end, both set per room;
- at the doors of a room, a margin never reaches into another renter's booked time;
- where the margins of two renters meet, the contested stretch is split at its midpoint;
- an entrance is shared by many groups, so there nobody is clipped;
- a room, its parts and what it is a part of are rivals: a renter of one is a neighbour in the others;
- renters who share a room (one share group) are one party and do not clip each other (R002-08);
- staff and suppliers neither clip nor are clipped: they come on purpose while others are in.

    openings([room], [Booking("g-1", "hall", start, until, renter=True)])
"""

from __future__ import annotations

import bisect
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import msgspec

from controller.formats.code_list import Window


@dataclass(frozen=True)
class RoomWays:
    """A room's margins in seconds, its own `doors`, the `entrances` that lead to it, and its `rivals`: rooms that
    cannot be rented apart from it at the same time."""

    id: str
    before_s: int
    after_s: int
    doors: tuple[str, ...]
    entrances: tuple[str, ...] = ()
    rivals: tuple[str, ...] = ()


class Booking(msgspec.Struct, frozen=True, gc=False):
    """Booked time of one grant in one room. Booked times of two parties of renters do not overlap in a room or its
    rivals; `share_group` makes several grants one party."""

    grant: str
    room: str
    start: int
    until: int
    renter: bool
    share_group: str | None = None

    @property
    def party(self) -> tuple[str, str]:
        """Who gives way to whom as one."""
        return ("group", self.share_group) if self.share_group is not None else ("grant", self.grant)


class Opening(msgspec.Struct, frozen=True, gc=False):
    """When one grant opens one door, on its way to one room; `clipped` when a neighbour cost it some margin."""

    grant: str
    room: str
    door: str
    start: int
    until: int
    clipped: bool


def openings(rooms: Iterable[RoomWays], bookings: Iterable[Booking]) -> list[Opening]:
    """Every opening that the bookings of these rooms give. Bookings of other rooms are ignored, rivals that are not
    among `rooms` too."""
    known = {room.id: room for room in rooms}
    by_room: dict[str, list[Booking]] = {}
    for booking in bookings:
        by_room.setdefault(booking.room, []).append(booking)
    found: list[Opening] = []
    for room in known.values():
        booked = by_room.get(room.id, [])
        around = [room.id, *(rival for rival in room.rivals if rival in known)]
        if room.doors:
            renters = (each for rival in around for each in by_room.get(rival, ()) if each.renter)
            neighbours = _Neighbours(known, renters)
            clipped = [_clipped(room, each, neighbours) if each.renter else _plain(room, each) for each in booked]
            found += [_opening(stretch, door) for stretch in clipped for door in room.doors]
        found += [_opening(_plain(room, each), door) for each in booked for door in room.entrances]
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


def _plain(room: RoomWays, booking: Booking) -> _Stretch:
    return booking, booking.start - room.before_s, booking.until + room.after_s, False


class _Neighbours:
    """Renters that may clip each other, found by where they end and by where they start."""

    def __init__(self, rooms: Mapping[str, RoomWays], bookings: Iterable[Booking]) -> None:
        self.rooms = rooms
        self._by_start = sorted(bookings, key=lambda each: each.start)
        self._by_until = sorted(self._by_start, key=lambda each: each.until)
        self._starts = [each.start for each in self._by_start]
        self._untils = [each.until for each in self._by_until]
        # Two margins that do not reach each other have nothing to settle.
        self._reach = 2 * max((max(room.before_s, room.after_s) for room in rooms.values()), default=0)

    def before(self, booking: Booking) -> list[Booking]:
        """Those that end close before `booking` starts."""
        first = bisect.bisect_left(self._untils, booking.start - self._reach)
        return self._by_until[first : bisect.bisect_right(self._untils, booking.start, first)]

    def after(self, booking: Booking) -> list[Booking]:
        """Those that start soon after `booking` ends."""
        first = bisect.bisect_left(self._starts, booking.until)
        return self._by_start[first : bisect.bisect_right(self._starts, booking.until + self._reach, first)]


def _clipped(room: RoomWays, booking: Booking, neighbours: _Neighbours) -> _Stretch:
    _, start, until, _ = _plain(room, booking)
    first, last, party, rooms = start, until, booking.party, neighbours.rooms
    for left in neighbours.before(booking):
        if left.party != party:
            first = max(first, _boundary(left, rooms[left.room], booking, room)[1])
    for right in neighbours.after(booking):
        if right.party != party:
            last = min(last, _boundary(booking, room, right, rooms[right.room])[0])
    return booking, first, last, (first, last) != (start, until)


def _boundary(left: Booking, left_room: RoomWays, right: Booking, right_room: RoomWays) -> Window:
    """Where the left neighbour's margin ends at the latest and the right one's begins at the earliest."""
    left_end = min(left.until + left_room.after_s, right.start)
    right_begin = max(right.start - right_room.before_s, left.until)
    if right_begin < left_end:
        left_end = right_begin = (left_end + right_begin) // 2
    return left_end, right_begin
