"""Is a door ready, is a room free, and what needs a person: questions to what doors last reported (R000-05, R002-28).

A door is green when every condition holds; each has a name that stays. Nothing here tells who is in a room.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Literal

from sqlalchemy import exists, func, select
from sqlalchemy.orm import Session

from controller.formats.code_list import ClosureReason
from sync.hub.doors import in_service
from sync.hub.issuing.issuer import DAY_S, VALID_S
from sync.hub.store import questions
from sync.hub.store.models import (
    Client,
    Delivery,
    Door,
    DoorList,
    Grant,
    GrantBooking,
    Handover,
    Reservation,
    Room,
    RoomClosure,
    Way,
)

ONLINE_S = 180
"""A door reports every minute; three silent minutes are no coincidence."""

BEHIND_S = 120
"""So long a door may take to report its newest list."""

OFFSET_MAX_S = 60
"""How far a door's clock may be off, as far as its last report tells."""

SELF_TEST_DAYS = 3
"""A unit tests itself every night."""

LATE_S = 3_600
"""A reservation that its door does not hold an hour before it starts needs a person."""

Condition = Literal[
    "enrolled", "online", "list_current", "list_fresh", "clock", "clock_offset", "faults", "in_service", "self_test",
    "posture",
]  # fmt: skip
SURE_CLOCKS = frozenset({"synced", "holdover"})


@dataclass(frozen=True)
class Check:
    """One condition of a door: whether it holds, and what was seen."""

    condition: Condition
    ok: bool
    seen: str


@dataclass(frozen=True)
class DoorReadiness:
    """A door: `ready` when every check holds."""

    door: str
    checks: tuple[Check, ...]

    @property
    def ready(self) -> bool:
        """Green or red."""
        return all(check.ok for check in self.checks)

    @property
    def line(self) -> str:
        """One line for people: `green`, or `red` and what is wrong."""
        wrong = ", ".join(f"{check.condition} ({check.seen})" for check in self.checks if not check.ok)
        return f"red: {wrong}" if wrong else "green"


@dataclass(frozen=True)
class RoomStatus:
    """A room now: `occupied` by a booking of a renter, `closed` by a closure (its reason), ready when all its doors
    are; `next_start` is when the next renter's booking begins within a day."""

    room: str
    ready: bool
    occupied: bool
    closed: ClosureReason | None
    next_start: int | None
    doors: tuple[DoorReadiness, ...]


@dataclass(frozen=True)
class Late:
    """A reservation that `door` does not hold although it starts at `start`."""

    client: str
    reservation: str
    door: str
    start: int


@dataclass(frozen=True)
class Unheard:
    """A reservation of which its client has not told that the holder got the codes, although it starts at `start`."""

    client: str
    reservation: str
    start: int


def door_readiness(session: Session, door: Door, now: int) -> DoorReadiness:
    """Every condition of one door at `now` (UTC seconds)."""
    return doors_readiness(session, [door], now)[0]


def doors_readiness(session: Session, doors: Sequence[Door], now: int) -> list[DoorReadiness]:
    """The same for several doors, in their order."""
    names = [door.id for door in doors]
    columns = select(DoorList.door, DoorList.version, DoorList.published_at).where(DoorList.door.in_(names))
    lists = {name: (version, published) for name, version, published in session.execute(columns)}
    known = in_service.standings(session, names)
    return [_readiness(door, known[door.id], *lists.get(door.id, (0, None)), now) for door in doors]


def _readiness(
    door: Door, known: in_service.DoorService, version: int, published: int | None, now: int
) -> DoorReadiness:
    silent = None if door.reported_at is None else now - door.reported_at
    held = version > 0 and door.reported_version >= version
    catching_up = published is not None and now - published <= BEHIND_S
    age = now - door.reported_version
    offset = None
    if door.reported_clock_ms is not None and door.reported_at is not None:
        offset = door.reported_clock_ms // 1000 - door.reported_at
    faults = door.reported_faults or []
    why_not = in_service.why_not_by(known, door)
    checks = (
        Check("enrolled", door.event_key is not None, "event key" if door.event_key else "no event key"),
        Check(
            "online",
            silent is not None and silent <= ONLINE_S,
            "never heard" if silent is None else f"last heard {silent} s ago",
        ),
        Check("list_current", held or catching_up, f"holds {door.reported_version}, current {version}"),
        # A version is not below its list's second of issue: this is the list's age, or more favourable by seconds.
        Check(
            "list_fresh",
            door.reported_version > 0 and age < VALID_S - DAY_S,
            f"{max(age, 0) // DAY_S} days old" if door.reported_version else "none",
        ),
        Check("clock", door.reported_clock in SURE_CLOCKS, door.reported_clock or "unknown"),
        Check(
            "clock_offset",
            offset is not None and abs(offset) <= OFFSET_MAX_S,
            "unknown" if offset is None else f"{offset} s",
        ),
        Check("faults", not faults, " ".join(faults) or "none"),
        Check("in_service", why_not is None, why_not or ("commissioned" if known.required else "not required")),
        _self_test(known, now),
        Check("posture", door.reported_posture != "lockdown", door.reported_posture or "unknown"),
    )
    return DoorReadiness(door.id, checks)


