"""What a client asks for, and the rules that need the database: whose rooms, which revision, who was first.

The reservation system owns availability; the hub is the second lock (R002-08): two renters never hold the same room at
the same time. Every function works in the caller's transaction, with the rooms' rows locked.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from controller.formats.code_list import Kind, Window
from controller.formats.encoding import canonical
from controller.formats.errors import Refused
from sync.hub import store
from sync.hub.codes import Randomness
from sync.hub.credentials import GRANT_PREFIX
from sync.hub.issuer import TRAVELLING, GrantState
from sync.hub.models import Delivery, Grant, GrantBooking, Reservation, Room

MAX_WINDOWS = 400
AHEAD_S = 731 * 86_400
"""24 months (R002-26)."""

Method = Literal["pin", "qr"]


@dataclass(frozen=True, kw_only=True)
class Wish:
    """One reservation as a client wants it. `windows` are booked times in UTC seconds, without margins; `reveal_s` is
    how long before the first window codes may be shown, None for at once; `replaces` a reservation of the same client
    that this one takes over from, codes included."""

    revision: int
    state: GrantState
    kind: Kind
    rooms: tuple[str, ...]
    windows: tuple[Window, ...]
    holder: Mapping[str, str]
    methods: tuple[Method, ...] = ("pin", "qr")
    reveal_s: int | None = None
    language: str = "nl"
    correlation: Mapping[str, str]
    replaces: str | None = None

    @property
    def digest(self) -> str:
        """SHA-256 of everything asked: the same revision with another digest is another reservation."""
        return hashlib.sha256(canonical(vars(self))).hexdigest()


class Overlap(Refused):
    """Another renter holds the room at that time; `reservation` is that reservation's ref."""

    def __init__(self, room: str, reservation: str) -> None:
        super().__init__("overlap", "windows", f"room {room} is held by reservation {reservation} at that time")
        self.reservation = reservation


def check_wish(wish: Wish, now: int) -> None:
    """The rules that need the time. Raises Refused `window_required`, `too_far_ahead`, `bad_request`."""
    if wish.state == "cancelled":
        return
    if not wish.windows:
        raise Refused("window_required", "windows", "a reservation needs at least one window with start and end")
    if not wish.rooms or len(set(wish.rooms)) != len(wish.rooms):
        raise Refused("bad_request", "rooms", "a reservation names at least one room, each once")
    last = 0
    for index, (start, until) in enumerate(sorted(wish.windows)):
        if start < last:
            raise Refused("bad_request", f"windows[{index}]", "two windows of one reservation overlap")
        last = until
    if last > now + AHEAD_S:
        raise Refused("too_far_ahead", "windows", "no window may end more than 24 months from now")


def is_repeat(reservation: Reservation, wish: Wish) -> bool:
    """Whether the client sends again what already holds. Raises Refused `stale_revision` for an older revision, or
    for the same one with other words; `bad_request` for life after a cancellation."""
    if wish.revision == reservation.revision and wish.digest == reservation.digest:
        return True
    if wish.revision <= reservation.revision:
        text = f"revision {reservation.revision} is already here; a change needs a higher one"
        raise Refused("stale_revision", "revision", text)
    if reservation.grant.state == "cancelled" and wish.state != "cancelled":
        raise Refused("bad_request", "state", "a cancelled reservation stays cancelled; use another ref")
    return False


def new_reservation(session: Session, client: str, ref: str, chance: Randomness) -> Reservation:
    """An empty reservation with a grant of its own, not yet active."""
    grant_id = _new_id(chance)
    while session.get(Grant, grant_id) is not None:
        grant_id = _new_id(chance)
    grant = Grant(id=grant_id, kind="renter", state="pending", methods=[], reveal_at=0, bookings=[], credentials=[])
    return Reservation(client=client, ref=ref, grant=grant)


def write(session: Session, reservation: Reservation, wish: Wish, rooms: Sequence[Room], now: int) -> set[str]:
    """Make the reservation say what is wished and return every door that this may concern: those of its rooms
    before and after. Raises `Overlap`."""
    grant = reservation.grant
    concerned = {booking.room for booking in grant.bookings} | {room.id for room in rooms}
    reservation.revision, reservation.digest = wish.revision, wish.digest
    reservation.holder, reservation.correlation = dict(wish.holder), dict(wish.correlation)
    reservation.language = wish.language
    grant.kind, grant.state, grant.methods = wish.kind, wish.state, list(wish.methods)
    grant.reveal_at = now
    if wish.state != "cancelled":
        grant.bookings = [
            GrantBooking(room=room.id, place=place, start=start, until=until)
            for place, room in enumerate(rooms)
            for start, until in sorted(wish.windows)
        ]
        if wish.reveal_s is not None:
            grant.reveal_at = max(now, min(wish.windows)[0] - wish.reveal_s)
    session.add(reservation)
    session.flush()
    _check_overlap(session, grant)
    doors = set(store.doors_to(session, concerned))
    session.execute(delete(Delivery).where(Delivery.grant_id == grant.id))
    session.add_all(Delivery(grant_id=grant.id, door=door) for door in doors)
    session.flush()
    return doors


def take_over(session: Session, reservation: Reservation, replaced: Reservation) -> set[str]:
    """Move the codes of a cancelled reservation to the one that replaces it (R003-02). Returns the doors of the
    replaced one."""
    for credential in list(replaced.grant.credentials):
        credential.grant = reservation.grant
    doors = set(store.doors_to(session, {booking.room for booking in replaced.grant.bookings}))
    session.execute(delete(Delivery).where(Delivery.grant_id == replaced.grant_id))
    session.add_all(Delivery(grant_id=replaced.grant_id, door=door) for door in doors)
    session.flush()
    return doors


def _new_id(chance: Randomness) -> str:
    return f"{GRANT_PREFIX}{chance.take_bytes(5).hex()}"


def _check_overlap(session: Session, grant: Grant) -> None:
    if grant.kind != "renter" or grant.state not in TRAVELLING:
        return
    for booking in grant.bookings:
        query = (
            select(Reservation.ref)
            .join(Grant, Grant.id == Reservation.grant_id)
            .join(GrantBooking, GrantBooking.grant_id == Grant.id)
            .where(
                GrantBooking.room == booking.room,
                GrantBooking.until > booking.start,
                GrantBooking.start < booking.until,
                Grant.id != grant.id,
                Grant.kind == "renter",
                Grant.state.in_(TRAVELLING),
            )
            .limit(1)
        )
        other = session.scalar(query)
        if other is not None:
            raise Overlap(booking.room, other)
