"""The token endpoint: OAuth 2.0 client credentials (RFC 6749, section 4.4), with its own form of errors."""

# No `from __future__ import annotations` here: FastAPI reads the annotations of the routes inside the function.

import base64
import binascii
from typing import Annotated, Any, Literal
from urllib.parse import parse_qsl, unquote_plus

from fastapi import APIRouter, Header, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field

from controller.formats.errors import Refused
from sync.hub.api.gate import Gate
from sync.hub.service import Service

OAuthError = Literal["invalid_request", "invalid_client", "invalid_scope", "unsupported_grant_type"]
STATUS: dict[OAuthError, int] = {
    "invalid_request": 400,
    "invalid_client": 401,
    "invalid_scope": 400,
    "unsupported_grant_type": 400,
}
FORM = {
    "requestBody": {
        "required": True,
        "content": {
            "application/x-www-form-urlencoded": {
                "schema": {
                    "type": "object",
                    "required": ["grant_type"],
                    "properties": {
                        "grant_type": {"type": "string", "examples": ["client_credentials"]},
                        "client_id": {"type": "string", "examples": ["booking"]},
                        "client_secret": {"type": "string"},
                        "scope": {"type": "string", "examples": ["reservations records"]},
                    },
                }
            }
        },
    }
}


FIELDS_MAX = 20


class TokenAnswer(BaseModel):
    """A bearer token and for how many seconds it is good."""

    access_token: str
    token_type: Literal["Bearer"] = "Bearer"  # noqa: S105  # the word of the standard
    expires_in: Annotated[int, Field(examples=[3600])]
    scope: Annotated[str, Field(examples=["records reservations"])]


class TokenProblem(BaseModel):
    """An error in the form RFC 6749 wants."""

    error: OAuthError
    error_description: str


def token_routes(service: Service, gate: Gate) -> APIRouter:
    """`POST /oauth2/token`."""
    routes = APIRouter(tags=["tokens"])
    errors: dict[int | str, dict[str, Any]] = {
        status: {"model": TokenProblem, "description": "Not granted"} for status in sorted({*STATUS.values()})
    }

    @routes.post("/oauth2/token", response_model=TokenAnswer, responses=errors, openapi_extra=FORM)
    async def post_token(request: Request, authorization: Annotated[str, Header(max_length=500)] = "") -> JSONResponse:
        """A token for an hour. The client's id and secret come as HTTP Basic or in the form; the secret is what
        `zaalsleutel hub token CLIENT` printed."""
        try:
            asked = dict(parse_qsl((await request.body()).decode("ascii", "replace"), max_num_fields=FIELDS_MAX))
        except ValueError:
            return _problem("invalid_request", f"at most {FIELDS_MAX} fields")
        return await run_in_threadpool(answer, asked, authorization)

    def answer(asked: dict[str, str], authorization: str) -> JSONResponse:
        if "grant_type" not in asked:
            return _problem("invalid_request", "grant_type is needed")
        if asked["grant_type"] != "client_credentials":
            return _problem("unsupported_grant_type", "only client_credentials is supported")
        client, secret = asked.get("client_id", ""), asked.get("client_secret", "")
        if authorization.lower().startswith("basic "):
            client, secret = _basic(authorization[6:])
        try:
            granted = service.grant_token(client, secret, asked.get("scope", "").split(), gate.now())
        except Refused as refused:
            return _problem("invalid_scope" if refused.code == "bad_scope" else "invalid_client", refused.text)
        told = TokenAnswer(access_token=granted.token, expires_in=granted.life_s, scope=" ".join(granted.scopes))
        return JSONResponse(told.model_dump(), headers={"Cache-Control": "no-store"})

    return routes


def _problem(error: OAuthError, text: str) -> JSONResponse:
    headers = {"Cache-Control": "no-store"}
    if error == "invalid_client":
        headers["WWW-Authenticate"] = "Basic"
    return JSONResponse({"error": error, "error_description": text}, STATUS[error], headers)


def _basic(encoded: str) -> tuple[str, str]:
    """Id and secret of an HTTP Basic header; empty for anything else."""
    try:
        name, _, secret = base64.b64decode(encoded, validate=True).decode("ascii").partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return "", ""
    return unquote_plus(name), unquote_plus(secret)
