"""The routes about rooms and doors: status, readiness, closures, what needs a person, policies.

A room's id may be a URI; it stands in the path as it is, slashes and all.
"""

# No `from __future__ import annotations` here: FastAPI reads the annotations of the routes inside the function.

from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query, Response

from sync.hub.api.bodies import REF, Moment
from sync.hub.api.bodies_rooms import (
    BookedListAnswer,
    ClosureAnswer,
    ClosureBody,
    DoorAnswer,
    ExceptionsAnswer,
    PoliciesAnswer,
    RoomAnswer,
    booked_answer,
    closure_answer,
    door_answer,
    exceptions_answer,
    policies_answer,
    room_answer,
)
from sync.hub.api.gate import Gate
from sync.hub.api.problems import documented
from sync.hub.service import Service
from sync.hub.town.clients import Caller

READING = ("bad_request", "unauthorised", "not_owner", "not_found", "unknown_room")
ROOM = r"^[!-~]{1,200}$"


def room_routes(service: Service, gate: Gate) -> APIRouter:
    """Status, readiness, closures, exceptions, policies."""
    routes = APIRouter(tags=["rooms"])
    now = gate.now
    Watcher = Annotated[Caller, Depends(gate.needs("rooms", "reservations", "facility"))]
    Staff = Annotated[Caller, Depends(gate.needs("facility"))]
    Ref = Annotated[str, Path(pattern=REF, description="The caller's own number of the closure")]
    Room = Annotated[str, Path(pattern=ROOM, description="The room's id; a URI works with its slashes as they are")]
    Door = Annotated[str, Path(pattern=r"^[a-z0-9-]{1,40}$", description="The door's id")]

    @routes.get("/v1/rooms/{room:path}/status", response_model=RoomAnswer, responses=documented(*READING))
    def get_room_status(room: Room, caller: Watcher) -> RoomAnswer:
        """Whether a room is ready, occupied or closed now. Nobody's identity is in it."""
        return room_answer(service.room_status(caller, room, now()))

    @routes.get("/v1/rooms/{room:path}/reservations", response_model=BookedListAnswer, responses=documented(*READING))
    def get_room_reservations(
        room: Room,
        caller: Annotated[Caller, Depends(gate.needs("rooms", "facility"))],
        start: Moment,
        end: Moment,
    ) -> BookedListAnswer:
        """The reservations of a room in a time, by reference: what an external owner sees. Never a code."""
        return booked_answer(service.booked(caller, room, _seconds(start), _seconds(end)))

    @routes.get("/v1/rooms/{room:path}/policies", response_model=PoliciesAnswer, responses=documented(*READING))
    def get_policies(
        room: Room,
        caller: Watcher,
        at: Annotated[Moment | None, Query(description="An instant with offset; now when left out")] = None,
    ) -> PoliciesAnswer:
        """What was in force for a room and the doors to it at an instant, since when and by which decision."""
        return policies_answer(service.policies(caller, room, now() if at is None else _seconds(at)))

    @routes.get("/v1/doors/{door}/readiness", response_model=DoorAnswer, responses=documented(*READING))
    def get_door_readiness(door: Door, caller: Watcher) -> DoorAnswer:
        """Green or red, and every condition by name: for the checklist before a room is handed over."""
        return door_answer(service.door_readiness(caller, door, now()))

    @routes.get("/v1/exceptions", response_model=ExceptionsAnswer, responses=documented("unauthorised", "not_owner"))
    def get_exceptions(caller: Staff) -> ExceptionsAnswer:
        """What needs a person: reservations their doors do not hold an hour before they start, doors that are red, and
        alarms of the last day."""
        return exceptions_answer(*service.exceptions(caller, now()), service.alarms(caller, now()))

    @routes.put(
        "/v1/closures/{ref}",
        response_model=ClosureAnswer,
        responses={
            201: {"model": ClosureAnswer, "description": "Created"},
            **documented(*READING, "personal_data_refused", "door_full", "too_large"),
        },
    )
    def put_closure(ref: Ref, body: ClosureBody, caller: Staff, response: Response) -> ClosureAnswer:
        """Keep renters out of a room for a time: closed, or not ready. Staff come in all the same; the answer names
        the reservations that are hit, and their owners get the event `room.closed`."""
        closed, created = service.put_closure(caller, ref, body.closing(ref), now())
        response.status_code = 201 if created else 200
        return closure_answer(closed)

    @routes.get("/v1/closures/{ref}", response_model=ClosureAnswer, responses=documented(*READING))
    def get_closure(ref: Ref, caller: Staff) -> ClosureAnswer:
        """A closure and the reservations it hits."""
        return closure_answer(service.closure(caller, ref))

    @routes.delete("/v1/closures/{ref}", status_code=204, responses=documented(*READING))
    def delete_closure(ref: Ref, caller: Staff) -> None:
        """Open the room again. Codes need not be made anew."""
        service.remove_closure(caller, ref, now())

    return routes


def _seconds(instant: datetime) -> int:
    return int(instant.astimezone(UTC).timestamp())
