"""What staff and planning tools ask about rooms and doors, and the closures they set. A caller sees its own rooms and
the doors on the way to them; everything else does not exist for it (R004-21, R000-08)."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from controller.formats.errors import Refused
from sync.hub.booking import closures
from sync.hub.booking.closures import Closed, Closing
from sync.hub.booking.credentials import Minter
from sync.hub.doors import readiness
from sync.hub.doors.readiness import DoorReadiness, Late, RoomStatus, Unheard
from sync.hub.records import alarms
from sync.hub.records.alarms import Alarm
from sync.hub.store import questions
from sync.hub.store.models import Door, Grant, GrantBooking, Reservation, Room
from sync.hub.town import policies
from sync.hub.town.clients import Caller
from sync.hub.town.policies import InForce
from sync.hub.workbench import Workbench

PAGE_MAX = 500


@dataclass(frozen=True)
class Booked:
    """A reservation as an external owner sees it: a reference and a time, never a code."""

    reservation: str
    category: str
    state: str
    start: int
    until: int


class RoomDesk:
    """What concerns rooms rather than reservations."""

    bench: Workbench

    def put_closure(self, caller: Caller, ref: str, wish: Closing, now: int) -> tuple[Closed, bool]:
        """Keep renters out of a room for a time; the flag says created. Raises Refused `unknown_room`, `bad_request`,
        `door_full`."""

        def work(minter: Minter) -> tuple[Closed, bool]:
            closed, created, doors = closures.put(minter.session, caller, ref, wish, now)
            minter.ask_for_lists(doors)
            return closed, created

        return self.bench.run(now, work)

    def closure(self, caller: Caller, ref: str) -> Closed:
        """Raises Refused `not_found`."""
        return self.bench.look(lambda session: closures.get(session, caller, ref))

    def remove_closure(self, caller: Caller, ref: str, now: int) -> None:
        """Open the room again. Raises Refused `not_found`."""

        self.bench.run(now, lambda minter: minter.ask_for_lists(closures.remove(minter.session, caller, ref, now)))

    def room_status(self, caller: Caller, room_id: str, now: int) -> RoomStatus:
        """A room now. Raises Refused `unknown_room`."""
        return self.bench.look(lambda session: readiness.room_status(session, _room(session, caller, room_id), now))

    def door_readiness(self, caller: Caller, door_id: str, now: int) -> DoorReadiness:
        """A door's conditions. Raises Refused `not_found`."""

        def look(session: Session) -> DoorReadiness:
            rooms = session.scalars(questions.visible_rooms(caller)).all()
            door = session.get(Door, door_id)
            if door is None or door_id not in questions.doors_to(session, rooms):
                raise Refused("not_found", "door", f"there is no door {door_id}")
            return readiness.door_readiness(session, door, now)

        return self.bench.look(look)

    def exceptions(self, caller: Caller, now: int) -> tuple[list[Late | Unheard], list[DoorReadiness]]:
        """What needs a person: reservations their doors do not hold in time, codes that have not reached anybody, and
        doors that are not ready (R002-33)."""

        def look(session: Session) -> tuple[list[Late | Unheard], list[DoorReadiness]]:
            rooms = session.scalars(questions.visible_rooms(caller)).all()
            doors = session.scalars(
                select(Door).where(Door.id.in_(questions.doors_to(session, rooms))).order_by(Door.id)
            )
            red = [readiness.door_readiness(session, door, now) for door in doors]
            late = readiness.late(session, now, rooms)
            return [*late, *readiness.not_handed_over(session, now, rooms)], [each for each in red if not each.ready]

        return self.bench.look(look)

    def alarms(self, caller: Caller, now: int) -> list[Alarm]:
        """What was raised within a day at the doors to the caller's rooms, newest first."""

        def look(session: Session) -> list[Alarm]:
            doors = questions.doors_to(session, session.scalars(questions.visible_rooms(caller)).all())
            return [each for each in alarms.recent(session, caller.service, now) if each.door in doors]

        return self.bench.look(look)

    def policies(self, caller: Caller, room_id: str, at: int) -> list[InForce]:
        """What held at `at` for a room and the doors to it (R001-11). Raises Refused `unknown_room`."""

        def look(session: Session) -> list[InForce]:
            return policies.in_force(session, _room(session, caller, room_id), at)

        return self.bench.look(look)

    def booked(self, caller: Caller, room_id: str, start: int, until: int) -> list[Booked]:
        """The reservations of a room in a time, by reference (R000-08). Raises Refused `unknown_room`."""

        def look(session: Session) -> list[Booked]:
            room = _room(session, caller, room_id)
            query = (
                select(Reservation.ref, Grant.kind, Grant.state, GrantBooking.start, GrantBooking.until)
                .join(Grant, Grant.id == Reservation.grant_id)
                .join(GrantBooking, GrantBooking.grant_id == Grant.id)
                .where(GrantBooking.room == room.id, GrantBooking.until > start, GrantBooking.start < until)
                .where(Grant.state != "cancelled")
                .order_by(GrantBooking.start, Reservation.ref)
                .limit(PAGE_MAX)
            )
            return [Booked(*row) for row in session.execute(query)]

        return self.bench.look(look)


def _room(session: Session, caller: Caller, room_id: str) -> Room:
    room = session.scalar(select(Room).where(Room.id == room_id, Room.id.in_(questions.visible_rooms(caller))))
    if room is None:
        raise Refused("unknown_room", "room", f"there is no room {room_id}")
    return room
