"""Webhooks against a real HTTP server: signature, order, back-off, dead endpoints, nothing lost, nothing foreign."""

import hmac
import json
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

from controller.formats.errors import Refused
from sync.hub.events.feed import Feed
from sync.hub.events.reach import Reach
from sync.hub.events.subscriptions import Subscription
from sync.hub.events.webhooks import SIGNATURE_HEADER, SubscriptionDesk, Webhooks, signature
from sync.hub.records.log_store import LogStore
from sync.hub.town.clients import Caller
from tests.sync.hub.conftest import DAY, HOUR, NOW, wish

BOOKER = Caller("booking", "culture", None, frozenset({"reservations"}))
CLUB = Caller("club", "sport", None, frozenset({"reservations"}))


@dataclass
class Receiver:
    """The other side: answers with `statuses` in turn, then 204."""

    url: str
    statuses: list[int] = field(default_factory=list)
    got: list[tuple[dict[str, str], bytes]] = field(default_factory=list)

    def events(self) -> list[dict[str, Any]]:
        return [json.loads(body) for _, body in self.got]


@pytest.fixture
def receiver():
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            status = made.statuses.pop(0) if made.statuses else 204
            if status < 300:
                made.got.append((dict(self.headers), body))
            self.send_response(status)
            self.send_header("Location", "/elsewhere")
            self.end_headers()

        def log_message(self, *_args):
            """Say nothing."""

    server = HTTPServer(("127.0.0.1", 0), Handler)
    made = Receiver(f"http://127.0.0.1:{server.server_port}/hooks?town=1")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield made
    server.shutdown()
    thread.join()
    server.server_close()


class Clock:
    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def desk(service, sessions):
    return SubscriptionDesk(service.bench, Feed(service, LogStore(sessions)), Reach(plain=True))


@pytest.fixture
def hooks(desk, clock):
    return Webhooks(desk, source="https://hub.example", clock=clock)


def test_events_come_signed_and_in_order(service, desk, hooks, receiver):
    """R001-07: CloudEvents 1.0; the signature is over timestamp and body."""
    _, secret = desk.add(BOOKER, receiver.url, [], None, NOW)
    service.put("booking", "R-1", wish(), NOW)
    hooks.turn()
    hooks.turn()
    assert [each["type"] for each in receiver.events()] == ["grant.activated", "credential.ready"]
    first = receiver.events()[0]
    assert {name: first[name] for name in ("specversion", "source", "subject", "datacontenttype")} == {
        "specversion": "1.0",
        "source": "https://hub.example",
        "subject": "R-1",
        "datacontenttype": "application/json",
    }
    headers, body = receiver.got[0]
    assert headers["Content-Type"].startswith("application/cloudevents+json")
    at, sent = (part.partition("=")[2] for part in headers[SIGNATURE_HEADER].split(","))
    assert hmac.compare_digest(sent, hmac.digest(secret.encode(), at.encode() + b"." + body, "sha256").hex())
    assert headers[SIGNATURE_HEADER] == signature(secret, NOW, body)
    assert b"ZS1:" not in body


def test_a_failing_endpoint_waits_longer_each_time_and_loses_nothing(service, desk, hooks, receiver, clock):
    """Retries with back-off; the same event under the same id, then the rest in order."""
    desk.add(BOOKER, receiver.url, [], None, NOW)
    service.put("booking", "R-1", wish(), NOW)
    receiver.statuses = [500, 503, 302, 404]
    for wait in (10, 20, 40, 80):
        hooks.turn()
        (row,) = desk.all(BOOKER)
        assert row.next_try_at == clock.now + wait
        clock.now += wait - 1
        hooks.turn()  # not yet
        clock.now += 1
    assert receiver.got == []
    hooks.turn()
    assert [each["type"] for each in receiver.events()] == ["grant.activated", "credential.ready"]
    (row,) = desk.all(BOOKER)
    assert (row.tries, row.failing_since, row.last_error) == (0, None, None)


def test_an_endpoint_that_is_down_for_days_is_dead_and_shown_and_can_be_revived(service, desk, receiver, clock, hooks):
    """Dead endpoints shown."""
    desk.add(BOOKER, receiver.url, [], None, NOW)
    service.put("booking", "R-1", wish(), NOW)
    receiver.statuses = [500] * 1_000
    while not desk.all(BOOKER)[0].dead:
        hooks.turn()
        clock.now += HOUR
        assert clock.now < NOW + 4 * DAY
    assert desk.all(BOOKER)[0].last_error == "status 500"
    receiver.statuses.clear()
    hooks.turn()
    assert receiver.got == []
    desk.revive(BOOKER, desk.all(BOOKER)[0].id, clock.now)
    hooks.turn()
    assert len(receiver.got) == 2


def test_gone_is_dead_at_once_and_nobody_there_is_a_failure(service, desk, hooks, receiver):
    desk.add(BOOKER, receiver.url, [], None, NOW)
    desk.add(BOOKER, "http://127.0.0.1:9/", [], None, NOW)
    service.put("booking", "R-1", wish(), NOW)
    receiver.statuses = [410]
    hooks.turn()
    rows = {row.url: row for row in desk.all(BOOKER)}
    assert rows[receiver.url].dead
    assert not rows["http://127.0.0.1:9/"].dead
    assert rows["http://127.0.0.1:9/"].last_error == "ConnectionRefusedError"


@pytest.mark.parametrize("error", [ValueError, UnicodeError("no name"), OverflowError, OSError])
def test_an_address_that_is_none_costs_the_others_nothing(service, desk, receiver, clock, error):
    for url in ("https://bad.example/", receiver.url):
        desk.add(BOOKER, url, [], None, NOW)
    tried = []

    def send(url, _body, _headers):
        tried.append(url)
        if "bad" in url:
            raise error
        return 204

    service.put("booking", "R-1", wish(), NOW)
    Webhooks(desk, source="https://hub.example", clock=clock, send=send).turn()
    assert {"https://bad.example/", receiver.url} <= set(tried)


