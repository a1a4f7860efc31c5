"""The routes a reservation system calls for its own reservations. Thin: bodies become wishes, answers JSON."""

# No `from __future__ import annotations` here: FastAPI reads the annotations of the routes inside the function.

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Response

from sync.hub.api.bodies import REF, HandoverBody, ReservationAnswer, ReservationBody, reservation_answer
from sync.hub.api.bodies_rooms import CredentialBody, SwapBody
from sync.hub.api.gate import Gate
from sync.hub.api.problems import documented
from sync.hub.service import Service
from sync.hub.town.clients import Caller

CREATED: dict[int | str, dict[str, Any]] = {201: {"model": ReservationAnswer, "description": "Created"}}
WRITING = (
    "bad_request", "window_required", "too_far_ahead", "personal_data_refused", "unauthorised", "not_owner",
    "not_found", "unknown_room", "stale_revision", "overlap", "door_full", "too_large", "pin_space_low",
)  # fmt: skip
CHANGING = ("bad_request", "unauthorised", "not_owner", "not_found", "pin_space_low", "too_large")


def reservation_routes(service: Service, gate: Gate) -> APIRouter:
    """Create, replace, read, reveal, rotate, further codes, handovers, swap."""
    routes = APIRouter(tags=["reservations"])
    now = gate.now
    Booker = Annotated[Caller, Depends(gate.needs("reservations"))]
    Ref = Annotated[str, Path(pattern=REF, description="The caller's own number of the reservation")]

    @routes.put(
        "/v1/reservations/{ref}", response_model=ReservationAnswer, responses={**CREATED, **documented(*WRITING)}
    )
    def put_reservation(ref: Ref, body: ReservationBody, client: Booker, response: Response) -> ReservationAnswer:
        """Create or replace a reservation. Idempotent: the same call again answers the same. The answer is final for
        the grant; only delivery to the doors goes on afterwards."""
        answer, created = service.put(client.id, ref, body.wish(ref), now())
        response.status_code = 201 if created else 200
        return reservation_answer(answer)

    @routes.get(
        "/v1/reservations/{ref}",
        response_model=ReservationAnswer,
        responses=documented("bad_request", "unauthorised", "not_owner", "not_found"),
    )
    def get_reservation(ref: Ref, client: Booker) -> ReservationAnswer:
        """State, openings and delivery of a reservation. Holds no codes."""
        return reservation_answer(service.get(client.id, ref, now()))

    @routes.post(
        "/v1/reservations/{ref}/reveal",
        response_model=ReservationAnswer,
        responses=documented("bad_request", "unauthorised", "not_owner", "not_found", "not_yet"),
    )
    def reveal(ref: Ref, client: Booker) -> ReservationAnswer:
        """The codes in clear, for the client that owns the reservation, from `reveal_at` on. Each call is recorded."""
        return reservation_answer(service.reveal(client.id, ref, now()))

    @routes.post(
        "/v1/reservations/{ref}/rotate", response_model=ReservationAnswer, responses=documented(*CHANGING[:-1])
    )
    def rotate(ref: Ref, client: Booker) -> ReservationAnswer:
        """New codes; grant and windows stay. The old ones die with each door's next list: `delivery` shows where they
        may still open."""
        return reservation_answer(service.rotate(client.id, ref, now()))

    @routes.post(
        "/v1/reservations/{ref}/credentials",
        status_code=201,
        response_model=ReservationAnswer,
        responses=documented(*CHANGING, "personal_data_refused"),
    )
    def add_credential(ref: Ref, body: CredentialBody, client: Booker) -> ReservationAnswer:
        """One more code for one more person, revocable alone."""
        answer, _ = service.add_credential(client.id, ref, body.method, body.checked_holder(), now())
        return reservation_answer(answer)

    @routes.delete(
        "/v1/reservations/{ref}/credentials/{credential}",
        response_model=ReservationAnswer,
        responses=documented("bad_request", "unauthorised", "not_owner", "not_found"),
    )
    def revoke_credential(
        ref: Ref, credential: Annotated[str, Path(pattern=REF, description="A credential's id")], client: Booker
    ) -> ReservationAnswer:
        """End one code; the reservation's other codes go on."""
        return reservation_answer(service.revoke(client.id, ref, credential, now()))

    @routes.post(
        "/v1/reservations/{ref}/handovers",
        status_code=201,
        response_model=ReservationAnswer,
        responses=documented("bad_request", "unauthorised", "not_owner", "not_found", "too_large"),
    )
    def hand_over(ref: Ref, body: HandoverBody, client: Booker) -> ReservationAnswer:
        """Tell by which channel the codes reached their holder, or that they did not. For a client whose `handovers`
        are expected, a reservation without one that succeeded is an exception from a day before it starts."""
        return reservation_answer(service.hand_over(client.id, ref, body.told(), now()))

    @routes.post("/v1/swaps", response_model=ReservationAnswer, responses={**CREATED, **documented(*WRITING)})
    def swap(body: SwapBody, client: Booker, response: Response) -> ReservationAnswer:
        """Cancel one reservation and put another in one transaction: never both, never neither may enter."""
        wish = body.activate.wish(body.activate.ref)
        answer, created = service.swap(client.id, body.cancel, body.activate.ref, wish, now())
        response.status_code = 201 if created else 200
        return reservation_answer(answer)

    return routes
