"""The routes of the event feed and of subscriptions to it."""

# No `from __future__ import annotations` here: FastAPI reads the annotations of the routes inside the function.

from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, WithJsonSchema

from sync.hub.api.bodies import REF, Body
from sync.hub.api.gate import Gate
from sync.hub.api.problems import documented
from sync.hub.events.feed import EVENT_TYPES, Feed
from sync.hub.events.subscriptions import Subscription
from sync.hub.events.webhooks import SubscriptionDesk
from sync.hub.instants import maybe_instant
from sync.hub.town.clients import Caller

PAGE_MAX = 500
KNOWN = sorted({word for each in EVENT_TYPES for word in (each, f"{each.partition('.')[0]}.*")})
"""What may be subscribed to: every type of event, and all of one beginning."""

CURSOR_END = 1 << 53
SCOPES = ("reservations", "rooms", "facility", "records")


def _known(word: str) -> str:
    if word not in KNOWN:
        raise ValueError(f"not a type of event; there are {', '.join(KNOWN)}")
    return word


Type = Annotated[str, AfterValidator(_known), WithJsonSchema({"type": "string", "enum": KNOWN})]


class EventAnswer(BaseModel):
    """One event. `id` never changes, whoever asks and how often; `reservation` is given for the caller's own
    reservations only; `clock` is how sure the door was of its time."""

    id: Annotated[str, Field(examples=["hall-1/00112233aabbccdd/42"])]
    cursor: int
    type: Annotated[str, Field(examples=["access.granted"])]
    time: Annotated[str, Field(examples=["2026-07-17T12:03:11Z"])]
    door: str | None
    room: str | None
    clock: str | None
    reason: str | None
    grant: str | None
    credential: str | None
    reservation: str | None
    detail: dict[str, Any]


class EventsAnswer(BaseModel):
    """A page; go on with `after=next`."""

    events: list[EventAnswer]
    next: int


class SubscriptionBody(Body):
    """Where to send events. `types` are names or prefixes such as `access.*`; all when empty. From the newest event on
    unless `after` names an earlier cursor."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"url": "https://booking.example/hooks/doors", "types": ["grant.*", "credential.ready"]}]
        }
    )

    url: Annotated[str, Field(max_length=500, pattern=r"^[!-~]+$")]
    types: Annotated[tuple[Type, ...], Field(max_length=40)] = ()
    after: Annotated[int, Field(ge=0, lt=CURSOR_END, strict=True)] | None = None


class SubscriptionAnswer(BaseModel):
    """A subscription. `secret` is given once, when it is made; `cursor` is the last event that was taken."""

    id: str
    url: str
    types: list[str]
    state: Annotated[str, Field(examples=["ok", "failing", "dead"])]
    cursor: int
    tries: int
    failing_since: str | None
    next_try_at: str | None
    last_error: str | None
    secret: str | None = None


class SubscriptionsAnswer(BaseModel):
    """All of the caller's."""

    subscriptions: list[SubscriptionAnswer]


def feed_routes(feed: Feed, desk: SubscriptionDesk, gate: Gate) -> APIRouter:
    """Events by cursor, and subscriptions."""
    routes = APIRouter(tags=["events"])
    Reader = Annotated[Caller, Depends(gate.needs(*SCOPES))]
    Name = Annotated[str, Path(pattern=REF, description="A subscription's id")]
    one = documented("bad_request", "unauthorised", "not_owner", "not_found")

    @routes.get("/v1/events", responses=documented("bad_request", "unauthorised", "not_owner"))
    def get_events(
        caller: Reader,
        after: Annotated[int, Query(ge=0, lt=CURSOR_END)] = 0,
        limit: Annotated[int, Query(ge=1, le=PAGE_MAX)] = 100,
        types: Annotated[list[Type] | None, Query(max_length=40)] = None,
    ) -> EventsAnswer:
        """What happened, in the order it reached the hub: to the caller's reservations, at its rooms and, with scope
        `records`, who came and went. A page may be empty and yet move `next` on when `types` leaves events out."""
        page, upto = feed.page(caller, after, limit)
        wanted = Subscription(types=types or [])
        events = [EventAnswer(**asdict(each)) for each in page if wanted.wants(each.type)]
        return EventsAnswer(events=events, next=upto)

    @routes.post(
        "/v1/subscriptions",
        status_code=201,
        responses=documented("bad_request", "unauthorised", "not_owner", "too_large"),
    )
    def post_subscription(body: SubscriptionBody, caller: Reader) -> SubscriptionAnswer:
        """Have events sent as CloudEvents 1.0, one by one and in order, signed with the secret of the answer."""
        row, secret = desk.add(caller, body.url, list(body.types), body.after, gate.now())
        return _answer(row, secret)

    @routes.get("/v1/subscriptions", responses=documented("unauthorised", "not_owner"))
    def get_subscriptions(caller: Reader) -> SubscriptionsAnswer:
        """The caller's subscriptions, dead ones too, and how delivery stands."""
        return SubscriptionsAnswer(subscriptions=[_answer(row) for row in desk.all(caller)])

    @routes.post("/v1/subscriptions/{id}/revive", responses=one)
    def revive_subscription(id: Name, caller: Reader) -> SubscriptionAnswer:
        """Try a failing or dead endpoint again at once, from where it stopped."""
        return _answer(desk.revive(caller, id, gate.now()))

    @routes.delete("/v1/subscriptions/{id}", status_code=204, responses=one)
    def delete_subscription(id: Name, caller: Reader) -> None:
        """Send nothing more."""
        desk.remove(caller, id, gate.now())

    return routes


def _answer(row: Subscription, secret: str | None = None) -> SubscriptionAnswer:
    failing = row.failing_since is not None
    return SubscriptionAnswer(
        id=row.id,
        url=row.url,
        types=row.types,
        state="dead" if row.dead else "failing" if failing else "ok",
        cursor=row.cursor,
        tries=row.tries,
        failing_since=maybe_instant(row.failing_since),
        next_try_at=maybe_instant(row.next_try_at) if failing and not row.dead else None,
        last_error=row.last_error,
        secret=secret,
    )
