"""Everything the hub holds about one reservation or one holder reference, for whoever asks what is known about them
(R000-18): reservation, visits, records, who has read them, and when each of it is forgotten.

    document = subject_access(sessions, months=3, reservation="booking/R-1")      # a JSON object
    document["reservations"] == []                                                # after the purge
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from sync.hub.audit.readings import Readings
from sync.hub.audit.report import grants_of
from sync.hub.audit.retention import LegalHold, forget_after
from sync.hub.instants import instant
from sync.hub.records.log_store import LogStore
from sync.hub.records.visits import Visits
from sync.hub.store.database import Sessions, reading
from sync.hub.store.models import ApiEntry, Reservation


def subject_access(
    sessions: Sessions, months: int, *, reservation: str | None = None, holder: str | None = None
) -> dict[str, Any]:
    """What is held; every list is empty when nothing is, or no longer."""
    with reading(sessions).begin() as session:
        grants = grants_of(session, reservation=reservation, holder=holder)
        query = select(Reservation).where(Reservation.grant_id.in_(grants))
        found = [_reservation(session, each, months) for each in session.scalars(query.order_by(Reservation.ref))]
    about = reservation if reservation is not None else f"holder {holder}"
    # Part by part: the number of one reservation may begin that of another.
    names = {about, f"reservation {about}"}
    read = [each for each in Readings(sessions).all() if names.intersection(each.subject.split(", "))]
    facts = Visits(sessions).of_grants(grants)
    visits = [{**asdict(each), "forgotten_at": instant(forget_after(each.until, months))} for each in facts]
    return {
        "about": about,
        "reservations": found,
        "visits": visits,
        "records": _records(sessions, grants, months),
        "read_by": [asdict(each) for each in read] if found else [],
    }


def _reservation(session: Session, each: Reservation, months: int) -> dict[str, Any]:
    query = select(ApiEntry).filter_by(client=each.client, ref=each.ref).order_by(ApiEntry.id)
    calls = session.scalars(query).all()
    held = session.get(LegalHold, each.grant_id)
    # Without booked time what was last done about it counts (retention.py).
    last = max([booking.until for booking in each.grant.bookings] or [call.at for call in calls], default=0)
    return {
        "client": each.client,
        "ref": each.ref,
        "holder": each.holder,
        "correlation": each.correlation,
        "language": each.language,
        "grant": each.grant_id,
        "state": each.grant.state,
        "booked": [[booking.room, instant(booking.start), instant(booking.until)] for booking in each.grant.bookings],
        "credentials": [
            {"id": code.id, "method": code.method, "holder": code.holder} for code in each.grant.credentials
        ],
        "calls": [{"at": instant(call.at), "action": call.action} for call in calls],
        "held_because": held.reason if held else None,
        "forgotten_at": None if held else instant(forget_after(last, months)),
    }


def _records(sessions: Sessions, grants: frozenset[str], months: int) -> list[dict[str, Any]]:
    return [
        {
            "door": event.door,
            "log": event.log,
            "seq": event.seq,
            "time": instant(event.at / 1000),
            "what": event.kind,
            "reason": event.reason,
            "credential": opening.credential,
            "grant": opening.grant,
            "detail": dict(event.detail),
            "forgotten_at": instant(forget_after(event.at // 1000, months)),
        }
        for each in LogStore(sessions).of_grants(grants)
        if (event := each.event) and (opening := each.opening) is not None
    ]
