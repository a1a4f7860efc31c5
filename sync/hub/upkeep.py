"""What time makes due, a little at a time, so that reservations never wait for housekeeping.

`due` is cheap when nothing is; to be called every second or so. Several hub processes may do it at once: each step
looks again within its own transaction.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from typing import Any

from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session

from sync.hub.booking import closures, lifecycle, rotation
from sync.hub.booking.credentials import Minter, forget_over
from sync.hub.doors import readiness, updates
from sync.hub.doors.readiness import DoorReadiness, Late
from sync.hub.events import hub_events
from sync.hub.issuing.issuer import ISSUED_AHEAD_S, REFRESH_S
from sync.hub.store import questions
from sync.hub.store.models import Delivery, Door, DoorList, ListRequest, Reservation, Room, Way
from sync.hub.town import policies
from sync.hub.workbench import Workbench

BEHIND_S = 60
"""A door that has not reported its current list for so long gets it again: a broker may forget."""

BEHIND_DOORS = 100
"""So many of them at a time: what doors report is heard in between. A hub that published to thousands at a time would
hear too late that they have their lists, and publish to all of them again."""

FORGET_S = 600
"""How often codes that are over are looked for, among all there are."""

WATCH_S = 20
"""How often doors and late reservations are looked at."""

WATCH_DOORS = 1_000
"""Of so many doors at a time is told what changed: the others wait for the next look."""

REFRESH_DOORS = 50
"""So many daily refreshes at a time: a town's lists grow old together, and reservations must not wait for all."""

UPDATES_S = 5
"""How often is looked whether a door has to hear of an update."""

TOO_FRESH_S = REFRESH_S + ISSUED_AHEAD_S
"""A list that is due later than this was dated while the clock was ahead; doors would not judge by it yet."""

AWAY_S = 2 * 86_400
"""How far a hub that has just started looks back for codes that ended; lists are made anew every day anyway."""

CLOSURES_KEPT_S = 90 * 86_400


class Upkeep:
    """The hub's housekeeping."""

    bench: Workbench

    def __init__(self) -> None:
        self._done_at: dict[str, int] = {}

    def due(self, now: int) -> None:
        """Do what is due: forget codes that are over, rotate and announce codes, put policies in force, refresh lists
        after a day, publish what is new, and publish again to doors that are behind."""
        if self._is_time("forget", FORGET_S, now):
            self.bench.run(now, _forget)
        if self._is_time("watch", WATCH_S, now):
            doors, late = self.bench.look(lambda session: (_changed(session, now), _not_told(session, now)))
            if doors or late:
                names = [door.id for door, _ in doors[:WATCH_DOORS]]
                self.bench.run(now, lambda minter: _watch(minter.session, names, now))
        # Not from a future that the clock has come back from: the codes that end until then would be passed over.
        since = min(self._done_at.get("codes", now - AWAY_S), now)
        if self.bench.look(lambda session: _anything(session, now, since)):
            self.bench.run(now, lambda minter: _codes(minter, since))
        self._done_at["codes"] = now
        if self.bench.look(lambda session: _old(session, now)):
            self.bench.run(now, lambda minter: minter.ask_for_lists(_old(minter.session, now)))
        self.bench.publish(self.bench.look(lambda session: _behind(session, now)), now)
        if self._is_time("updates", UPDATES_S, now) and self.bench.look(lambda each: updates.any_due(each, now)):
            self.bench.run(now, lambda minter: updates.hand_over(minter.session, self.bench.say, now))

    def _is_time(self, what: str, every_s: int, now: int) -> bool:
        done = self._done_at.get(what, 0)
        if done <= now < done + every_s:
            return False
        self._done_at[what] = now
        return True


def _forget(minter: Minter) -> None:
    forget_over(minter.session, minter.now)
    closures.forget_past(minter.session, minter.now - CLOSURES_KEPT_S)
    hub_events.forget_past(minter.session, minter.now)
    lifecycle.tell_ended(minter.session, minter.now)


