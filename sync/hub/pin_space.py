"""Whether a door has room for one more PIN and one more grant.

Pure, apart from the questions at the end. A PIN is *live* at a door from `early_hint_s` before its opening until the
opening ends: only then does a guess that meets it tell or open something. A PIN set is made for so many live PINs at
one door, and its length and refill follow from that (codes.pin_rule); keeping to the number is what keeps blind
guessing for a day below one chance in ten thousand (X-11).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session

from controller.formats.code_list import Window
from controller.formats.errors import Refused
from controller.formats.limits import LIMITS
from sync.hub import store
from sync.hub.issuer import HORIZON_AHEAD_S, HORIZON_BACK_S
from sync.hub.models import Credential, Door, DoorGroup, Grant, PinSet
from sync.hub.windows import merged

FULL = 0.8
"""A reservation that would fill a door's list beyond this share of its limits is refused (`door_full`)."""

GRANTS_FULL = int(FULL * LIMITS.list_grants)


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


def check_room_left(session: Session, grant: Grant, doors: Collection[str], now: int) -> None:
    """Raises Refused `pin_space_low` or `door_full` when an active grant is one too many for one of its doors."""
    for door in sorted(doors):
        _check_door(session, grant, door, now)


def _check_door(session: Session, grant: Grant, door_id: str, now: int) -> None:
    ends = [booking.until for booking in grant.bookings if booking.until > now]
    if not ends:
        return
    first = max(now, min(booking.start for booking in grant.bookings))
    door = session.get_one(Door, door_id)
    group = session.get_one(DoorGroup, door.door_group)
    early_s: int = group.policy["early_hint_s"]
    openings: dict[str, list[Window]] = {}
    rooms = store.rooms_behind(session, door_id)
    for each in store.openings_between(session, rooms, first - HORIZON_BACK_S, max(ends) + HORIZON_AHEAD_S):
        if each.door == door_id and each.until > now:
            openings.setdefault(each.grant, []).append((each.start - early_s, each.until))
    if grant.id not in openings:
        return
    _check_count(door_id, openings, grant.id, early_s)
    pins = _pins(session, openings, group.pin_set, now)
    live = {name: LivePins(merged(found), pins.get(name, 0)) for name, found in openings.items()}
    own = live.pop(grant.id)
    most = session.get_one(PinSet, group.pin_set).live
    if own.count and most_live(own, live.values()) > most:
        text = f"the PIN set of door {door_id} is made for {most} live PINs at a door"
        raise Refused("pin_space_low", "windows", text)


def _check_count(door: str, openings: dict[str, list[Window]], own: str, early_s: int) -> None:
    """Grants that one list has to hold together: all within a horizon of the start of one of the own windows."""
    if len(openings) <= GRANTS_FULL:
        return
    for start, _ in openings[own]:
        begin, end = start + early_s - HORIZON_BACK_S, start + early_s + HORIZON_AHEAD_S
        near = sum(any(left < end and begin < until for left, until in each) for each in openings.values())
        if near > GRANTS_FULL:
            raise Refused("door_full", "windows", f"door {door} has no room for one more grant at that time")


def _pins(session: Session, grants: Collection[str], pin_set: str, now: int) -> dict[str, int]:
    """How many living PINs each grant has in a PIN set."""
    query = (
        select(Credential.grant_id, func.count())
        .where(Credential.grant_id.in_(grants), Credential.pin_set == pin_set, Credential.sealed.is_not(None))
        .where(or_(Credential.ends_at.is_(None), Credential.ends_at > now))
        .group_by(Credential.grant_id)
    )
    return {row[0]: row[1] for row in session.execute(query)}
