"""What a client asks for, and the rules that need the database: whose rooms, which revision, who was first.

The reservation system owns availability; the hub is the second lock (R002-08): two renters never hold the same room at
the same time. Every function works in the caller's transaction, with the rooms' rows locked.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from sqlalchemy import bindparam, or_, select
from sqlalchemy.orm import Session

from controller.formats.code_list import Kind, Window
from controller.formats.encoding import canonical
from controller.formats.errors import Refused
from sync.hub.booking.codes import Randomness
from sync.hub.booking.credentials import GRANT_PREFIX
from sync.hub.booking.occurrences import MAX_LONG_WINDOWS, MAX_WINDOWS, Hours, LocalRoom, Pattern
from sync.hub.issuing.issuer import TRAVELLING, GrantState
from sync.hub.store import questions
from sync.hub.store.bulk import add_rows
from sync.hub.store.models import Delivery, Grant, GrantBooking, Reservation, Room

AHEAD_S = 731 * 86_400
"""24 months (R002-26)."""

ROTATE_S = 83 * 86_400
OVERLAP_S = 7 * 86_400
"""A code of a long-term grant gets a successor after 83 days and ends 7 days later: none lives over 90 (R004-20)."""

Method = Literal["pin", "qr"]

OVERLAPPING: Final = (
    select(Reservation.ref, GrantBooking.start, GrantBooking.until)
    .join(Grant, Grant.id == Reservation.grant_id)
    .join(GrantBooking, GrantBooking.grant_id == Grant.id)
    .where(
        GrantBooking.room.in_(bindparam("rooms", expanding=True)),
        GrantBooking.until > bindparam("after"),
        GrantBooking.start < bindparam("before"),
        Grant.id != bindparam("grant"),
        Grant.kind == "renter",
        Grant.state.in_(TRAVELLING),
    )
    .order_by(GrantBooking.start)
)
"""Who else holds rooms at a time: put together once (see questions.py)."""


@dataclass(frozen=True, kw_only=True)
class Wish:
    """One reservation as a client wants it. `windows` are booked times in UTC seconds, without margins; `patterns` give
    more of them in the rooms' own time. `reveal_s` is how long before the first window codes may be shown, 0 at once,
    None as the rooms say; `replaces` a reservation of the same client that this one takes over from, codes included;
    `share_group` lets renters who name the same one hold a room together; `max_uses` bounds the entries."""

    revision: int
    state: GrantState
    kind: Kind
    rooms: tuple[str, ...]
    windows: tuple[Window, ...]
    patterns: tuple[Pattern, ...] = ()
    holder: Mapping[str, str]
    methods: tuple[Method, ...] = ("pin", "qr")
    reveal_s: int | None = None
    language: str = "nl"
    correlation: Mapping[str, str]
    replaces: str | None = None
    share_group: str | None = None
    max_uses: int | None = None

    @property
    def digest(self) -> str:
        """SHA-256 of everything asked: the same revision with another digest is another reservation."""
        return hashlib.sha256(canonical(vars(self))).hexdigest()


class Overlap(Refused):
    """Another renter holds the room at that time; `reservation` is that reservation's ref."""

    def __init__(self, room: str, reservation: str) -> None:
        super().__init__("overlap", "windows", f"room {room} is held by reservation {reservation} at that time")
        self.reservation = reservation


def booked_windows(wish: Wish, rooms: Sequence[Room], now: int) -> list[Window]:
    """Every booked time of a wish, sorted, patterns expanded in the rooms' zone. A cancellation needs none.

    Raises Refused `window_required`, `too_far_ahead`, `bad_request`."""
    if wish.state == "cancelled":
        return []
    if not wish.rooms or len(set(wish.rooms)) != len(wish.rooms):
        raise Refused("bad_request", "rooms", "a reservation names at least one room, each once")
    found = sorted([*wish.windows, *_expanded(wish, rooms)])
    if not found:
        raise Refused("window_required", "windows", "a reservation needs at least one window with start and end")
    long_term = any(isinstance(pattern, Hours) for pattern in wish.patterns)
    most = MAX_LONG_WINDOWS if long_term else MAX_WINDOWS
    if len(found) > most:
        raise Refused("bad_request", "windows", f"at most {most} windows")
    last = 0
    for index, (start, until) in enumerate(found):
        if start < last:
            raise Refused("bad_request", f"windows[{index}]", "two windows of one reservation overlap")
        last = until
    if last > now + AHEAD_S:
        raise Refused("too_far_ahead", "windows", "no window may end more than 24 months from now")
    return found


def _expanded(wish: Wish, rooms: Sequence[Room]) -> list[Window]:
    locals_ = [LocalRoom(room.time_zone, room.opening_hours) for room in rooms]
    found: list[Window] = []
    for pattern in wish.patterns:
        windows = [pattern.windows(room) for room in locals_]
        if any(each != windows[0] for each in windows):
            text = "the rooms differ in time zone or opening hours; give start and end, or a reservation for each"
            raise Refused("bad_request", "rooms", text)
        found += windows[0] if windows else []
    return found


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


