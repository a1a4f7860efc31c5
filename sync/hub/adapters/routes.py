"""Adapters over HTTP.

POST /v1/imports/{format}      a CSV table, a calendar or an OSLO document, in the caller's own name
POST /v1/hooks/{adapter}       a product says that something changed; what changed is fetched from it
GET  /v1/calendar.ics          what is taken, for staff: no codes, no holders
"""

# No `from __future__ import annotations` here: FastAPI reads the annotations of the routes inside the function.

import logging
from collections.abc import Callable
from dataclasses import asdict
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Path, Query, Request, Response
from pydantic import BaseModel
from sqlalchemy import select

from controller.formats.code_list import Language
from controller.formats.errors import Refused
from sync.hub.adapters.intake import Outcome
from sync.hub.adapters.staff_calendar import taken, write_calendar
from sync.hub.adapters.switchboard import Format, Switchboard
from sync.hub.api.gate import Gate
from sync.hub.api.problems import documented
from sync.hub.store import questions
from sync.hub.store.database import Sessions, reading
from sync.hub.store.models import Client, Room
from sync.hub.town.clients import Caller

DAY_S = 86_400
MEDIA_TYPES: dict[Format, str] = {"csv": "text/csv", "ics": "text/calendar", "oslo": "application/ld+json"}

logger = logging.getLogger(__name__)


class OutcomeAnswer(BaseModel):
    """What became of one item. `where` names it as its own side knows it; `code` and `text` say why it was refused."""

    where: str
    ref: str | None
    result: Literal["created", "changed", "unchanged", "older", "over", "refused"]
    code: str | None
    text: str | None


class ImportAnswer(BaseModel):
    """One line per item, in the order of the file. What was refused stands in no other's way."""

    items: list[OutcomeAnswer]


async def raw_body(request: Request) -> bytes:
    """The body as it came."""
    return await request.body()


def adapter_routes(board: Switchboard, sessions: Sessions, room_name: Callable[[str], str], gate: Gate) -> APIRouter:
    """The routes; `room_name` tells what people call a room."""
    routes = APIRouter(tags=["adapters"])
    Booker = Annotated[Caller, Depends(gate.needs("reservations"))]
    now = gate.now
    Body = Annotated[bytes, Depends(raw_body)]

    @routes.post(
        "/v1/imports/{format}",
        responses=documented("bad_request", "unauthorised", "not_owner", "too_large", "bad_import"),
        openapi_extra=_body_of(*MEDIA_TYPES.values()),
    )
    def post_import(form: Annotated[Format, Path(alias="format")], body: Body, caller: Booker) -> ImportAnswer:
        """Take a file in. The same file again changes nothing; each row or event is answered for by itself."""
        try:
            outcomes = board.upload(form, caller.id, body, now())
        except Refused as refused:
            raise Refused("bad_import", refused.where, refused.text) from None
        return ImportAnswer(items=[answer(each) for each in outcomes])

    @routes.post(
        "/v1/hooks/{adapter}",
        responses=documented("bad_request", "unauthorised", "not_found", "too_large", "upstream_failed"),
        openapi_extra=_body_of("application/json"),
    )
    def post_hook(
        adapter: Annotated[str, Path(pattern="^[a-z0-9-]{1,40}$")], body: Body, request: Request
    ) -> OutcomeAnswer:
        """A product's webhook. Of its message only the reservation's number is read; what holds is fetched. Anything
        but 2xx asks the product to call again."""
        outcome = board.hook(adapter).called(request.headers, body, now())
        if outcome.result == "refused":
            logger.warning("hook %s: %s refused: %s (%s)", adapter, outcome.where, outcome.text, outcome.code)
        return answer(outcome)

    @routes.get(
        "/v1/calendar.ics",
        response_class=Response,
        responses={
            200: {"description": "iCalendar", "content": {"text/calendar": {}}},
            **documented("bad_request", "unauthorised", "not_owner"),
        },
    )
    def get_calendar(
        caller: Booker,
        days: Annotated[int, Query(ge=1, le=365, description="How far ahead")] = 60,
        language: Annotated[Language, Query()] = "nl",
    ) -> Response:
        """When the rooms the caller may know of are taken, from yesterday on. Holds no codes and no holders."""
        return Response(calendar(sessions, caller, room_name, now(), days, language), media_type="text/calendar")

    return routes


def calendar(
    sessions: Sessions,
    client: Client | Caller,
    room_name: Callable[[str], str],
    now: int,
    days: int,
    language: Language,
) -> bytes:
    """The staff calendar that `client` may see, from a day before `now` to `days` after it."""
    with reading(sessions).begin() as session:
        rooms = session.scalars(select(Room.id).where(Room.id.in_(questions.visible_rooms(client)))).all()
        times = taken(session, client.id, rooms, now - DAY_S, now + days * DAY_S)
    return write_calendar(times, room_name, language, now)


def answer(outcome: Outcome) -> OutcomeAnswer:
    """One line of a report as JSON."""
    return OutcomeAnswer(**asdict(outcome))


def _body_of(*media_types: str) -> dict[str, Any]:
    content = {each: {"schema": {"type": "string"}} for each in media_types}
    return {"requestBody": {"required": True, "content": content}}
