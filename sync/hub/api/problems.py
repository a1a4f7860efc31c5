"""Errors of the API: RFC 9457 problem+json with a stable `code`, whatever went wrong."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from controller.formats.encoding import read_once
from controller.formats.errors import Refused
from sync.hub.api.bodies import Problem
from sync.hub.booking.reservations import Overlap

MEDIA_TYPE = "application/problem+json"
JSON = b"application/json"
BODY_BYTES = 1 << 20

# code -> (status, title). Anything else that is Refused is a fault of the hub, not of the caller.
CODES: dict[str, tuple[int, str]] = {
    "bad_request": (422, "The request is not what the contract asks for"),
    "window_required": (422, "A window with start and end is needed"),
    "too_far_ahead": (422, "The window is more than 24 months ahead"),
    "personal_data_refused": (422, "Personal data is not accepted"),
    "unauthorised": (401, "A valid bearer token is needed"),
    "not_owner": (403, "This client may not do that"),
    "not_found": (404, "There is no such thing"),
    "unknown_room": (404, "There is no such room"),
    "stale_revision": (409, "A newer or different revision holds"),
    "overlap": (409, "The room is held by another reservation"),
    "not_yet": (409, "The codes may not be shown yet"),
    "door_full": (409, "A door holds as many grants as it can"),
    "bad_import": (422, "This file cannot be read at all"),
    "upstream_failed": (502, "The other system did not answer as it should"),
    "too_large": (413, "The body is over 1 MiB"),
    "nothing_to_confirm": (409, "No unit waits to be confirmed"),
    "wrong_code": (409, "Not the code that the unit shows"),
    "bad_mac": (403, "Not made with the secret of the code, or altered"),
    "unknown_invitation": (403, "Nobody was invited to be this door"),
    "expired": (410, "The code is older than an hour"),
    "reused": (410, "The code was used twice, so neither use counts"),
    "replaced": (410, "A newer code was made for this door"),
    "unconfirmed": (410, "Nobody confirmed the unit within a day"),
    "revoked": (410, "The door was shut out"),
    "wrong_trust": (409, "Goes by another trust document"),
    "bad_csr": (422, "Not a certificate request as wanted"),
    "not_enrolled": (403, "No unit is enrolled as this door"),
    "shut_out": (403, "This door was shut out; enrol it anew"),
    "clone_suspected": (409, "This certificate was renewed before, by somebody else"),
    "busy": (503, "Others are being served; come again"),
    "pin_space_low": (503, "No PIN is left"),
    "internal": (500, "The hub failed; its log says where"),
}


def documented(*codes: str) -> dict[int | str, dict[str, Any]]:
    """The OpenAPI responses of a route that may answer with these codes."""
    responses: dict[int | str, dict[str, Any]] = {}
    for status in sorted({CODES[code][0] for code in codes}):
        said = [code for code in codes if CODES[code][0] == status]
        examples = {code: {"value": _members(code, CODES[code][1])} for code in said}
        content = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}, "examples": examples}}
        responses[status] = {"description": "; ".join(f"`{code}`" for code in said), "content": content}
    return responses


def problem(code: str, detail: str, **members: str | None) -> Response:
    """One problem as a response."""
    headers = {"WWW-Authenticate": "Bearer"} if code == "unauthorised" else None
    content = _members(code, detail, **members)
    return JSONResponse(content, content["status"], headers, media_type=MEDIA_TYPE)


def install(app: FastAPI) -> None:
    """Answer every error of `app` in this shape, and refuse bodies over 1 MiB and JSON that two readers could read
    differently."""
    app.add_exception_handler(Refused, _refused)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(Exception, _failed)
    app.add_middleware(BodyLimit)


class BodyLimit:
    """Refuses a body over the limit, by its announced length or as soon as it has grown beyond it; and one of JSON in
    which a name occurs twice: which of two states a proxy has let through nobody could say."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        body = await _body_within_limit(receive)
        if body is None:
            await problem("too_large", f"at most {BODY_BYTES} bytes")(scope, receive, send)
            return
        if body and _is_json(_media_type(scope)):
            try:
                read_once(body, "body")
            except Refused as refused:
                await problem("bad_request", refused.text, where=refused.where)(scope, receive, send)
                return
        messages = [{"type": "http.request", "body": body, "more_body": False}]

        async def replay() -> Message:
            return messages.pop() if messages else await receive()

        await self._app(scope, replay, send)


def _is_json(media_type: bytes) -> bool:
    """Whether the framework reads a body of this type as JSON."""
    return media_type == JSON or (media_type.startswith(b"application/") and media_type.endswith(b"+json"))


def _media_type(scope: Scope) -> bytes:
    """The media type of a request, without its parameters; empty where it has none."""
    value = next((bytes(value) for name, value in scope["headers"] if name == b"content-type"), b"")
    return value.partition(b";")[0].strip().lower()


async def _body_within_limit(receive: Receive) -> bytes | None:
    body = bytearray()
    while True:
        message = await receive()
        body += message.get("body", b"")
        if len(body) > BODY_BYTES:
            return None
        if not message.get("more_body", False):
            return bytes(body)


def _members(code: str, detail: str, **members: str | None) -> dict[str, Any]:
    status, title = CODES[code]
    told = Problem(type=f"urn:zaalsleutel:problem:{code}", title=title, status=status, code=code, detail=detail)
    return {**told.model_dump(exclude_none=True), **{name: value for name, value in members.items() if value}}


async def _refused(_request: Request, refused: Exception) -> Response:
    assert isinstance(refused, Refused)
    if refused.code not in CODES:
        raise refused
    reservation = refused.reservation if isinstance(refused, Overlap) else None
    return problem(refused.code, refused.text, where=refused.where, reservation=reservation)


async def _invalid(_request: Request, invalid: Exception) -> Response:
    assert isinstance(invalid, RequestValidationError)
    # The value itself is never repeated: it may be just what must not be kept.
    first = invalid.errors()[0]
    if isinstance(invalid.body, bytes):
        return problem("bad_request", "a body is JSON, with Content-Type: application/json", where="body")
    where = ".".join(map(str, first["loc"][1:]))  # the first says whether body, query or path
    return problem("bad_request", first["msg"], where=where)


async def _http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    if error.status_code == 404:
        return problem("not_found", "there is nothing at this address")
    if error.status_code == 400:
        return problem("bad_request", "the body cannot be read", where="body")
    told = {"type": "about:blank", "title": error.detail, "status": error.status_code, "code": "bad_request"}
    content = {**told, "detail": f"{request.method} is not for this address"}
    return JSONResponse(content, error.status_code, error.headers, media_type=MEDIA_TYPE)


async def _failed(_request: Request, _error: Exception) -> Response:
    # Starlette raises the exception again after this, so that it is logged with its trace.
    return problem("internal", "nothing is wrong with the request; tell whoever runs the hub")
