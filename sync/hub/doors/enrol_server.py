"""What doors say to the hub over HTTPS, on a port of its own: enrolment, renewal, updates, and nothing else.

    GET  /v1/trust/{name}      a trust document by its hash                            public
    POST /v1/enrolments        a unit's request (compact JWE), the hub's answer        authenticated by the QR's secret
    POST /v1/renewals          a door's request (JWS) for its next certificate         signed with the door's event key
    GET  /v1/updates/{name}    a package by its hash (`package_routes.py`)             public

The server's certificate is the broker's, so doors know it by the CAs in their trust document. Beside the server a
thread keeps the broker's files right and throws off the doors that are shut out.
"""

# No `from __future__ import annotations` here: FastAPI reads the annotations of the routes inside the function.

import logging
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Annotated

import uvicorn
from fastapi import FastAPI, Path, Request, Response
from fastapi.concurrency import run_in_threadpool

from controller.formats import enrolment
from controller.formats.errors import Refused
from sync.hub.api.bodies import Problem
from sync.hub.api.problems import CODES, documented, install
from sync.hub.doors.enrol_desk import SEALED_BYTES, EnrolDesk
from sync.hub.doors.package_routes import package_routes
from sync.hub.doors.revocation import BrokerFiles, shut_out_due
from sync.hub.keys.trust_shelf import TRUST, TrustShelf
from sync.hub.listening import listening
from sync.hub.settings import Settings
from sync.hub.store.database import Sessions

EVERY_S = 5.0
TIDY_EVERY_TURNS = 720
JSON = "application/json"
ENROLLING = (
    "bad_request",
    "bad_mac",
    "unknown_invitation",
    "expired",
    "reused",
    "replaced",
    "wrong_code",
    "unconfirmed",
    "revoked",
    "wrong_trust",
    "bad_csr",
    "too_large",
)
RENEWING = ("bad_request", "not_enrolled", "shut_out", "clone_suspected", "bad_csr", "too_large")
DESCRIPTION = "Enrolment of door units, renewal of their certificates, updates. Called by the units' agents only."

log = logging.getLogger(__name__)


def create_doors_app(
    desk: EnrolDesk,
    trust: TrustShelf,
    changed: Callable[[datetime], object],
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> FastAPI:
    """The application; `changed` is called after whatever may have changed who may reach the broker."""
    app = FastAPI(title="zaalsleutel for door units", version="1", description=DESCRIPTION)
    install(app)
    Name = Annotated[str, Path(pattern=r"^[0-9a-f]{32}$", description="First 16 bytes of the payload's SHA-256, hex")]

    @app.get(
        "/v1/trust/{name}", response_class=Response, responses={200: {"content": {JSON: {}}}, **documented("not_found")}
    )
    def get_trust(name: Name) -> Response:
        """A signed trust document by its hash, as an enrolment QR names it. Whoever asks believes it by that hash."""
        return Response(trust.named(name), media_type=JSON)

    @app.post(
        "/v1/enrolments", response_class=Response, responses={200: {"content": {JSON: {}}}, **documented(*ENROLLING)}
    )
    async def post_enrolment(request: Request) -> Response:
        """A unit that read an invitation asks to be a door. The same request again gets the same answer; another one by
        the same invitation is refused and ends the first."""
        return await run_in_threadpool(_answered, await _text(request), desk.enrol, "enrolments")

    @app.post(
        "/v1/renewals", response_class=Response, responses={200: {"content": {JSON: {}}}, **documented(*RENEWING)}
    )
    async def post_renewal(request: Request) -> Response:
        """The next certificate of a door's agent. Two different renewals from one certificate are `clone_suspected`."""
        return await run_in_threadpool(_answered, await _text(request), renew, "renewals")

    def renew(body: str, at: datetime) -> bytes:
        return desk.renew(body.encode("ascii"), at)

    def _answered(body: str, work: Callable[[str, datetime], bytes], what: str) -> Response:
        at = now()
        try:
            return Response(work(body, at), media_type=JSON)
        except Refused as refused:
            log.warning("%s refused: %s", what, refused)
            if refused.code in CODES:
                raise
            raise Refused("bad_request", refused.where, f"{refused.text} ({refused.code})") from None
        finally:
            changed(at)

    plain = app.openapi

    def openapi() -> dict[str, object]:
        document = plain()
        document.setdefault("components", {}).setdefault("schemas", {})["Problem"] = Problem.model_json_schema()
        return document

    app.openapi = openapi  # type: ignore[method-assign]
    return app


async def _text(request: Request) -> str:
    body = await request.body()
    if len(body) > max(SEALED_BYTES, enrolment.MAX_BYTES):
        raise Refused("too_large", "body", f"over {SEALED_BYTES} bytes")
    try:
        return body.decode("ascii")
    except UnicodeDecodeError:
        raise Refused("bad_request", "body", "not ASCII") from None


class DoorsServer:
    """Server and upkeep of one hub process, in threads of their own. Without a section `[doors]` there is only the
    upkeep: doors whose files were carried by hand can be shut out as well. Raises Refused `cannot_listen`."""

    def __init__(self, settings: Settings, sessions: Sessions, desk: EnrolDesk) -> None:
        self._settings = settings
        self._sessions = sessions
        self._desk = desk
        self._files = BrokerFiles(settings.folders.tls)
        self._stopping = threading.Event()
        self._threads = [threading.Thread(target=self._upkeep, name="doors-upkeep")]
        self._server: uvicorn.Server | None = None
        if settings.doors is not None:
            app = create_doors_app(desk, TrustShelf(settings.folders.keys / TRUST), self._write)
            package_routes(app, settings.folders.updates)
            tls = {
                "ssl_certfile": str(settings.folders.tls / "broker.pem"),
                "ssl_keyfile": str(settings.folders.tls / "broker.key"),
            }
            self._server = uvicorn.Server(uvicorn.Config(app, log_config=None, **tls))  # type: ignore[arg-type]
            sockets = listening(settings.doors.host, settings.doors.port, "[doors] port")
            self._threads.append(threading.Thread(target=self._server.run, args=(sockets,), name="doors-https"))

    def start(self) -> None:
        for thread in self._threads:
            thread.start()
        if self._settings.doors is not None:
            log.info("doors enrol at %s, listening on port %s", self._settings.doors.public, self._settings.doors.port)

    def stop(self) -> None:
        """Finish what is under way."""
        self._stopping.set()
        if self._server is not None:
            self._server.should_exit = True
        for thread in self._threads:
            thread.join()

    def _write(self, now: datetime) -> None:
        try:
            self._files.write(self._sessions, now)
        except (OSError, Refused):
            log.exception("the broker's files could not be written; they stay due")

    def _upkeep(self) -> None:
        turn = 0
        while not self._stopping.wait(EVERY_S if turn else 0.0):
            now = datetime.now(UTC)
            try:
                if turn % TIDY_EVERY_TURNS == 0:
                    self._desk.tidy(now)
                self._write(now)
                mqtt = self._settings.mqtt
                shut_out_due(self._sessions, self._settings.folders.tls, mqtt.host, mqtt.port, now)
            except Exception:
                # Doors are kept away by what is written already; a database that is away must not end this thread.
                log.exception("the upkeep of doors failed; it stays due")
            turn += 1
