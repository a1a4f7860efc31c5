"""What the hub itself has to tell: a grant became active, a code may be shown, a door took a list, …

Its events share one sequence of cursors with the doors' records, so a reader follows a single feed and misses nothing
(R001-07, R004-26). An event is written in the transaction of what it tells about: it exists exactly when that happened.

    tell(session, now, "grant.activated", service="culture", client="booking", reservation="R-1", grant="p-…")
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Literal

from sqlalchemy import JSON, BigInteger, String, delete, or_, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from sync.hub.records.log_tables import take_cursors
from sync.hub.store.bulk import add_rows
from sync.hub.store.database import Base

KEPT_S = 30 * 86_400
"""How long the hub's own events stay in the feed."""

HubEventType = Literal[
    "grant.activated", "grant.changed", "grant.cancelled", "grant.ended",
    "credential.ready", "credential.rotated", "credential.revoked",
    "delivery.applied", "delivery.stale",
    "room.closed", "room.reopened", "door.ready", "door.not_ready", "policy.changed",
    "visit.ended", "alarm.duress",
]  # fmt: skip
ABOUT = ("client", "reservation", "grant", "credential", "door", "room")
"""What an event may be about; None where it is not."""


class HubEvent(Base):
    """One event. `client` is the only one who may see it; without, everybody of `service` who may see the rooms of
    `door` or `room`."""

    __tablename__ = "hub_events"
    cursor: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    at: Mapped[int] = mapped_column(BigInteger, index=True)
    type: Mapped[HubEventType] = mapped_column(String(40))
    service: Mapped[str] = mapped_column(index=True)
    client: Mapped[str | None]
    reservation: Mapped[str | None]
    grant: Mapped[str | None]
    credential: Mapped[str | None]
    door: Mapped[str | None]
    room: Mapped[str | None]
    detail: Mapped[dict[str, Any]] = mapped_column(JSON)


def tell(session: Session, now: int, kind: HubEventType, *, service: str, **members: Any) -> None:
    """Add an event at `now` (UTC seconds) to the caller's transaction. It comes last there: whoever holds the row that
    gives out cursors keeps every other writer of events waiting."""
    tell_each(session, now, kind, [{"service": service, **members}])


def tell_each(session: Session, now: int, kind: HubEventType, told: Sequence[Mapping[str, Any]]) -> None:
    """The same for several events of a kind at once, each with the members of one of `told`."""
    tell_all(session, now, [{"type": kind, **members} for members in told])


def tell_all(session: Session, now: int, told: Sequence[Mapping[str, Any]]) -> None:
    """The same for events of any kind, which is their `type`."""
    if not told:
        return
    first = take_cursors(session, len(told))
    rows = [
        {"cursor": cursor, "at": now, "detail": {}, **dict.fromkeys(ABOUT), **members}
        for cursor, members in enumerate(told, first)
    ]
    add_rows(session, HubEvent, rows)


def forget_past(session: Session, now: int) -> None:
    """Forget events of more than 30 days ago: they link reservations to grants."""
    session.execute(delete(HubEvent).where(HubEvent.at < now - KEPT_S))


def visible(
    session: Session, cursor: int, limit: int, *, client: str, service: str, rooms: Collection[str] | None
) -> list[HubEvent]:
    """At most `limit` events after `cursor` that `client` may see; `rooms` narrows those of nobody in particular."""
    common = HubEvent.client.is_(None) & (HubEvent.service == service)
    if rooms is not None:
        common &= HubEvent.room.in_(rooms)
    query = select(HubEvent).where(HubEvent.cursor > cursor, or_(HubEvent.client == client, common))
    return list(session.scalars(query.order_by(HubEvent.cursor).limit(limit)))
