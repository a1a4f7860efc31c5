"""The routes that read the records for a client: usage facts, figures, subject access, evidence. Thin: the work is
`audit/client_records.py`."""

# No `from __future__ import annotations` here: FastAPI reads the annotations of the routes inside the function.

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query, Response
from fastapi.responses import StreamingResponse

from sync.hub.api.bodies import REF
from sync.hub.api.bodies_records import (
    ExportBody,
    FiguresAnswer,
    SubjectAnswer,
    UsageAnswer,
    figures_answer,
    usage_answer,
)
from sync.hub.api.gate import Gate
from sync.hub.api.problems import documented
from sync.hub.audit.client_records import ClientRecords
from sync.hub.town.clients import Caller

NDJSON = "application/x-ndjson"
MONTH = r"^20[0-9]{2}-(0[1-9]|1[0-2])$"
READING = ("bad_request", "unauthorised", "not_owner", "not_found")


def record_routes(records: ClientRecords, gate: Gate) -> APIRouter:
    """Usage facts, figures, subject access, exports."""
    routes = APIRouter(tags=["records"])
    Booker = Annotated[Caller, Depends(gate.needs("reservations"))]
    Reader = Annotated[Caller, Depends(gate.needs("records"))]
    Counter = Annotated[Caller, Depends(gate.needs("stats"))]
    Ref = Annotated[str, Path(pattern=REF, description="The caller's own number of the reservation")]

    @routes.get("/v1/reservations/{ref}/usage", response_model=UsageAnswer, responses=documented(*READING))
    def get_usage(ref: Ref, caller: Booker) -> UsageAnswer:
        """What an own reservation came to, per booked time and room: what `visit.ended` tells. Empty once the visits
        are forgotten."""
        return usage_answer(records.usage(caller, ref))

    @routes.get(
        "/v1/figures", response_model=FiguresAnswer, responses=documented("bad_request", "unauthorised", "not_owner")
    )
    def get_figures(
        caller: Counter,
        month: Annotated[str, Query(pattern=MONTH, description="A month that is over", examples=["2026-07"])],
    ) -> FiguresAnswer:
        """Use, no-show, refusals and delivery times of a month, per room the caller may know of. They name nobody:
        counts under 5 are null, and so are totals that would give them away."""
        return figures_answer(month, records.figures(caller, month, gate.now()))

    @routes.get("/v1/reservations/{ref}/subject", response_model=SubjectAnswer, responses=documented(*READING))
    def get_subject(ref: Ref, caller: Reader) -> SubjectAnswer:
        """Everything the hub holds about an own reservation, for whoever asks what is known about them. Each call is
        written down."""
        return SubjectAnswer(**records.subject(caller, ref, gate.now()))

    @routes.post(
        "/v1/exports",
        response_class=Response,
        responses={
            200: {"description": "The log, for `zaalsleutel audit verify`", "content": {NDJSON: {}}},
            **documented(*READING, "personal_data_refused", "too_large"),
        },
    )
    def post_export(body: ExportBody, caller: Reader) -> Response:
        """A door's log, or the part of it around what is asked, as a file that proves itself. It names only those who
        were asked for and came for a room the caller may know of. Each call is written down with its purpose."""
        made = records.export(caller, body.wanted(), gate.now())
        name = f'attachment; filename="{made.door}-{made.log}.jsonl"'
        return StreamingResponse(made.lines, media_type=NDJSON, headers={"Content-Disposition": name})

    return routes