def new_reservation(client: str, ref: str, chance: Randomness) -> Reservation:
    """An empty reservation with a grant of its own, not yet active. Should the grant's id be taken, the transaction
    fails and is tried again with another one."""
    grant_id = f"{GRANT_PREFIX}{chance.take_bytes(5).hex()}"
    grant = Grant(
        id=grant_id, kind="renter", state="pending", methods=[], reveal_at=0, ready_at=None, bookings=[], credentials=[]
    )
    return Reservation(client=client, ref=ref, grant=grant)


def write(
    session: Session, reservation: Reservation, wish: Wish, rooms: Sequence[Room], windows: Sequence[Window], now: int
) -> set[str]:
    """Make the reservation say what is wished, for the booked `windows`, and return every door that this may concern:
    those of its rooms and their rivals, before and after. Raises `Overlap`."""
    grant = reservation.grant
    concerned = {booking.room for booking in grant.bookings} | {room.id for room in rooms}
    reservation.revision, reservation.digest = wish.revision, wish.digest
    reservation.holder, reservation.correlation = dict(wish.holder), dict(wish.correlation)
    reservation.language = wish.language
    grant.kind, grant.state, grant.methods = wish.kind, wish.state, list(wish.methods)
    grant.share_group, grant.max_uses = wish.share_group, wish.max_uses
    if wish.state != "cancelled":
        grant.bookings = [
            GrantBooking(room=room.id, place=place, start=start, until=until)
            for place, room in enumerate(rooms)
            for start, until in windows
        ]
        reveal_s = max(room.reveal_s for room in rooms) if wish.reveal_s is None else wish.reveal_s
        grant.reveal_at = max(now, windows[0][0] - reveal_s) if reveal_s else now
        grant.rotate_at = _next_rotation(grant, wish, windows, now)
        grant.ended = False
    new = reservation not in session
    session.add(reservation)
    session.flush()
    ground = questions.ground_of(session, concerned)
    _check_overlap(session, grant, ground)
    await_delivery(session, grant, questions.doors_on(ground, concerned), now, new=new)
    return questions.doors_on(ground)


def await_delivery(session: Session, grant: Grant, doors: Collection[str], now: int, *, new: bool = False) -> None:
    """From `now` on each of these doors has to report a list that holds what the grant is now; a `new` grant is not
    awaited anywhere yet."""
    known = () if new else session.scalars(select(Delivery).where(Delivery.grant_id == grant.id))
    before = {each.door: each for each in known}
    first = [{"grant_id": grant.id, "door": door, "since": now} for door in doors if door not in before]
    add_rows(session, Delivery, first)
    for delivery in before.values():
        # Also where no list has had it yet: its QR may open by itself there.
        delivery.held_before = True
        delivery.version = None
        delivery.asked, delivery.since = delivery.asked + 1, now
    session.flush()


def _next_rotation(grant: Grant, wish: Wish, windows: Sequence[Window], now: int) -> int | None:
    """When a long-term grant gets its next code: hours over months, or a single stretch that long. A season of
    evenings keeps one code (R002-21)."""
    begins, ends = max(windows[0][0], now), windows[-1][1]
    long_term = len(windows) == 1 or any(isinstance(pattern, Hours) for pattern in wish.patterns)
    if not long_term or ends - begins <= ROTATE_S + OVERLAP_S:
        return None
    return grant.rotate_at if grant.rotate_at is not None and grant.rotate_at > now else begins + ROTATE_S


def take_over(session: Session, reservation: Reservation, replaced: Reservation) -> None:
    """Move the codes of a cancelled reservation to the one that replaces it (R003-02)."""
    for credential in list(replaced.grant.credentials):
        credential.grant = reservation.grant
    session.flush()


def cancel(session: Session, reservation: Reservation, now: int) -> set[str]:
    """End a reservation and return every door this may concern."""
    reservation.grant.state = "cancelled"
    rooms = {booking.room for booking in reservation.grant.bookings}
    ground = questions.ground_of(session, rooms)
    await_delivery(session, reservation.grant, questions.doors_on(ground, rooms), now)
    return questions.doors_on(ground)


def _check_overlap(session: Session, grant: Grant, ground: questions.Ground) -> None:
    """Another party of renters in the same room or one of its rivals, at a time booked here (R002-08)."""
    if grant.kind != "renter" or grant.state not in TRAVELLING or not grant.bookings:
        return
    strangers = or_(Grant.share_group.is_(None), Grant.share_group != grant.share_group)
    query = OVERLAPPING if grant.share_group is None else OVERLAPPING.where(strangers)
    for room in sorted({booking.room for booking in grant.bookings}):
        own = [(each.start, each.until) for each in grant.bookings if each.room == room]
        around = {
            "rooms": [room, *ground[room].rivals], "grant": grant.id,
            "after": min(start for start, _ in own), "before": max(until for _, until in own),
        }  # fmt: skip
        for ref, start, until in questions.plain_rows(session, query, around):
            if any(start < own_until and own_start < until for own_start, own_until in own):
                raise Overlap(room, ref)
