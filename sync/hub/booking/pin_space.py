"""Whether a door has room for one more PIN and one more grant.

Pure, apart from the questions at the end. A PIN is *live* at a door from `early_hint_s` before its opening until the
opening ends: only then does a guess that meets it tell or open something. A PIN set is made for so many live PINs at
one door, and its length and refill follow from that (codes.pin_rule); keeping to the number is what keeps blind
guessing for a day below one chance in ten thousand (X-11).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Final

from sqlalchemy import bindparam, func, or_, select
from sqlalchemy.orm import Session

from controller.formats.code_list import Window
from controller.formats.errors import Refused
from controller.formats.limits import LIMITS
from sync.hub.booking.windows import merged
from sync.hub.issuing.issuer import HORIZON_AHEAD_S, HORIZON_BACK_S, TRAVELLING
from sync.hub.store import questions
from sync.hub.store.models import Credential, Door, DoorGroup, DoorList, Grant, GrantBooking, PinSet, Way

FULL = 0.8
"""A reservation that would fill a door's list beyond this share of its limits is refused (`door_full`)."""

GRANTS_FULL = int(FULL * LIMITS.list_grants)

GRANT_BYTES, WINDOW_BYTES, CODE_BYTES = 160, 26, 90
"""What a grant, one of its windows and one of its codes take in a list at most."""

APART_S = 3 * 86_400
"""Booked times closer together than this are looked at together."""

# Put together once (see questions.py).
LIMITS_OF_DOORS: Final = (
    select(Door.id, DoorGroup.policy, DoorGroup.pin_set, PinSet.live, func.length(DoorList.envelope))
    .join(DoorGroup, DoorGroup.id == Door.door_group)
    .join(PinSet, PinSet.id == DoorGroup.pin_set)
    .outerjoin(DoorList, DoorList.door == Door.id)
    .where(Door.id.in_(questions.DOORS_TO))
    .order_by(Door.id)
)
BEHIND: Final = select(Way.door, Way.room).where(Way.door.in_(questions.DOORS_TO))
GRANTS_BOOKED: Final = (
    select(func.count(GrantBooking.grant_id.distinct()))
    .join(Grant, Grant.id == GrantBooking.grant_id)
    .where(GrantBooking.room.in_(bindparam("rooms", expanding=True)), Grant.state.in_(TRAVELLING))
    .where(GrantBooking.until > bindparam("after"), GrantBooking.start < bindparam("before"))
)
LIVING_PINS: Final = (
    select(Credential.grant_id, func.count())
    .where(Credential.grant_id.in_(bindparam("grants", expanding=True)), Credential.pin_set == bindparam("pin_set"))
    .where(Credential.sealed.is_not(None), or_(Credential.ends_at.is_(None), Credential.ends_at > bindparam("now")))
    .group_by(Credential.grant_id)
)


@dataclass(frozen=True)
class LivePins:
    """`count` PINs of one grant that are live during each of `windows`, which do not overlap."""

    windows: tuple[Window, ...]
    count: int


def most_live(own: LivePins, others: Iterable[LivePins]) -> int:
    """How many PINs are live at once, at the worst instant of the own windows."""
    changes: list[tuple[int, int, bool]] = []
    for live, mine in [(own, True), *((other, False) for other in others)]:
        for start, until in live.windows:
            changes += [(start, live.count, mine), (until, -live.count, mine)]
    most = together = mine_now = 0
    # An end comes before a start at the same instant: windows are half-open.
    for _, change, mine in sorted(changes):
        together += change
        mine_now += change if mine else 0
        if mine_now:
            most = max(most, together)
    return most


def check_room_left(session: Session, grant: Grant, rooms: Collection[str], now: int) -> None:
    """Raises Refused `pin_space_low` or `door_full` when an active grant of these rooms is one too many for one of the
    doors to them."""
    booked = sorted((each.start, each.until) for each in grant.bookings if each.until > now)
    if not booked:
        return
    booked_rooms = {"rooms": list(rooms)}
    behind: dict[str, list[str]] = {}
    for door, room in questions.plain_rows(session, BEHIND, booked_rooms):
        behind.setdefault(door, []).append(room)
    for door, policy, pin_set, most, size in questions.plain_rows(session, LIMITS_OF_DOORS, booked_rooms):
        _check_size(grant, door, size or 0)
        _check_count(session, door, behind[door], booked)
        for stretch in _stretches(booked):
            _check_live(session, grant, door, behind[door], stretch, policy["early_hint_s"], pin_set, most, now)


def _check_live(
    session: Session, grant: Grant, door: str, rooms: list[str], stretch: Window, early_s: int, pin_set: str, most: int,
    now: int,
) -> None:  # fmt: skip
    openings: dict[str, list[Window]] = {}
    for each in questions.openings_between(session, rooms, stretch[0] - early_s, stretch[1] + early_s, {door}):
        if each.until > now:
            openings.setdefault(each.grant, []).append((each.start - early_s, each.until))
    pins = _pins(session, openings, pin_set, now)
    live = {name: LivePins(merged(found), pins.get(name, 0)) for name, found in openings.items()}
    own = live.pop(grant.id, None)
    if own is not None and own.count and most_live(own, live.values()) > most:
        text = f"the PIN set of door {door} is made for {most} live PINs at a door"
        raise Refused("pin_space_low", "windows", text)


def _stretches(booked: list[Window]) -> list[Window]:
    """The booked time in stretches, so that a weekly evening does not ask for everything of the year between."""
    found: list[Window] = []
    for start, until in booked:
        if found and start - found[-1][1] <= APART_S:
            found[-1] = (found[-1][0], max(found[-1][1], until))
        else:
            found.append((start, until))
    return found


def _check_size(grant: Grant, door: str, size: int) -> None:
    """The list as it is, `size` bytes of base64 in its envelope, and what this grant may add to it."""
    living = sum(each.sealed is not None for each in grant.credentials)
    adds = GRANT_BYTES + WINDOW_BYTES * len(grant.bookings) + CODE_BYTES * living
    if size * 3 // 4 + adds > FULL * LIMITS.list_payload_bytes:
        raise Refused("door_full", door, "the door holds as many grants as it can")


def _check_count(session: Session, door: str, rooms: list[str], booked: list[Window]) -> None:
    """Grants that one list has to hold together: all within a horizon of the start of one of the own windows."""

    def near(start: int, until: int) -> int:
        within = {"after": start - HORIZON_BACK_S, "before": until + HORIZON_AHEAD_S}
        return int(questions.plain_rows(session, GRANTS_BOOKED, {"rooms": rooms, **within})[0][0])

    if near(booked[0][0], booked[-1][0]) <= GRANTS_FULL:
        return
    if any(near(start, start) > GRANTS_FULL for start, _ in booked):
        raise Refused("door_full", "windows", f"door {door} has no room for one more grant at that time")


def _pins(session: Session, grants: Collection[str], pin_set: str, now: int) -> dict[str, int]:
    """How many living PINs each grant has in a PIN set."""
    living = questions.plain_rows(session, LIVING_PINS, {"grants": list(grants), "pin_set": pin_set, "now": now})
    return {row[0]: row[1] for row in living}
