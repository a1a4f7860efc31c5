"""One feed of everything that happened: the doors' records and the hub's own events, in the order of their cursors.

What a caller finds in it: the hub's events about its own reservations and about its rooms; with scope `records` also
who came and went at its doors. The same cursor gives the same events under the same ids, whoever asks and how often.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, get_args

from sqlalchemy import select
from sqlalchemy.orm import Session

from controller.formats.event import Event, EventKind, Opening
from sync.hub.events.hub_events import HubEvent, HubEventType, visible
from sync.hub.instants import instant
from sync.hub.records.log_tables import CURSOR
from sync.hub.store import questions
from sync.hub.town.clients import Caller, ClientDesk

RECORD_TYPES: dict[EventKind, str] = {
    "granted": "access.granted",
    "refused": "access.refused",
    "in": "access.in",
    "out": "access.out",
    "no_entry": "access.no_entry",
    "opened": "door.opened",
    "closed": "door.closed",
    "forced": "door.forced",
    "held_open": "door.held",
    "list": "door.list",
    "trust": "door.trust",
    "command": "door.command",
    "posture": "door.posture",
    "clock": "door.clock",
    "loss": "door.loss",
    "boot": "door.boot",
    "commissioning": "door.commissioning",
    "fault_raised": "fault.raised",
    "fault_cleared": "fault.cleared",
}

EVENT_TYPES = frozenset({*get_args(HubEventType), *RECORD_TYPES.values()})


class LoggedEvent(Protocol):
    """A stored record: its place in the feed, the event, and who it was while that is kept."""

    @property
    def cursor(self) -> int: ...
    @property
    def event(self) -> Event: ...
    @property
    def opening(self) -> Opening | None: ...


class Records(Protocol):
    """The doors' records: at most `limit` of these doors stored after `cursor`, oldest first."""

    def after(self, cursor: int, limit: int, doors: Collection[str] | None) -> Sequence[LoggedEvent]: ...


@dataclass(frozen=True)
class FeedEvent:
    """One event; `time` is RFC 3339, `detail` what is particular to its type."""

    id: str
    cursor: int
    type: str
    time: str
    door: str | None
    room: str | None
    clock: str | None
    reason: str | None
    grant: str | None
    credential: str | None
    reservation: str | None
    detail: dict[str, Any]


class Feed:
    """Reads the feed for one caller at a time."""

    def __init__(self, desk: ClientDesk, records: Records) -> None:
        self._desk = desk
        self._records = records

    def page(self, caller: Caller, cursor: int, limit: int) -> tuple[list[FeedEvent], int]:
        """At most `limit` events after `cursor` that the caller may see, oldest first; and the cursor to go on from,
        past what the caller may not see, so that it is not looked through again."""
        # Asked first. What is stored between the two questions below is for the next page: here it would be passed over
        # if it came after its own question and before that of a later event.
        end = self.end()
        found = self._hub_events(caller, cursor, limit)
        if "records" in caller.scopes:
            found += self._door_records(caller, cursor, limit)
        events = sorted((each for each in found if each.cursor <= end), key=lambda each: each.cursor)[:limit]
        return events, events[-1].cursor if len(events) == limit else max(cursor, end)

    def end(self) -> int:
        """The newest cursor: every event up to it can be read."""
        return self._desk.bench.look(lambda session: session.scalar(select(CURSOR.c.last))) or 0

    def _hub_events(self, caller: Caller, cursor: int, limit: int) -> list[FeedEvent]:
        def look(session: Session) -> list[HubEvent]:
            rooms = None if caller.owner is None else session.scalars(questions.visible_rooms(caller)).all()
            return visible(session, cursor, limit, client=caller.id, service=caller.service, rooms=rooms)

        return [_of_hub(event) for event in self._desk.bench.look(look)]

    def _door_records(self, caller: Caller, cursor: int, limit: int) -> list[FeedEvent]:
        """Records at the caller's doors, apart from those about somebody else's reservation at a shared entrance."""
        doors, found = self._desk.doors_of(caller), list[FeedEvent]()
        while len(found) < limit:
            page = self._records.after(cursor, limit, doors)
            grants = {each.opening.grant for each in page if each.opening is not None}
            refs, known = self._desk.refs(caller.id, grants), self._desk.known_grants(caller, grants)
            found += [_of_door(each, refs) for each in page if each.opening is None or each.opening.grant in known]
            if len(page) < limit:
                break
            cursor = page[-1].cursor
        return found[:limit]


def _of_hub(event: HubEvent) -> FeedEvent:
    return FeedEvent(
        id=f"hub/{event.cursor}",
        cursor=event.cursor,
        type=event.type,
        time=instant(event.at),
        door=event.door,
        room=event.room,
        clock=None,
        reason=None,
        grant=event.grant,
        credential=event.credential,
        reservation=event.reservation,
        detail=event.detail,
    )


def _of_door(logged: LoggedEvent, refs: dict[str, str]) -> FeedEvent:
    event, opening = logged.event, logged.opening
    return FeedEvent(
        id=f"{event.door}/{event.log}/{event.seq}",
        cursor=logged.cursor,
        type=RECORD_TYPES[event.kind],
        time=instant(event.at / 1000),
        door=event.door,
        room=None,
        clock=event.clock,
        reason=event.reason,
        grant=opening.grant if opening else None,
        credential=opening.credential if opening else None,
        reservation=refs.get(opening.grant) if opening else None,
        detail=dict(event.detail),
    )
