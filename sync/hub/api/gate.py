"""Lets callers of the API in: a bearer token, or a client certificate where the server asks for one.

gate = Gate(service, now)
Booker = Annotated[Caller, Depends(gate.needs("reservations"))]
"""

# No `from __future__ import annotations` here: FastAPI reads the annotations of the dependency.

from collections.abc import Callable
from typing import Annotated

from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from controller.formats.errors import Refused
from sync.hub.service import Service
from sync.hub.town.clients import Caller

BEARER = HTTPBearer(
    auto_error=False,
    description="A token of `POST /oauth2/token`, or the secret of `zaalsleutel hub token CLIENT` itself",
)

CERTIFICATE_NAME = "client_certificate_name"
"""Where the server leaves the common name of a verified client certificate (tls_server.py)."""


class Gate:
    """Who calls, and whether they may."""

    def __init__(self, service: Service, now: Callable[[], int]) -> None:
        self._service = service
        self.now = now

    def needs(self, *scopes: str) -> Callable[..., Caller]:
        """A dependency: the caller, who has at least one of these scopes. Raises Refused `unauthorised`,
        `not_owner`."""

        def caller(request: Request, bearer: Annotated[HTTPAuthorizationCredentials | None, Depends(BEARER)]) -> Caller:
            found = self._identify(request, bearer)
            if found.scopes.isdisjoint(scopes):
                raise Refused("not_owner", "authorization", f"this needs the scope {' or '.join(scopes)}")
            return found

        return caller

    def _identify(self, request: Request, bearer: HTTPAuthorizationCredentials | None) -> Caller:
        name = getattr(request.state, CERTIFICATE_NAME, None)
        if bearer is None and name is not None:
            found = self._service.caller_by_certificate(name)
            if found is not None:
                return found
        return self._service.caller(bearer.credentials if bearer is not None else "", self.now())
