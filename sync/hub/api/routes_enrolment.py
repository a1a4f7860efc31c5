"""The staff's side of an enrolment, for a console: confirm what the unit shows."""

# No `from __future__ import annotations` here: FastAPI reads the annotations of the routes inside the function.

from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Path
from pydantic import BaseModel, ConfigDict, Field

from sync.hub.api.gate import Gate
from sync.hub.api.problems import documented
from sync.hub.doors.enrol_desk import EnrolDesk
from sync.hub.service import Service
from sync.hub.town.clients import Caller


class ConfirmationBody(BaseModel):
    """What somebody standing before the unit read off it."""

    model_config = ConfigDict(extra="forbid")

    code: Annotated[str, Field(pattern=r"^[1-9]{4}$", description="The four digits on the unit's screen or light")]


def enrolment_routes(service: Service, desk: EnrolDesk, gate: Gate) -> APIRouter:
    """One route: the confirmation."""
    routes = APIRouter(tags=["rooms"])
    Staff = Annotated[Caller, Depends(gate.needs("facility"))]
    Door = Annotated[str, Path(pattern=r"^[a-z0-9-]{1,40}$", description="The door's id")]

    @routes.post(
        "/v1/doors/{door}/enrolment/confirm",
        status_code=204,
        responses=documented(
            "bad_request", "unauthorised", "not_owner", "not_found", "nothing_to_confirm", "wrong_code", "too_large"
        ),
    )
    def confirm_enrolment(door: Door, body: ConfirmationBody, caller: Staff) -> None:
        """The unit that shows this code is the door. Until then no list goes out to it; after three wrong codes the
        enrolment is void."""
        service.door_readiness(caller, door, gate.now())  # a door that is not the caller's does not exist
        desk.confirm(door, body.code, datetime.fromtimestamp(gate.now(), UTC))

    return routes
