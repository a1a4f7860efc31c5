"""What a reservation system is told about its grants, each thing once (R004-26).

`grant.activated|changed|cancelled` when a reservation is written, `credential.ready` when its codes may be shown,
`credential.rotated|revoked`, `grant.ended` when its last window is over, `delivery.applied` when a door has it. Every
function works in the caller's transaction.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import exists, select
from sqlalchemy.orm import Session

from sync.hub.events.hub_events import HubEventType, tell_all
from sync.hub.issuing.issuer import TRAVELLING, GrantState
from sync.hub.store.models import Client, Delivery, Door, Grant, GrantBooking, Reservation

AT_ONCE = 200
"""So many events of a kind at a time, so that a backlog does not hold the database."""


def tell_about(session: Session, reservation: Reservation, kind: HubEventType, now: int, **members: Any) -> None:
    """An event about a reservation, for its owner."""
    tell_all(session, now, [_about(session, reservation, kind, **members)])


def written(
    session: Session, reservation: Reservation, before: GrantState | None, now: int, *, codes: bool = False
) -> None:
    """A reservation was written; `before` is the state it had, None for a new one. `codes`: there are codes that were
    not there before."""
    state = reservation.grant.state
    if state == "active" and before != "active":
        kind: HubEventType = "grant.activated"
    elif state == "cancelled":
        kind = "grant.cancelled"
    else:
        kind = "grant.changed"
    told = [_about(session, reservation, kind, detail={"revision": reservation.revision, "state": state})]
    tell_all(session, now, told + (_ready(session, reservation, now) if codes else []))


def codes_made(session: Session, reservation: Reservation, now: int) -> None:
    """There are codes that were not there before: say so now, or when they may be shown."""
    tell_all(session, now, _ready(session, reservation, now))


def tell_ready(session: Session, now: int) -> None:
    """`credential.ready` for every active grant whose time to show codes has come."""
    query = select(Reservation).join(Grant, Grant.id == Reservation.grant_id)
    query = query.where(Grant.ready_at <= now, Grant.state == "active").order_by(Grant.ready_at).limit(AT_ONCE)
    for reservation in session.scalars(query).all():
        codes_made(session, reservation, now)


def any_ready(session: Session, now: int) -> bool:
    """Whether `tell_ready` has anything to tell."""
    query = select(Grant.id).where(Grant.ready_at <= now, Grant.state == "active")
    return session.scalar(query.limit(1)) is not None


def tell_ended(session: Session, now: int) -> None:
    """`grant.ended` for every grant whose booked time is over."""
    left = exists().where(GrantBooking.grant_id == Grant.id, GrantBooking.until > now)
    query = select(Reservation).join(Grant, Grant.id == Reservation.grant_id).limit(AT_ONCE)
    query = query.where(Grant.ended.is_(False), Grant.state.in_([*TRAVELLING, "pending"]), ~left)
    for reservation in session.scalars(query).all():
        reservation.grant.ended = True
        tell_about(session, reservation, "grant.ended", now, detail={"state": reservation.grant.state})


def applied_with(session: Session, higher: Mapping[str, int]) -> list[dict[str, Any]]:
    """Doors, by id, report lists of numbers that are higher than any they reported before: what came with the lists in
    between is there. The members of the events to tell about it. Asked before the numbers are written down, because it
    depends on the old ones; told after, because whoever tells comes last."""
    if not higher:
        return []
    about = (Reservation.client, Reservation.ref, Reservation.grant_id, Reservation.revision, Client.service)
    query = (
        select(*about, Delivery.door, Delivery.version)
        .join(Delivery, Delivery.grant_id == Reservation.grant_id)
        .join(Client, Client.id == Reservation.client)
        .join(Door, Door.id == Delivery.door)
        .where(Delivery.door.in_(higher), Delivery.version > Door.highest_version)
        .order_by(Delivery.door, Reservation.client, Reservation.ref)
    )
    return [
        {
            "service": service, "client": client, "reservation": ref, "grant": grant, "door": door,
            "detail": {"revision": revision},
        }
        for client, ref, grant, revision, service, door, version in session.execute(query)
        if (version or 0) <= higher[door]
    ]  # fmt: skip


def _about(session: Session, reservation: Reservation, kind: HubEventType, **members: Any) -> dict[str, Any]:
    service = session.get_one(Client, reservation.client).service
    about = {"client": reservation.client, "reservation": reservation.ref, "grant": reservation.grant_id}
    return {"type": kind, "service": service, **about, **members}


def _ready(session: Session, reservation: Reservation, now: int) -> list[dict[str, Any]]:
    """What is to be told at once about codes that were not there before: when they may be shown already."""
    grant = reservation.grant
    grant.ready_at = None if grant.reveal_at <= now else grant.reveal_at
    if grant.ready_at is not None:
        return []
    return [_about(session, reservation, "credential.ready", detail={"revision": reservation.revision})]
