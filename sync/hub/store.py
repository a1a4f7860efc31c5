"""Questions to the hub's database that more than one module asks. Every function works in the caller's transaction."""

from __future__ import annotations

import hmac
from collections.abc import Collection, Iterable, Sequence

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from controller.formats.errors import Refused
from sync.hub import windows
from sync.hub.issuer import TRAVELLING, next_number
from sync.hub.models import Client, Door, DoorGroup, Grant, GrantBooking, Reservation, Room, StatementNumber, Way

# More than the largest margins of two rooms: whoever is further away does not clip.
NEIGHBOUR_S = 86_400


def client_by_token(session: Session, client_id: str, token_hash: str) -> Client | None:
    """The client, if its token has this hash. Takes the same time whichever character differs."""
    client = session.get(Client, client_id)
    known = client.token_hash if client is not None and client.token_hash is not None else ""
    return client if hmac.compare_digest(known, token_hash) else None


def rooms_of(session: Session, service: str, ids: Sequence[str]) -> list[Room]:
    """The rooms in the order asked, locked until the transaction ends: two reservations of one room queue up here.
    Raises Refused `unknown_room`, also for a room of another service."""
    query = select(Room).where(Room.id.in_(ids), Room.service == service).order_by(Room.id).with_for_update()
    found = {room.id: room for room in session.scalars(query)}
    for room in ids:
        if room not in found:
            raise Refused("unknown_room", "rooms", f"there is no room {room}")
    return [found[room] for room in ids]


def reservation_of(session: Session, client: str, ref: str) -> Reservation:
    """Raises Refused `not_found`."""
    reservation = session.get(Reservation, (client, ref))
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
        windows.RoomWays(room.id, room.before_s, room.after_s, tuple(ways[room.id][0]), tuple(ways[room.id][1]))
        for room in session.scalars(select(Room).where(Room.id.in_(rooms)).order_by(Room.id))
    ]


def doors_to(session: Session, rooms: Collection[str]) -> list[str]:
    """Every door on the way to any of the rooms, entrances first, each once."""
    query = select(Way.door).where(Way.room.in_(rooms)).order_by(Way.place, Way.door)
    return list(dict.fromkeys(session.scalars(query)))


def rooms_behind(session: Session, door: str) -> list[str]:
    """The rooms that `door` leads to."""
    return list(session.scalars(select(Way.room).where(Way.door == door)))


def openings_between(session: Session, rooms: Collection[str], start: int, until: int) -> list[windows.Opening]:
    """The openings of all grants that hold their place in `rooms`, for bookings that touch the given time."""
    query = (
        select(GrantBooking, Grant.kind)
        .join(Grant, Grant.id == GrantBooking.grant_id)
        .where(
            GrantBooking.room.in_(rooms),
            GrantBooking.until > start - NEIGHBOUR_S,
            GrantBooking.start < until + NEIGHBOUR_S,
            Grant.state.in_(TRAVELLING),
        )
    )
    bookings = [
        windows.Booking(booking.grant_id, booking.room, booking.start, booking.until, kind == "renter")
        for booking, kind in session.execute(query)
    ]
    return windows.openings(room_ways(session, rooms), bookings)


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
    row = session.get(StatementNumber, 1, with_for_update=True)
    if row is None:
        row = StatementNumber(id=1, last=0)
        session.add(row)
    highest_reported = session.scalar(select(func.max(Door.highest_version))) or 0
    row.last = next_number(row.last, now, highest_reported)
    session.flush()
    return row.last