def _codes(minter: Minter, since: int) -> None:
    session, now = minter.session, minter.now
    doors = rotation.rotate_due(minter) | rotation.ended_since(session, since, now)
    doors |= set(policies.apply_due(session, now))
    lifecycle.tell_ready(session, now)
    minter.ask_for_lists(doors)


def _anything(session: Session, now: int, since: int) -> bool:
    """Whether `_codes` has anything to do: it would take the writers' lock."""
    questions: tuple[Callable[[], bool], ...] = (
        lambda: lifecycle.any_ready(session, now),
        lambda: rotation.any_due(session, now) or bool(rotation.ended_since(session, since, now)),
        lambda: policies.any_due(session, now),
    )
    return any(question() for question in questions)


def _old(session: Session, now: int) -> list[str]:
    """Doors whose list is a day old and not asked for yet."""
    asked = select(ListRequest.door)
    query = select(Door.id).outerjoin(DoorList, DoorList.door == Door.id).where(Door.id.not_in(asked))
    old = or_(DoorList.door.is_(None), DoorList.refresh_after <= now, DoorList.refresh_after > now + TOO_FRESH_S)
    return list(session.scalars(query.where(old).limit(REFRESH_DOORS)))


def _behind(session: Session, now: int) -> list[str]:
    """The doors that have to get their list again, those first that never got it, then who waits longest."""
    behind = select(DoorList.door).join(Door, Door.id == DoorList.door)
    # A door that lost the file of its list still says the number it is not to go behind, but names no list.
    lacks = (DoorList.version > Door.reported_version) | Door.reported_hash.is_(None)
    unheard = lacks & (DoorList.published_at <= now - BEHIND_S)
    behind = behind.where(or_(DoorList.published_at.is_(None), unheard))
    return list(session.scalars(behind.order_by(func.coalesce(DoorList.published_at, 0)).limit(BEHIND_DOORS)))


def _changed(session: Session, now: int, names: list[str] | None = None) -> list[tuple[Door, DoorReadiness]]:
    """Doors that became ready, or no longer are: of these, or (None) of all."""
    query = select(Door).order_by(Door.id)
    doors = session.scalars(query if names is None else query.where(Door.id.in_(names))).all()
    states = readiness.doors_readiness(session, doors, now)
    return [(door, state) for door, state in zip(doors, states, strict=True) if door.ready is not state.ready]


def _not_told(session: Session, now: int) -> list[tuple[Late, Reservation, Delivery]]:
    """Reservations that are late, of which nobody was told."""
    found = []
    for each in readiness.late(session, now):
        reservation = questions.reservation_of(session, each.client, each.reservation)
        delivery = session.get_one(Delivery, (reservation.grant_id, each.door))
        if not delivery.stale:
            found.append((each, reservation, delivery))
    return found


def _watch(session: Session, names: list[str], now: int) -> None:
    """Tell what changed about these doors, and which reservations are late."""
    behind: defaultdict[str, list[dict[str, str]]] = defaultdict(list)
    ways = select(Way.door, Room.service, Room.id).join(Room, Room.id == Way.room).where(Way.door.in_(names))
    for name, service, room in session.execute(ways.order_by(Room.id)):
        behind[name].append({"service": service, "room": room})
    told: list[dict[str, Any]] = []
    for door, state in _changed(session, now, names):
        door.ready = state.ready
        what = {"type": "door.ready" if state.ready else "door.not_ready", "detail": {"line": state.line}}
        told += [{**what, **where, "door": door.id} for where in behind[door.id]]
    hub_events.tell_all(session, now, told)
    for each, reservation, delivery in _not_told(session, now):
        delivery.stale = True
        _tell_stale(session, reservation, each.door, now)


def _tell_stale(session: Session, reservation: Reservation, door: str, now: int) -> None:
    lifecycle.tell_about(session, reservation, "delivery.stale", now, door=door)