def _self_test(known: in_service.DoorService, now: int) -> Check:
    """What the unit last found of itself: relay, camera focus, certificate and the rest (R000-05)."""
    if known.doctor_at is None:
        return Check("self_test", True, "never run")
    red = [name for name, colour in known.doctor.items() if colour == "red"]
    amber = [name for name, colour in known.doctor.items() if colour == "amber"]
    days = max(0, now - known.doctor_at) // DAY_S
    if days >= SELF_TEST_DAYS:
        return Check("self_test", False, f"{days} days ago")
    said = [f"red: {' '.join(red)}"] if red else []
    said += [f"amber: {' '.join(amber)}"] if amber else []
    return Check("self_test", not red, "; ".join(said) or f"{len(known.doctor)} checks green")


def room_status(session: Session, room: Room, now: int) -> RoomStatus:
    """A room and the doors on the way to it."""
    names = questions.doors_to(session, [room.id])
    doors = {door.id: door for door in session.scalars(select(Door).where(Door.id.in_(names)))}
    readiness = tuple(doors_readiness(session, [doors[name] for name in names], now))
    space = questions.with_rivals(session, [room.id])
    bookings = session.execute(
        select(GrantBooking.start, GrantBooking.until)
        .join(Grant, Grant.id == GrantBooking.grant_id)
        .where(GrantBooking.room.in_(space), GrantBooking.until > now, GrantBooking.start < now + DAY_S)
        .where(Grant.kind == "renter", Grant.state == "active")
        .order_by(GrantBooking.start)
    ).all()
    closed = session.scalar(
        select(RoomClosure.reason)
        .where(RoomClosure.room.in_(space), RoomClosure.start <= now, RoomClosure.until > now)
        .order_by(RoomClosure.reason)
    )
    return RoomStatus(
        room=room.id,
        ready=all(each.ready for each in readiness) and closed is None,
        occupied=any(start <= now for start, _ in bookings),
        closed=closed,
        next_start=next((start for start, _ in bookings if start > now), None),
        doors=readiness,
    )


def late(session: Session, now: int, rooms: Collection[str] | None = None) -> list[Late]:
    """The reservations that start within the hour, or have started, and are not held by one of their doors. One that
    was booked a moment ago is on its way."""
    query = (
        select(Reservation.client, Reservation.ref, Delivery, Door, GrantBooking.start)
        .join(Grant, Grant.id == Reservation.grant_id)
        .join(GrantBooking, GrantBooking.grant_id == Grant.id)
        .join(Way, Way.room == GrantBooking.room)
        .join(Delivery, (Delivery.grant_id == Grant.id) & (Delivery.door == Way.door))
        .join(Door, Door.id == Delivery.door)
        .where(GrantBooking.start <= now + LATE_S, GrantBooking.until > now, Grant.state == "active")
        .where(Delivery.since <= now - BEHIND_S)
        .order_by(GrantBooking.start, Reservation.ref, Door.id)
    )
    if rooms is not None:
        query = query.where(GrantBooking.room.in_(rooms))
    found: dict[tuple[str, str, str], Late] = {}
    for client, ref, delivery, door, start in session.execute(query):
        if delivery.version is None or door.reported_version < delivery.version:
            found.setdefault((client, ref, door.id), Late(client, ref, door.id, start))
    return list(found.values())


def not_handed_over(session: Session, now: int, rooms: Collection[str]) -> list[Unheard]:
    """The reservations of clients that tell of handovers, to start within a day, of which none succeeded (R004-10)."""
    told = exists().where(Handover.grant_id == Grant.id, Handover.ok.is_(True))
    query = (
        select(Reservation.client, Reservation.ref, func.min(GrantBooking.start))
        .join(Grant, Grant.id == Reservation.grant_id)
        .join(GrantBooking, GrantBooking.grant_id == Grant.id)
        .join(Client, Client.id == Reservation.client)
        .where(GrantBooking.room.in_(rooms), Client.handovers.is_(True), Grant.state == "active", ~told)
        .where(Grant.reveal_at <= now, GrantBooking.until > now)
        .group_by(Reservation.client, Reservation.ref)
        .having(func.min(GrantBooking.start) <= now + DAY_S)
        .order_by(func.min(GrantBooking.start), Reservation.ref)
    )
    return [Unheard(*row) for row in session.execute(query)]