def test_a_slow_endpoint_ends_its_turn_for_the_others(service, desk, clock):
    desk.add(BOOKER, "https://slow.example/", [], None, NOW)
    for hours in (10, 20):
        service.put("booking", f"R-{hours}", wish(start=NOW + hours * HOUR, until=NOW + (hours + 2) * HOUR), NOW)
    sent = []

    def send(url, _body, _headers):
        sent.append(url)
        clock.now += 9
        return 204

    hooks = Webhooks(desk, source="https://hub.example", clock=clock, send=send)
    hooks.turn()
    assert len(sent) == 2
    hooks.turn()
    assert len(sent) == 4, "it goes on where it stopped"


def test_types_are_chosen_and_nothing_foreign_is_sent(service, desk, hooks, receiver):
    """R004-21: another service's events do not exist."""
    desk.add(CLUB, receiver.url, [], None, NOW)
    desk.add(BOOKER, receiver.url, ["credential.*"], None, NOW)
    service.put("booking", "R-1", wish(), NOW)
    hooks.turn()
    assert [each["type"] for each in receiver.events()] == ["credential.ready"]


def test_two_hub_processes_do_not_send_twice(service, desk, receiver, clock):
    """The lease: while one process sends, the other leaves the subscription alone."""
    desk.add(BOOKER, receiver.url, [], None, NOW)
    service.put("booking", "R-1", wish(), NOW)
    (name,) = desk.due(NOW)
    assert desk.take_turn(name, NOW) is not None
    Webhooks(desk, source="https://hub.example", clock=clock).turn()
    assert receiver.got == []
    clock.now += 121
    Webhooks(desk, source="https://hub.example", clock=clock).turn()
    assert len(receiver.got) == 2


def test_each_is_leased_when_its_turn_comes(service, desk, clock):
    """Leased all at once, the last one's lease was over before its turn came: two hub processes sent to it."""
    for number in range(3):
        desk.add(BOOKER, f"https://x{number}.example/", ["grant.*"], None, NOW)
    service.put("booking", "R-1", wish(), NOW)
    sent: list[str] = []

    def slow(url, _body, _headers):
        sent.append(url)
        clock.now += 100
        return 204

    def other(url, _body, _headers):
        sent.append(url)
        return 204

    def slow_and_then_another_hub(url, body, headers):
        status = slow(url, body, headers)
        if len(sent) == 2:
            Webhooks(desk, source="https://hub.example", clock=clock, send=other).turn()
        return status

    Webhooks(desk, source="https://hub.example", clock=clock, send=slow_and_then_another_hub).turn()
    assert len(sent) == len(set(sent)) == 3


def test_one_secret_that_cannot_be_unsealed_keeps_nobody_else_waiting(service, desk, sessions, hooks, receiver):
    for _ in range(2):
        desk.add(BOOKER, receiver.url, ["grant.*"], None, NOW)
    first, _ = desk.all(BOOKER)
    with sessions.begin() as session:
        session.get(Subscription, first.id).sealed_secret = b"torn"
    service.put("booking", "R-1", wish(), NOW)
    hooks.turn()
    assert len(receiver.got) == 1


def test_a_clock_that_was_ahead_delays_nobody(service, desk, sessions, hooks, receiver, clock):
    desk.add(BOOKER, receiver.url, ["grant.*"], None, NOW)
    service.put("booking", "R-1", wish(), NOW)
    receiver.statuses = [500]
    clock.now += 365 * DAY
    hooks.turn()
    clock.now = NOW
    hooks.turn()
    assert len(receiver.got) == 1
    service.put("booking", "R-1", wish(2, methods=("pin",)), NOW)
    (name,) = desk.due(NOW + 365 * DAY)
    desk.take_turn(name, NOW + 365 * DAY)  # by a hub that then died
    hooks.turn()
    assert len(receiver.got) == 2


def test_what_is_not_for_a_subscriber_is_looked_through_once(service, desk, hooks, receiver, sessions):
    desk.add(CLUB, receiver.url, [], None, NOW)
    service.put("booking", "R-1", wish(), NOW)
    hooks.turn()
    assert receiver.got == []
    assert desk.due(NOW) == []
    assert desk.all(CLUB)[0].cursor == desk.feed.end()


@pytest.mark.parametrize(
    "url",
    [
        *("http://x.example/", "ftp://x.example/", "https://name:word@x.example/", "https://", "https://[::1/"),
        *("https://x.example:99999/", "https://x.example:0/", "https://a..b/", f"https://{'a' * 64}.example/"),
        *(
            "https://127.0.0.1/",
            "https://[::1]/",
            "https://localhost/",
            "https://10.0.0.5/",
            "https://[::ffff:10.0.0.5]/",
        ),
    ],
)
def test_addresses_that_are_refused(service, desk, sessions, url):
    strict = SubscriptionDesk(service.bench, desk.feed, Reach())
    with pytest.raises(Refused, match="bad_request"):
        strict.add(BOOKER, url, [], None, NOW)


def test_the_thread_starts_and_stops(service, desk, receiver):
    desk.add(BOOKER, receiver.url, [], None, NOW)
    service.put("booking", "R-1", wish(), NOW)
    running = Webhooks(desk, source="https://hub.example")
    running.start()
    for _ in range(200):
        if len(receiver.got) == 2:
            break
        threading.Event().wait(0.05)
    running.stop()
    assert len(receiver.got) == 2
