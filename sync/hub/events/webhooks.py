"""Sends events to those who subscribed: CloudEvents 1.0 over HTTP, signed, in order, until they are taken.

    desk = SubscriptionDesk(bench, feed, Reach())
    hooks = Webhooks(desk, source="https://hub.example")
    hooks.start()                                      # a thread; several hub processes take turns by lease
    …
    hooks.stop()

The signature is `Zaalsleutel-Signature: t=<unix seconds>,v1=<hex>`, HMAC-SHA256 with the subscription's secret over
`<t>.<body>`; the receiver refuses a `t` more than 5 minutes off. Anything but 2xx is a failure: the next try comes
after 10 s, then twice as long each time up to an hour. After three days, or at once on 410, the endpoint is dead and
shown so.
"""

from __future__ import annotations

import hmac
import http.client
import json
import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, or_, select, update
from sqlalchemy.orm import Session

from sync.hub.events import subscriptions
from sync.hub.events.feed import Feed, FeedEvent
from sync.hub.events.reach import Reach
from sync.hub.events.subscriptions import Subscription
from sync.hub.store.models import Client
from sync.hub.town.clients import Caller
from sync.hub.workbench import Workbench

FIRST_PAUSE_S, LONGEST_PAUSE_S = 10, 3_600
DEAD_AFTER_S = 3 * 86_400
PAGE = 50
LEASE_S = 120
"""How long a hub process has a subscription to itself: more than a turn takes."""

SHARE_S = 10
"""After this, and the delivery under way, a subscription's turn is over and the next one's begins: one thread sends."""

TURN_S = 1.0
GONE = 410
SIGNATURE_HEADER = "Zaalsleutel-Signature"

log = logging.getLogger(__name__)

Send = Callable[[str, bytes, dict[str, str]], int]


class SubscriptionDesk:
    """Subscriptions of callers, and their turn."""

    def __init__(self, bench: Workbench, feed: Feed, reach: Reach) -> None:
        self.bench = bench
        self.feed = feed
        self.reach = reach

    def add(self, caller: Caller, url: str, types: list[str], after: int | None, now: int) -> tuple[Subscription, str]:
        """A new subscription and its secret. Raises Refused `bad_request`."""
        self.reach.check(url)
        cursor = self.feed.end() if after is None else after
        return self.bench.run(
            now,
            lambda minter: subscriptions.add(minter.session, minter.keyring, caller, url, types, cursor),
        )

    def all(self, caller: Caller) -> list[Subscription]:
        """The caller's own."""
        return self.bench.look(lambda session: subscriptions.of_client(session, caller.id))

    def revive(self, caller: Caller, name: str, now: int) -> Subscription:
        """Try again at once. Raises Refused `not_found`."""

        def work(session: Any) -> Subscription:
            row = subscriptions.one(session, caller.id, name)
            subscriptions.revive(row)
            return row

        return self.bench.run(now, lambda minter: work(minter.session))

    def remove(self, caller: Caller, name: str, now: int) -> None:
        """Raises Refused `not_found`."""
        self.bench.run(now, lambda minter: minter.session.delete(subscriptions.one(minter.session, caller.id, name)))

    def due(self, now: int) -> list[str]:
        """The subscriptions whose turn it is and for which there may be something new."""
        behind = select(Subscription.id).where(*_due(now), Subscription.cursor < self.feed.end())
        return self.bench.look(lambda session: list(session.scalars(behind.order_by(Subscription.id))))

    def take_turn(self, name: str, now: int) -> tuple[Subscription, Caller, str] | None:
        """The subscription, leased to this process, with its caller and its secret; None when another one was quicker.
        One at a time: a lease of the last in a row would be over before its turn came."""

        def lease(session: Session) -> tuple[Subscription, Caller, str] | None:
            query = select(Subscription).where(Subscription.id == name, *_due(now)).with_for_update(skip_locked=True)
            row = session.scalar(query)
            client = None if row is None else session.get(Client, row.client)
            if row is None:
                return None
            if client is None:
                row.dead, row.last_error = True, "the client is gone"
                return None
            row.leased_until = now + LEASE_S
            scopes = frozenset(row.scopes) & frozenset(client.scopes)
            secret = self.bench.keyring.unseal(row.sealed_secret, row.id).decode()
            return row, Caller(client.id, client.service, client.owner, scopes), secret

        return self.bench.run(now, lambda minter: lease(minter.session))

    def record(self, name: str, now: int, **changes: Any) -> None:
        """Write how a turn went; the lease ends with it."""
        statement = update(Subscription).where(Subscription.id == name).values(leased_until=None, **changes)
        self.bench.run(now, lambda minter: minter.session.execute(statement))


def _due(now: int) -> tuple[ColumnElement[bool], ...]:
    """What says that it is a subscription's turn. Times further ahead than any pause were written while the clock was,
    and nobody waits for those."""
    row = Subscription
    tried = or_(row.next_try_at <= now, row.next_try_at > now + LONGEST_PAUSE_S)
    free = or_(row.leased_until.is_(None), row.leased_until <= now, row.leased_until > now + LEASE_S)
    return row.dead.is_(False), tried, free


