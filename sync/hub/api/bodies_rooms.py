"""The JSON bodies about rooms and doors: closures, status, readiness, what needs a person, policies, swaps, codes."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from controller.formats.code_list import ClosureReason
from sync.hub.api.bodies import REF, Body, HolderRef, Instant, ReservationBody, RoomId
from sync.hub.booking.closures import Closed, Closing
from sync.hub.booking.personal_data import refuse_person, refuse_personal_data
from sync.hub.booking.reservations import Method
from sync.hub.doors.readiness import Condition, DoorReadiness, Late, RoomStatus, Unheard
from sync.hub.instants import instant, maybe_instant
from sync.hub.records.alarms import Alarm
from sync.hub.town.policies import InForce
from sync.hub.town.rooms import Booked


class Activation(ReservationBody):
    """A reservation with its ref."""

    ref: Annotated[str, Field(pattern=REF)]


class SwapBody(Body):
    """Cancel one reservation and put another, in one go."""

    cancel: Annotated[str, Field(pattern=REF, description="The ref that gives way")]
    activate: Activation


class CredentialBody(Body):
    """One more code for one more person of the same reservation."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"method": "pin", "holder": "h_82aa01"}]})

    method: Method
    holder: HolderRef

    def checked_holder(self) -> str:
        """Raises Refused `personal_data_refused`."""
        refuse_person("holder", self.holder)
        return self.holder


class ClosureBody(Body):
    """Renters stay out of the room from `start` to `end`; staff do not."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "room": "https://data.mortsel.example/id/infrastructuur/INF001",
                    "start": "2026-07-17T08:00:00+02:00",
                    "end": "2026-07-17T12:00:00+02:00",
                    "reason": "room_not_ready",
                }
            ]
        }
    )

    room: RoomId
    start: Instant
    end: Instant
    reason: ClosureReason = "room_closed"

    def closing(self, ref: str) -> Closing:
        """The same as the hub understands it. Raises Refused `personal_data_refused`."""
        refuse_personal_data([("ref", ref)])
        return Closing(self.room, int(self.start.timestamp()), int(self.end.timestamp()), self.reason)


class ClosureAnswer(BaseModel):
    """A closure, and the reservations it hits."""

    room: str
    start: Annotated[str, Field(examples=["2026-07-17T06:00:00Z"])]
    end: Annotated[str, Field(examples=["2026-07-17T10:00:00Z"])]
    reason: ClosureReason
    reservations: Annotated[list[str], Field(examples=[["MOR-2026-004711"]])]


class CheckAnswer(BaseModel):
    """One named condition of a door."""

    condition: Condition
    ok: bool
    seen: Annotated[str, Field(examples=["last heard 12 s ago"])]


class DoorAnswer(BaseModel):
    """A door: green when every condition holds; `line` says it in one line for people."""

    door: str
    status: Literal["green", "red"]
    line: Annotated[str, Field(examples=["red: online (last heard 4000 s ago)"])]
    checks: list[CheckAnswer]


class RoomAnswer(BaseModel):
    """A room now, without anybody's identity."""

    room: str
    ready: bool
    occupied: bool
    closed: ClosureReason | None
    next_start: Annotated[str | None, Field(examples=["2026-07-17T12:00:00Z"])]
    doors: list[DoorAnswer]


class LateAnswer(BaseModel):
    """A reservation that starts within the hour and that this door does not hold yet (`not_delivered`), or within the
    day and of which its client has not told that its holder got the codes (`not_handed_over`, without a door)."""

    code: Literal["not_delivered", "not_handed_over"]
    reservation: str
    door: str | None
    start: str


class AlarmAnswer(BaseModel):
    """An alarm of the last day, by when the hub heard of it: `alarm.duress`, `alarm.fork` (two histories of one log: a
    copied or old card), `alarm.forged_pass`, `alarm.clone_suspected`. `grant` is whose code it was, where it was
    anybody's."""

    type: Annotated[str, Field(examples=["alarm.duress"])]
    door: str
    at: str
    grant: str | None


class ExceptionsAnswer(BaseModel):
    """Everything that needs a person. Empty when nothing does."""

    reservations: list[LateAnswer]
    doors: list[DoorAnswer]
    alarms: list[AlarmAnswer]


class PolicyAnswer(BaseModel):
    """What held for `subject` since `since`, and by which decision."""

    subject: Annotated[str, Field(examples=["room INF001", "group room:INF001"])]
    since: str
    decision: str | None
    content: dict[str, Any]


class PoliciesAnswer(BaseModel):
    """What was in force for a room and the doors to it."""

    policies: list[PolicyAnswer]


class BookedAnswer(BaseModel):
    """A reservation by reference and time; never a code."""

    reservation: str
    category: str
    state: str
    start: str
    end: str


class BookedListAnswer(BaseModel):
    """The reservations of a room in a time."""

    reservations: list[BookedAnswer]


def closure_answer(closed: Closed) -> ClosureAnswer:
    """A closure as JSON."""
    closing = closed.closing
    return ClosureAnswer(
        room=closing.room,
        start=instant(closing.start),
        end=instant(closing.until),
        reason=closing.reason,
        reservations=list(closed.hits),
    )


def door_answer(door: DoorReadiness) -> DoorAnswer:
    """A door as JSON."""
    checks = [CheckAnswer(condition=each.condition, ok=each.ok, seen=each.seen) for each in door.checks]
    return DoorAnswer(door=door.door, status="green" if door.ready else "red", line=door.line, checks=checks)


def room_answer(room: RoomStatus) -> RoomAnswer:
    """A room as JSON."""
    return RoomAnswer(
        room=room.room,
        ready=room.ready,
        occupied=room.occupied,
        closed=room.closed,
        next_start=maybe_instant(room.next_start),
        doors=[door_answer(each) for each in room.doors],
    )


def exceptions_answer(late: list[Late | Unheard], doors: list[DoorReadiness], alarms: list[Alarm]) -> ExceptionsAnswer:
    """What needs a person, as JSON."""
    return ExceptionsAnswer(
        reservations=[_late(each) for each in late],
        doors=[door_answer(each) for each in doors],
        alarms=[AlarmAnswer(type=each.type, door=each.door, at=instant(each.at), grant=each.grant) for each in alarms],
    )


def _late(each: Late | Unheard) -> LateAnswer:
    start = instant(each.start)
    if isinstance(each, Unheard):
        return LateAnswer(code="not_handed_over", reservation=each.reservation, door=None, start=start)
    return LateAnswer(code="not_delivered", reservation=each.reservation, door=each.door, start=start)


def policies_answer(found: list[InForce]) -> PoliciesAnswer:
    """Policies as JSON."""
    return PoliciesAnswer(
        policies=[
            PolicyAnswer(
                subject=each.subject, since=instant(each.since), decision=each.decision, content=dict(each.content)
            )
            for each in found
        ]
    )


def booked_answer(found: list[Booked]) -> BookedListAnswer:
    """A room's reservations as JSON."""
    return BookedListAnswer(
        reservations=[
            BookedAnswer(
                reservation=each.reservation,
                category=each.category,
                state=each.state,
                start=instant(each.start),
                end=instant(each.until),
            )
            for each in found
        ]
    )
