"""`GET /v1/updates/{sha256}`: the packages on offer, for the units' agents, whole or from an offset (`Range`).

Public, as the program is; a unit knows the right one by its hash, which a key it trusts has signed for. Only so many
are given at a time: a fleet that hears of an offer at once must not keep renewals of certificates waiting.
"""

# No `from __future__ import annotations` here: FastAPI reads the annotations of the routes inside the function.

import pathlib
import threading
from typing import Annotated

from fastapi import FastAPI, Path
from starlette.responses import FileResponse
from starlette.types import Receive, Scope, Send

from controller.formats.errors import Refused
from sync.hub.api.problems import documented
from sync.hub.doors.updates import SUFFIX

AT_A_TIME = 8
DEB = "application/vnd.debian.binary-package"


def package_routes(app: FastAPI, folder: pathlib.Path, at_a_time: int = AT_A_TIME) -> None:
    """Serve the packages in `folder`."""
    places = threading.BoundedSemaphore(at_a_time)
    Name = Annotated[str, Path(pattern=r"^[0-9a-f]{64}$", description="SHA-256 of the package, hex")]

    class Given(FileResponse):
        """Keeps its place until it is over, however it ends."""

        async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
            try:
                await super().__call__(scope, receive, send)
            finally:
                places.release()

    @app.get(
        "/v1/updates/{name}",
        response_class=FileResponse,
        responses={200: {"content": {DEB: {}}}, **documented("not_found", "busy")},
    )
    def get_package(name: Name) -> FileResponse:
        """A package on offer, by the SHA-256 that its signed manifest names. `Range` goes on where a cut left off."""
        package = folder / f"{name}{SUFFIX}"
        if not package.is_file():
            raise Refused("not_found", "update", "no package of this name is on offer")
        if not places.acquire(blocking=False):
            raise Refused("busy", "updates", f"{at_a_time} units are being served")
        return Given(package, media_type=DEB)