@dataclass(frozen=True)
class _Outcome:
    """How far a turn came: the cursor that is done, and what stopped it (None when nothing did)."""

    cursor: int
    error: str | None
    gone: bool = False


class Webhooks:
    """The thread that sends."""

    def __init__(
        self,
        desk: SubscriptionDesk,
        *,
        source: str,
        clock: Callable[[], float] = time.time,
        send: Send | None = None,
    ) -> None:
        self._desk = desk
        self._source = source
        self._clock = clock
        self._send = send or desk.reach.post
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._work, name="hub-webhooks")

    def start(self) -> None:
        """Start sending."""
        self._thread.start()

    def stop(self) -> None:
        """Finish what is being sent and stop."""
        self._stopping.set()
        self._thread.join()

    def turn(self) -> None:
        """Send to everybody whose turn it is, as much as they take."""
        for name in self._desk.due(int(self._clock())):
            try:
                self._take_turn(name)
            except Exception:
                # What is wrong with one (a secret that cannot be unsealed) must not keep the others from theirs.
                log.exception("the turn of subscription %s failed; what was not taken is sent again", name)

    def _take_turn(self, name: str) -> None:
        taken = self._desk.take_turn(name, int(self._clock()))
        if taken is not None:
            row, caller, secret = taken
            outcome = self._serve(row, caller, secret)
            now = int(self._clock())
            self._desk.record(row.id, now, **self._consequence(row, outcome, now))

    def _work(self) -> None:
        while not self._stopping.wait(TURN_S):
            try:
                self.turn()
            except Exception:
                # One bad turn must not end the thread: everybody else's events would stop with it.
                log.exception("a turn of webhooks failed; what was not taken is sent again")

    def _serve(self, row: Subscription, caller: Caller, secret: str) -> _Outcome:
        cursor, ends_at = row.cursor, self._clock() + SHARE_S
        while True:
            page, upto = self._desk.feed.page(caller, cursor, PAGE)
            for event in page:
                if self._stopping.is_set() or self._clock() > ends_at:
                    return _Outcome(cursor, None)
                if row.wants(event.type):
                    error = self._deliver(row.url, event, secret)
                    if error is not None:
                        return _Outcome(cursor, error, gone=error == f"status {GONE}")
                cursor = event.cursor
            cursor = upto
            if len(page) < PAGE:
                return _Outcome(cursor, None)

    def _deliver(self, url: str, event: FeedEvent, secret: str) -> str | None:
        """None when it was taken, else what went wrong; never what the other side said."""
        body = json.dumps(cloud_event(event, self._source)).encode()
        headers = {
            "Content-Type": "application/cloudevents+json; charset=utf-8",
            SIGNATURE_HEADER: signature(secret, int(self._clock()), body),
        }
        try:
            status = self._send(url, body, headers)
        except (OSError, http.client.HTTPException, ValueError, OverflowError) as error:
            # The last two: an address that is none. It must not cost the others their turn.
            return type(error).__name__
        return None if 200 <= status < 300 else f"status {status}"

    def _consequence(self, row: Subscription, outcome: _Outcome, now: int) -> dict[str, Any]:
        if outcome.error is None:
            return {"cursor": outcome.cursor, "tries": 0, "failing_since": None, "last_error": None, "next_try_at": 0}
        # Something got through before this failure: the endpoint is alive, count from here.
        fresh = row.failing_since is None or outcome.cursor > row.cursor
        since, tries = (now, 1) if fresh or row.failing_since is None else (row.failing_since, row.tries + 1)
        dead = outcome.gone or now - since >= DEAD_AFTER_S
        if dead:
            log.warning("subscription %s of %s is dead: %s", row.id, row.client, outcome.error)
        pause_s = min(FIRST_PAUSE_S << min(tries - 1, 10), LONGEST_PAUSE_S)
        failed = {"tries": tries, "failing_since": since, "last_error": outcome.error, "dead": dead}
        return {"cursor": outcome.cursor, "next_try_at": now + pause_s, **failed}


def cloud_event(event: FeedEvent, source: str) -> dict[str, Any]:
    """An event as a CloudEvents 1.0 JSON object (R001-07)."""
    members = ("cursor", "door", "room", "clock", "reason", "grant", "credential", "reservation", "detail")
    return {
        "specversion": "1.0",
        "id": event.id,
        "source": source,
        "type": event.type,
        "subject": event.reservation or event.room or event.door or "hub",
        "time": event.time,
        "datacontenttype": "application/json",
        "data": {name: getattr(event, name) for name in members},
    }


def signature(secret: str, at: int, body: bytes) -> str:
    """The value of the signature header for a body sent at `at` (UTC seconds)."""
    return f"t={at},v1={hmac.digest(secret.encode(), f'{at}.'.encode() + body, 'sha256').hex()}"
