"""Figures for Prometheus, in its text format. Nothing in them names a reservation, a holder or a code.

The counters are this process's; the gauges are asked of the database when somebody looks.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Iterable

from sqlalchemy import func, select
from sqlalchemy.orm import Session
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from sync.hub.doors import readiness
from sync.hub.doors.desk import DoorDesk
from sync.hub.events.subscriptions import Subscription
from sync.hub.issuing.issuer import TRAVELLING
from sync.hub.store.models import Door, DoorList, Grant

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
BUCKETS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
Sample = tuple[str, float]


class Metrics:
    """What this process counted, and what the hub holds."""

    def __init__(self, desk: DoorDesk) -> None:
        self._desk = desk
        self._lock = threading.Lock()
        self._requests: Counter[tuple[str, str]] = Counter()
        self._buckets: Counter[float] = Counter()
        self._seconds = 0.0

    def count(self, method: str, status: int, seconds: float) -> None:
        """One answered request."""
        with self._lock:
            self._requests[method, str(status)] += 1
            self._seconds += seconds
            for bound in BUCKETS_S:
                self._buckets[bound] += seconds <= bound

    def middleware(self, app: ASGIApp) -> ASGIApp:
        """An ASGI middleware that counts."""

        async def counting(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] != "http":
                await app(scope, receive, send)
                return
            began, status = time.perf_counter(), 500

            async def sending(message: Message) -> None:
                nonlocal status
                if message["type"] == "http.response.start":
                    status = message["status"]
                await send(message)

            try:
                await app(scope, receive, sending)
            finally:
                self.count(scope["method"], status, time.perf_counter() - began)

        return counting

    def text(self, now: int) -> str:
        """Everything, at `now` (UTC seconds)."""
        lines = list(self._process())
        lines += self._desk.bench.look(lambda session: list(_hub(session, now)))
        return "\n".join(lines) + "\n"

    def _process(self) -> Iterable[str]:
        with self._lock:
            requests, buckets, seconds = dict(self._requests), dict(self._buckets), self._seconds
        named = [(f'{{method="{method}",status="{status}"}}', n) for (method, status), n in sorted(requests.items())]
        yield from _family("zaalsleutel_http_requests_total", "counter", "Requests answered", named)
        name, total = "zaalsleutel_http_request_seconds", sum(requests.values())
        yield f"# HELP {name} How long answers took"
        yield f"# TYPE {name} histogram"
        yield from (f'{name}_bucket{{le="{bound}"}} {buckets.get(bound, 0)}' for bound in BUCKETS_S)
        yield f'{name}_bucket{{le="+Inf"}} {total}'
        yield f"{name}_sum {seconds:.6f}"
        yield f"{name}_count {total}"


def _hub(session: Session, now: int) -> Iterable[str]:
    doors = session.scalars(select(Door).order_by(Door.id)).all()
    states = {each.door: each for each in readiness.doors_readiness(session, doors, now)}
    ready = [(f'{{door="{name}"}}', float(state.ready)) for name, state in states.items()]
    yield from _family("zaalsleutel_door_ready", "gauge", "1 when every condition of the door holds", ready)
    failing = [
        (f'{{door="{name}",condition="{check.condition}"}}', 1.0)
        for name, state in states.items()
        for check in state.checks
        if not check.ok
    ]
    yield from _family("zaalsleutel_door_failing", "gauge", "Conditions that do not hold", failing)
    grants = select(func.count()).select_from(Grant).where(Grant.state.in_(TRAVELLING), Grant.ended.is_(False))
    yield from _one("zaalsleutel_grants", "Grants that are active or suspended and not over", session.scalar(grants))
    waiting = select(func.count()).select_from(DoorList).join(Door, Door.id == DoorList.door)
    waiting = waiting.where(DoorList.version > Door.reported_version)
    yield from _one("zaalsleutel_lists_waiting", "Lists their doors have not reported yet", session.scalar(waiting))
    yield from _one("zaalsleutel_reservations_late", "Reservations not held in time", len(readiness.late(session, now)))
    dead = select(func.count()).select_from(Subscription).where(Subscription.dead.is_(True))
    yield from _one("zaalsleutel_subscriptions_dead", "Endpoints that were given up", session.scalar(dead))


def _one(name: str, text: str, value: float | None) -> Iterable[str]:
    return _family(name, "gauge", text, [("", float(value or 0))])


def _family(name: str, kind: str, text: str, samples: Iterable[Sample]) -> Iterable[str]:
    yield f"# HELP {name} {text}"
    yield f"# TYPE {name} {kind}"
    yield from (f"{name}{labels} {value:g}" for labels, value in samples)
