"""Times in which renters stay out of a room: closed, or not ready. They travel in the lists of the room's own doors, so
a reservation opens again by itself when the closure goes (R002-16, R004-18). Staff come in all the same."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from controller.formats.code_list import ClosureReason
from controller.formats.errors import Refused
from controller.formats.limits import LIMITS
from sync.hub.booking import lifecycle
from sync.hub.booking.pin_space import FULL
from sync.hub.events.hub_events import tell
from sync.hub.issuing.issuer import TRAVELLING
from sync.hub.store import questions
from sync.hub.store.models import Grant, GrantBooking, Reservation, RoomClosure
from sync.hub.town.clients import Caller

ClosureEvent = Literal["room.closed", "room.reopened"]


@dataclass(frozen=True)
class Closing:
    """A closure as it is asked for and answered; instants in UTC seconds."""

    room: str
    start: int
    until: int
    reason: ClosureReason


@dataclass(frozen=True)
class Closed:
    """A closure that holds, with the refs of the reservations it hits."""

    closing: Closing
    hits: tuple[str, ...]


def put(session: Session, caller: Caller, ref: str, wish: Closing, now: int) -> tuple[Closed, bool, set[str]]:
    """Create or replace a closure: what holds, whether it is new, and the doors concerned. Raises Refused
    `unknown_room`, `bad_request`, `door_full`."""
    questions.rooms_of(session, caller, [wish.room])
    if not wish.start < wish.until or wish.until <= now:
        raise Refused("bad_request", "end", "a closure ends after it starts, and not in the past")
    row = session.get(RoomClosure, (_space(caller), ref))
    created, rooms = row is None, {wish.room}
    if row is None:
        row = RoomClosure(service=_space(caller), ref=ref)
        session.add(row)
    else:
        _check_visible(session, caller, row)
        rooms.add(row.room)
        if _closing(row) == wish:
            return Closed(wish, _hits(session, wish)), False, set()
    row.room, row.start, row.until, row.reason = wish.room, wish.start, wish.until, wish.reason
    session.flush()
    _check_number(session, questions.with_rivals(session, [wish.room]), now)
    _tell(session, caller, "room.closed", wish, now)
    return Closed(wish, _hits(session, wish)), created, _doors(session, rooms)


def get(session: Session, caller: Caller, ref: str) -> Closed:
    """Raises Refused `not_found`."""
    row = session.get(RoomClosure, (_space(caller), ref))
    if row is None:
        raise Refused("not_found", "ref", f"there is no closure {ref}")
    _check_visible(session, caller, row)
    return Closed(_closing(row), _hits(session, _closing(row)))


def remove(session: Session, caller: Caller, ref: str, now: int) -> set[str]:
    """Open the room again; the doors concerned. Raises Refused `not_found`."""
    closing = get(session, caller, ref).closing
    session.delete(session.get_one(RoomClosure, (_space(caller), ref)))
    session.flush()
    _tell(session, caller, "room.reopened", closing, now)
    return _doors(session, {closing.room})


def forget_past(session: Session, before: int) -> None:
    """Forget closures that were over before this instant."""
    for row in session.scalars(select(RoomClosure).where(RoomClosure.until < before)):
        session.delete(row)


def _space(caller: Caller) -> str:
    """Where a caller's refs are unique: in its service, or with its external owner."""
    return caller.service if caller.owner is None else f"{caller.service}/{caller.owner}"


def _closing(row: RoomClosure) -> Closing:
    return Closing(row.room, row.start, row.until, row.reason)


def _check_visible(session: Session, caller: Caller, row: RoomClosure) -> None:
    if row.room not in session.scalars(questions.visible_rooms(caller)).all():
        raise Refused("not_found", "ref", f"there is no closure {row.ref}")


def _check_number(session: Session, rooms: Collection[str], now: int) -> None:
    count = select(func.count()).select_from(RoomClosure).where(RoomClosure.room.in_(rooms), RoomClosure.until > now)
    if (session.scalar(count) or 0) > FULL * LIMITS.closures:
        raise Refused("door_full", "room", "the room's doors hold as many closures as they can")


def _hit(session: Session, closing: Closing) -> list[Reservation]:
    """The reservations of renters that stand before a closed door, in the room or in what it is a part of."""
    grants = (
        select(GrantBooking.grant_id)
        .join(Grant, Grant.id == GrantBooking.grant_id)
        .where(
            GrantBooking.room.in_(questions.with_rivals(session, [closing.room])),
            GrantBooking.until > closing.start,
            GrantBooking.start < closing.until,
            Grant.kind == "renter",
            Grant.state.in_(TRAVELLING),
        )
    )
    query = select(Reservation).where(Reservation.grant_id.in_(grants)).order_by(Reservation.ref)
    return list(session.scalars(query))


def _hits(session: Session, closing: Closing) -> tuple[str, ...]:
    return tuple(each.ref for each in _hit(session, closing))


def _tell(session: Session, caller: Caller, kind: ClosureEvent, closing: Closing, now: int) -> None:
    """Tell the service, and the owner of every reservation that is hit."""
    detail = {"reason": closing.reason, "from": closing.start, "until": closing.until}
    tell(session, now, kind, service=caller.service, room=closing.room, detail=detail)
    for reservation in _hit(session, closing):
        lifecycle.tell_about(session, reservation, kind, now, room=closing.room, detail=detail)


def _doors(session: Session, rooms: Collection[str]) -> set[str]:
    return set(questions.doors_to(session, rooms))
