"""Questions to the hub's database that more than one module asks. Every function works in the caller's transaction."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Protocol

from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session

from controller.formats.errors import Refused
from sync.hub import windows
from sync.hub.issuer import TRAVELLING, next_number
from sync.hub.models import Door, DoorGroup, Grant, GrantBooking, Reservation, Room, StatementNumber, Way

NEIGHBOUR_S = 86_400
"""More than the largest margins of two rooms: whoever is further away does not clip."""


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
    found = {room.id: room for room in session.scalars(select(Room).where(Room.id.in_(visible_rooms(client))))}
    for room in ids:
        if room not in found:
            raise Refused("unknown_room", "rooms", f"there is no room {room}")
    wanted = [found[room] for room in ids]
    space = {rival for room in wanted for rival in (room.id, *room.rivals)}
    session.execute(select(Room.id).where(Room.id.in_(space)).order_by(Room.id).with_for_update()).all()
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


def room_ways(session: Session, rooms: Collection[str]) -> list[windows.RoomWays]:
    """Margins and doors of rooms, for working out openings."""
    ways: dict[str, tuple[list[str], list[str]]] = {room: ([], []) for room in rooms}
    query = (
        select(Way.room, Way.door, DoorGroup.shared)
        .join(Door, Door.id == Way.door)
        .join(DoorGroup, DoorGroup.id == Door.door_group)
        .where(Way.room.in_(rooms))
        .order_by(Way.place)
    )
    for room, door, shared in session.execute(query):
        ways[room][shared].append(door)
    return [
        windows.RoomWays(
            room.id, room.before_s, room.after_s, tuple(ways[room.id][0]), tuple(ways[room.id][1]), tuple(room.rivals)
        )
        for room in session.scalars(select(Room).where(Room.id.in_(rooms)).order_by(Room.id))
    ]


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


def openings_between(session: Session, rooms: Collection[str], start: int, until: int) -> list[windows.Opening]:
    """The openings of all grants that hold their place in `rooms`, for bookings that touch the given time."""
    space = with_rivals(session, rooms)
    columns = (GrantBooking.grant_id, GrantBooking.room, GrantBooking.start, GrantBooking.until)
    query = (
        select(*columns, Grant.kind, Grant.share_group)
        .join(Grant, Grant.id == GrantBooking.grant_id)
        .where(
            GrantBooking.room.in_(space),
            GrantBooking.until > start - NEIGHBOUR_S,
            GrantBooking.start < until + NEIGHBOUR_S,
            Grant.state.in_(TRAVELLING),
        )
    )
    bookings = [
        windows.Booking(grant, room, begins, ends, kind == "renter", share_group)
        for grant, room, begins, ends, kind, share_group in session.execute(query)
    ]
    wanted = set(rooms)
    return [each for each in windows.openings(room_ways(session, space), bookings) if each.room in wanted]


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
    row = session.get(StatementNumber, 1, with_for_update=True)
    if row is None:
        row = StatementNumber(id=1, last=0)
        session.add(row)
    highest_reported = session.scalar(select(func.max(Door.highest_version))) or 0
    first = next_number(row.last, now, highest_reported)
    row.last = first + count - 1
    session.flush()
    return first
