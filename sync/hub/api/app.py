"""The HTTP API of the hub, put together. Its routes are in `routes_*.py`, its bodies in `bodies*.py`.

PUT, GET /v1/reservations/{ref} · POST …/reveal, …/rotate, …/credentials, …/handovers
DELETE …/credentials/{id} · POST /v1/swaps
GET /v1/reservations/{ref}/usage, …/subject · GET /v1/figures?month= · POST /v1/exports
GET /v1/rooms/{id}/status, …/reservations, …/policies · GET /v1/doors/{id}/readiness · GET /v1/exceptions
PUT, GET, DELETE /v1/closures/{ref}
GET /v1/events?after=&limit=&types= · POST, GET, DELETE /v1/subscriptions
POST /oauth2/token · GET /healthz · GET /metrics

app = create_app(service, LogStore(sessions))
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

from fastapi import APIRouter, FastAPI, Response

from sync.hub.api.bodies import Health, Problem
from sync.hub.api.gate import Gate
from sync.hub.api.links import add_links
from sync.hub.api.metrics import CONTENT_TYPE, Metrics
from sync.hub.api.problems import install
from sync.hub.api.routes_feed import feed_routes
from sync.hub.api.routes_reservations import reservation_routes
from sync.hub.api.routes_rooms import room_routes
from sync.hub.api.routes_tokens import token_routes
from sync.hub.events.feed import Feed, Records
from sync.hub.events.reach import Reach
from sync.hub.events.webhooks import SubscriptionDesk
from sync.hub.service import Service

DESCRIPTION = """\
Codes for rooms: one call per reservation. The hub makes PIN and QR, brings them to the doors, and tells what happened
there. Errors are RFC 9457 problems with a stable `code`.
"""

RouteMaker = Callable[[Gate], APIRouter]
"""Further routes (artefacts, adapters, the audit) are made with the same gate."""


def create_app(
    service: Service,
    records: Records,
    now: Callable[[], int] = lambda: int(time.time()),
    *,
    desk: SubscriptionDesk | None = None,
    metrics: Metrics | None = None,
    more: Sequence[RouteMaker] = (),
) -> FastAPI:
    """The application; `now` gives UTC seconds, `desk` keeps the subscriptions."""
    app = FastAPI(
        title="zaalsleutel", version="1", description=DESCRIPTION, generate_unique_id_function=lambda route: route.name
    )
    install(app)
    gate = Gate(service, now)
    feed = Feed(service, records)
    metrics = metrics or Metrics(service)
    for routes in (
        reservation_routes(service, gate),
        room_routes(service, gate),
        feed_routes(feed, desk or SubscriptionDesk(service.bench, feed, Reach()), gate),
        token_routes(service, gate),
        *(make(gate) for make in more),
        _running(service, metrics, now),
    ):
        app.include_router(routes)
    app.add_middleware(metrics.middleware)
    _complete_document(app)
    return app


def _running(service: Service, metrics: Metrics, now: Callable[[], int]) -> APIRouter:
    """Routes for whoever keeps the hub running."""
    routes = APIRouter(tags=["running"])

    @routes.get("/healthz", response_model=Health)
    def get_health() -> Health:
        """Whether API and database answer."""
        service.doors()
        return Health(status="ok")

    @routes.get(
        "/metrics", response_class=Response, responses={200: {"description": "Metrics", "content": {CONTENT_TYPE: {}}}}
    )
    def get_metrics() -> Response:
        """Figures for Prometheus. Keep them inside: a proxy should not pass `/metrics` on."""
        return Response(metrics.text(now()), media_type=CONTENT_TYPE)

    return routes


def _complete_document(app: FastAPI) -> None:
    """Put into the OpenAPI document the schema of problems, to which every route's answers refer, and what leads to
    what."""
    plain = app.openapi

    def openapi() -> dict[str, Any]:
        document = plain()
        add_links(document)
        document["components"]["schemas"]["Problem"] = Problem.model_json_schema()
        return document

    app.openapi = openapi  # type: ignore[method-assign]
