"""Questions to the hub's database that more than one module asks. Every function works in the caller's transaction."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final, Protocol, cast

import msgspec
from sqlalchemy import Executable, Select, Table, Text, bindparam, func, insert, select, update
from sqlalchemy import cast as as_type
from sqlalchemy.orm import Session

from controller.formats.code_list import Kind
from controller.formats.errors import Refused
from sync.hub.booking import windows
from sync.hub.issuing.issuer import TRAVELLING, GrantState, next_number
from sync.hub.store.models import Door, DoorGroup, Grant, GrantBooking, Reservation, Room, StatementNumber, Way

NEIGHBOUR_S = 86_400
"""More than the largest margins of two rooms: whoever is further away does not clip."""


def plain_rows(session: Session, question: Executable, values: Mapping[str, Any]) -> Sequence[Any]:
    """The answer in columns, around the mapper: it would spend longer on each row than the database. What the session
    has not written yet, it writes first."""
    session.flush()
    return session.connection().execute(question, values).all()


class Seer(Protocol):
    """A client, as far as it matters what it may know of."""

    @property
    def service(self) -> str: ...
    @property
    def owner(self) -> str | None: ...


def visible_rooms(client: Seer) -> Select[str]:
    """The ids of the rooms a client may know of: those of its service or, for an external owner's client, of that
    owner (R004-21, R000-08). Everything else does not exist for it."""
    if client.owner is not None:
        return select(Room.id).where(Room.owner == client.owner)
    return select(Room.id).where(Room.service == client.service)


def rooms_of(session: Session, client: Seer, ids: Sequence[str]) -> list[Room]:
    """The rooms in the order asked; they and their rivals stay locked until the transaction ends, so two reservations
    of one space queue up here. Raises Refused `unknown_room`, also for a room the client may not know of."""
    visible = select(Room).where(Room.id.in_(ids), Room.id.in_(visible_rooms(client)))
    found = {room.id: room for room in session.scalars(visible)}
    for room in ids:
        if room not in found:
            raise Refused("unknown_room", "rooms", f"there is no room {room}")
    wanted = [found[room] for room in ids]
    space = {rival for room in wanted for rival in (room.id, *room.rivals)}
    plain_rows(session, LOCKED_ROOMS, {"rooms": list(space)})
    return wanted


def with_rivals(session: Session, rooms: Collection[str]) -> set[str]:
    """The rooms and every room that cannot be rented apart from one of them."""
    query = select(Room.id, Room.rivals).where(Room.id.in_(rooms))
    return {room for name, rivals in session.execute(query) for room in (name, *rivals)}


def reservation_of(session: Session, client: str, ref: str, *, lock: bool = False) -> Reservation:
    """Raises Refused `not_found`."""
    reservation = session.get(Reservation, (client, ref), with_for_update={"of": Reservation} if lock else None)
    if reservation is None:
        raise Refused("not_found", "ref", f"there is no reservation {ref}")
    return reservation


# What every call asks is put together once: that takes longer than asking.
LOCKED_ROOMS: Final = (
    select(Room.id).where(Room.id.in_(bindparam("rooms", expanding=True))).order_by(Room.id).with_for_update()
)
ROOM_WAYS: Final = (
    select(Room.id, Room.before_s, Room.after_s, Room.rivals, Way.door, DoorGroup.shared)
    .outerjoin(Way, Way.room == Room.id)
    .outerjoin(Door, Door.id == Way.door)
    .outerjoin(DoorGroup, DoorGroup.id == Door.door_group)
    .where(Room.id.in_(bindparam("rooms", expanding=True)))
    .order_by(Way.place)
)
BOOKINGS: Final = (
    select(
        GrantBooking.grant_id,
        GrantBooking.room,
        GrantBooking.start,
        GrantBooking.until,
        Grant.kind == "renter",
        Grant.share_group,
        Grant.kind,
        Grant.state,
        as_type(Grant.methods, Text),
        Grant.max_uses,
    )
    .join(Grant, Grant.id == GrantBooking.grant_id)
    .where(
        GrantBooking.room.in_(bindparam("rooms", expanding=True)),
        GrantBooking.until > bindparam("after"),
        GrantBooking.start < bindparam("before"),
        Grant.state.in_(TRAVELLING),
    )
)
"""The columns of a `windows.Booking`, and of the `Booked` grant whose it is."""

DOORS_TO: Final = select(Way.door).where(Way.room.in_(bindparam("rooms", expanding=True)))
"""Every door on the way to any of the rooms."""

NUMBER: Final = cast(Table, StatementNumber.__table__)
HIGHEST: Final = select(func.max(Door.highest_version)).scalar_subquery()
NUMBERS: Final = select(NUMBER.c.last, HIGHEST).with_for_update(of=NUMBER)
"""The last number given out, and the highest that a door ever reported."""


class Booked(msgspec.Struct, frozen=True, gc=False):
    """What a list says of a grant, apart from its openings and codes. `methods` as JSON: hundreds of grants have the
    same two."""

    kind: Kind
    state: GrantState
    methods: str
    max_uses: int | None

    def opens_by(self, method: str) -> bool:
        """Whether a code of this method is wished for. The code of one that no longer is is kept for when it comes
        back."""
        return f'"{method}"' in self.methods


Ground = Mapping[str, windows.RoomWays]
"""Rooms together with all their rivals, by id: margins, and the doors on the way."""


def ground_of(session: Session, rooms: Collection[str]) -> Ground:
    """What the openings of `rooms` depend on, apart from bookings."""
    found = _room_ways(session, rooms)
    rivals = {rival for room in found.values() for rival in room.rivals} - found.keys()
    if rivals:
        found |= _room_ways(session, rivals)
    return dict(sorted(found.items()))


def doors_on(ground: Ground, rooms: Collection[str] | None = None) -> set[str]:
    """Every door on the way to any of `rooms`, None for all of the ground."""
    ways = (way for name, way in ground.items() if rooms is None or name in rooms)
    return {door for way in ways for door in (*way.entrances, *way.doors)}


def _room_ways(session: Session, rooms: Collection[str]) -> dict[str, windows.RoomWays]:
    ways: dict[str, windows.RoomWays] = {}
    for room, before_s, after_s, rivals, door, shared in plain_rows(session, ROOM_WAYS, {"rooms": list(rooms)}):
        way = ways.setdefault(room, windows.RoomWays(room, before_s, after_s, (), rivals=tuple(rivals)))
        if shared is not None:
            own, entrances = ((), (door,)) if shared else ((door,), ())
            ways[room] = replace(way, doors=way.doors + own, entrances=way.entrances + entrances)
    return ways


def doors_to(session: Session, rooms: Collection[str]) -> list[str]:
    """Every door on the way to any of the rooms, entrances first, each once."""
    query = select(Way.door).where(Way.room.in_(rooms)).order_by(Way.place, Way.door)
    return list(dict.fromkeys(session.scalars(query)))


def rooms_of_grant(session: Session, grant: Grant) -> list[Room]:
    """The rooms of a grant, in the order they were asked."""
    places = {booking.room: booking.place for booking in grant.bookings}
    rooms = session.scalars(select(Room).where(Room.id.in_(places)))
    return sorted(rooms, key=lambda room: places[room.id])


def rooms_behind(session: Session, door: str) -> list[str]:
    """The rooms that `door` leads to."""
    return list(session.scalars(select(Way.room).where(Way.door == door)))


def rooms_through(doors: Select[str]) -> Select[str]:
    """The ids of the rooms to which any of the doors leads."""
    return select(Way.room).where(Way.door.in_(doors))


def openings_between(
    session: Session, rooms: Collection[str], start: int, until: int, doors: Collection[str] | None = None
) -> list[windows.Opening]:
    """The openings of all grants that hold their place in `rooms`, for bookings that touch the given time; at these
    `doors` only, None for all."""
    return booked_openings(session, rooms, start, until, doors)[0]


def booked_openings(
    session: Session, rooms: Collection[str], start: int, until: int, doors: Collection[str] | None = None
) -> tuple[list[windows.Opening], dict[str, Booked]]:
    """The same, and the grants by id: those of rivals too, which have no openings."""
    ground = ground_of(session, rooms)
    near = {"rooms": list(ground), "after": start - NEIGHBOUR_S, "before": until + NEIGHBOUR_S}
    rows = plain_rows(session, BOOKINGS, near)
    bookings = [windows.Booking(*row[:6]) for row in rows]
    return windows.openings(_asked(ground, rooms, doors), bookings), {row[0]: Booked(*row[6:]) for row in rows}


def _asked(ground: Ground, rooms: Collection[str], doors: Collection[str] | None) -> Iterator[windows.RoomWays]:
    """The ground, with those doors only at which openings are asked for; a rival counts as a neighbour alone."""
    for name, way in ground.items():
        if name not in rooms:
            yield replace(way, doors=(), entrances=())
        elif doors is not None:
            own, shared = (tuple(door for door in each if door in doors) for each in (way.doors, way.entrances))
            yield replace(way, doors=own, entrances=shared)
        else:
            yield way


def openings_of(session: Session, grant: Grant) -> list[windows.Opening]:
    """Every opening of one grant; none while it is pending or cancelled."""
    if not grant.bookings or grant.state not in TRAVELLING:
        return []
    start, until = min(each.start for each in grant.bookings), max(each.until for each in grant.bookings)
    around = openings_between(session, {each.room for each in grant.bookings}, start, until)
    return [opening for opening in around if opening.grant == grant.id]


def last_end(bookings: Iterable[GrantBooking]) -> int:
    """When the last booked time is over; 0 without any."""
    return max((booking.until for booking in bookings), default=0)


def take_number(session: Session, now: int) -> int:
    """The next statement number; its row stays locked until the transaction ends."""
    return take_numbers(session, now, 1)


def take_numbers(session: Session, now: int, count: int) -> int:
    """The same for as many as `count`: the first of them."""
    row = session.execute(NUMBERS).one_or_none()
    if row is None:
        session.execute(insert(NUMBER), {"id": 1, "last": 0})
        row = session.execute(NUMBERS).one()
    last, highest_reported = row
    first = next_number(last, now, highest_reported or 0)
    session.execute(update(NUMBER), {"last": first + count - 1})
    return first
