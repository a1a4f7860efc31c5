"""The artefacts over HTTP, for the client that owns the reservation; each answer is noted like a reveal.

GET /v1/reservations/{ref}/credentials/{id}/qr.svg      the QR code
GET /v1/reservations/{ref}/credentials/{id}/qr.png      the same, at least 600 pixels a side
GET /v1/reservations/{ref}/credentials/{id}/sheet.pdf   A4 to print
GET /v1/reservations/{ref}/credentials/{id}/sheet.html  the same as a page
GET /v1/reservations/{ref}/credentials/{id}/sheet.txt   the same as plain text
GET /v1/reservations/{ref}/credentials/{id}/sms.txt     at most 160 characters of GSM-7
"""

# No `from __future__ import annotations` here: FastAPI reads the annotations of the routes inside the function.

from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Path, Query, Response

from controller.formats.code_list import Language
from controller.formats.errors import Refused
from sync.hub.api.bodies import REF
from sync.hub.api.gate import Gate
from sync.hub.api.problems import documented
from sync.hub.artefacts import page, paper, qr_picture
from sync.hub.artefacts.desk import Desk
from sync.hub.artefacts.sheet import Sheet
from sync.hub.artefacts.sms import sms
from sync.hub.town.clients import Caller

Artefact = Literal["qr.svg", "qr.png", "sheet.pdf", "sheet.html", "sheet.txt", "sms.txt"]

MEDIA_TYPES: dict[Artefact, str] = {
    "qr.svg": "image/svg+xml",
    "qr.png": "image/png",
    "sheet.pdf": "application/pdf",
    "sheet.html": "text/html; charset=utf-8",
    "sheet.txt": "text/plain; charset=utf-8",
    "sms.txt": "text/plain; charset=utf-8",
}


def artefact_routes(desk: Desk, gate: Gate) -> APIRouter:
    """The routes, for clients with scope `reservations`."""
    routes = APIRouter(tags=["artefacts"])

    @routes.get(
        "/v1/reservations/{ref}/credentials/{credential}/{artefact}",
        response_class=Response,
        responses={
            200: {
                "description": "The artefact",
                "content": {kind.partition(";")[0]: {} for kind in MEDIA_TYPES.values()},
            },
            **documented("bad_request", "unauthorised", "not_owner", "not_found", "not_yet"),
        },
    )
    def get_artefact(
        caller: Annotated[Caller, Depends(gate.needs("reservations"))],
        ref: Annotated[str, Path(pattern=REF, description="The caller's own number of the reservation")],
        credential: Annotated[str, Path(pattern=REF, description="A credential's id, as the reservation shows it")],
        artefact: Artefact,
        language: Annotated[Language | None, Query(description="Another language than the reservation's")] = None,
    ) -> Response:
        """One code in the form in which it reaches its holder: picture, print, page, text or SMS. Holds codes, so it
        is refused with `not_yet` before `reveal_at` and noted as a reveal."""
        sheet = desk.sheet(caller.id, ref, credential, gate.now(), language)
        # A code belongs neither in a browser's cache nor in a proxy's.
        headers = {"Cache-Control": "no-store"}
        return Response(render(artefact, sheet, gate.now()), media_type=MEDIA_TYPES[artefact], headers=headers)

    return routes


def render(artefact: Artefact, sheet: Sheet, made_at: int) -> bytes:
    """One artefact of a sheet. Raises Refused `not_found` when the sheet lacks the code it would show."""
    match artefact:
        case "qr.svg" | "qr.png":
            if sheet.qr is None:
                raise Refused("not_found", "artefact", "this reservation has no QR code")
            if artefact == "qr.png":
                return qr_picture.png(sheet.qr)
            return qr_picture.svg(sheet.qr, sheet.words.qr).encode()
        case "sheet.pdf":
            return paper.pdf(sheet, made_at)
        case "sheet.html":
            return page.html(sheet).encode()
        case "sheet.txt":
            return page.text(sheet).encode()
        case "sms.txt":
            return sms(sheet).encode()
