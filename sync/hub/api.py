"""The HTTP API a reservation system calls. Thin: a body becomes a wish, an answer becomes JSON, the service decides.

PUT  /v1/reservations/{ref}      create or replace
GET  /v1/reservations/{ref}      what holds, without codes
GET  /v1/events?after=&limit=    what happened at the doors, for clients with scope `records`
GET  /healthz

app = create_app(service, LogStore(sessions))
"""

# No `from __future__ import annotations` here: FastAPI reads the annotations of the routes inside `create_app`.

import time
from collections.abc import Callable, Collection, Sequence
from typing import Annotated, Protocol

from fastapi import Depends, FastAPI, Path, Query, Response
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from controller.formats.errors import Refused
from controller.formats.event import Event, EventKind, Opening
from sync.hub.bodies import (
    REF,
    EventAnswer,
    EventsAnswer,
    Health,
    Problem,
    ReservationAnswer,
    ReservationBody,
    instant,
    reservation_answer,
)
from sync.hub.models import Client
from sync.hub.problems import documented, install
from sync.hub.service import Service

EVENT_TYPES: dict[EventKind, str] = {
    "granted": "access.granted",
    "refused": "access.refused",
    "in": "access.in",
    "out": "access.out",
    "no_entry": "access.no_entry",
    "opened": "door.opened",
    "closed": "door.closed",
    "forced": "door.forced",
    "held_open": "door.held",
    "list": "door.list",
    "trust": "door.trust",
    "command": "door.command",
    "posture": "door.posture",
    "clock": "door.clock",
    "loss": "door.loss",
    "boot": "door.boot",
    "fault_raised": "fault.raised",
    "fault_cleared": "fault.cleared",
}
PAGE_MAX = 500
BEARER = HTTPBearer(auto_error=False, description="The token of `zaalsleutel hub token CLIENT`")


class LoggedEvent(Protocol):
    """A stored record: its place in the feed, the event, and who it was while that is kept."""

    @property
    def cursor(self) -> int: ...
    @property
    def event(self) -> Event: ...
    @property
    def opening(self) -> Opening | None: ...


class Events(Protocol):
    """The feed: at most `limit` records of these doors stored after `cursor`, oldest first."""

    def after(self, cursor: int, limit: int, doors: Collection[str] | None) -> Sequence[LoggedEvent]: ...


def create_app(service: Service, events: Events, now: Callable[[], int] = lambda: int(time.time())) -> FastAPI:
    """The application; `now` gives UTC seconds."""
    app = FastAPI(title="zaalsleutel", version="1", description="Codes for rooms: one call per reservation.")
    install(app)

    def client_with(scope: str) -> Callable[..., Client]:
        def caller(bearer: Annotated[HTTPAuthorizationCredentials | None, Depends(BEARER)]) -> Client:
            client = service.client_of(bearer.credentials if bearer is not None else "")
            if scope not in client.scopes:
                raise Refused("not_owner", "authorization", f"this client has no scope {scope}")
            return client

        return caller

    Booker = Annotated[Client, Depends(client_with("reservations"))]
    Reader = Annotated[Client, Depends(client_with("records"))]
    Ref = Annotated[str, Path(pattern=REF, description="The caller's own number of the reservation")]

    @app.put(
        "/v1/reservations/{ref}",
        response_model=ReservationAnswer,
        responses={
            201: {"model": ReservationAnswer, "description": "Created"},
            **documented(
                "bad_request", "window_required", "too_far_ahead", "personal_data_refused", "unauthorised", "not_owner",
                "not_found", "unknown_room", "stale_revision", "overlap", "door_full", "too_large", "pin_space_low",
            ),
        },
    )  # fmt: skip
    def put_reservation(ref: Ref, body: ReservationBody, client: Booker, response: Response) -> ReservationAnswer:
        """Create or replace a reservation. Idempotent: the same call again answers the same. The answer is final for
        the grant; only delivery to the doors goes on afterwards."""
        answer, created = service.put(client.id, ref, body.wish(ref), now())
        response.status_code = 201 if created else 200
        return reservation_answer(answer)

    @app.get(
        "/v1/reservations/{ref}",
        response_model=ReservationAnswer,
        responses=documented("bad_request", "unauthorised", "not_owner", "not_found"),
    )
    def get_reservation(ref: Ref, client: Booker) -> ReservationAnswer:
        """State, openings and delivery of a reservation. Holds no codes."""
        return reservation_answer(service.get(client.id, ref, now()))

    @app.get("/v1/events", responses=documented("bad_request", "unauthorised", "not_owner"))
    def get_events(
        client: Reader,
        after: Annotated[int, Query(ge=0, lt=1 << 53)] = 0,
        limit: Annotated[int, Query(ge=1, le=PAGE_MAX)] = 100,
    ) -> EventsAnswer:
        """What happened at the doors of the client's service, in the order it reached the hub."""
        page = events.after(after, limit, service.doors_of(client))
        refs = service.refs(client.id, {each.opening.grant for each in page if each.opening is not None})
        return EventsAnswer(events=[event_answer(each, refs) for each in page], next=page[-1].cursor if page else after)

    @app.get("/healthz")
    def get_health() -> Health:
        """Whether API and database answer."""
        service.doors()
        return Health(status="ok")

    _document_problems(app)
    return app


def event_answer(logged: LoggedEvent, refs: dict[str, str]) -> EventAnswer:
    """A stored record as JSON; `refs` are the caller's own reservations by grant id."""
    event, opening = logged.event, logged.opening
    return EventAnswer(
        id=f"{event.door}/{event.log}/{event.seq}",
        cursor=logged.cursor,
        type=EVENT_TYPES[event.kind],
        time=instant(event.at / 1000),
        door=event.door,
        clock=event.clock,
        reason=event.reason,
        grant=opening.grant if opening else None,
        credential=opening.credential if opening else None,
        reservation=refs.get(opening.grant) if opening else None,
        detail=dict(event.detail),
    )


def _document_problems(app: FastAPI) -> None:
    """Put the schema of problems into the OpenAPI document, where every route's answers refer to it."""
    plain = app.openapi

    def openapi() -> dict[str, object]:
        document = plain()
        document["components"]["schemas"]["Problem"] = Problem.model_json_schema()
        return document

    app.openapi = openapi  # type: ignore[method-assign]
