"""Staff calendars out: who is where and when, as iCalendar, without codes and without holders.

A cleaner's or caretaker's calendar program shows when rooms are taken. The ref of a reservation is told to the client
it belongs to and to nobody else; everybody who may see the room sees that it is taken.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

from icalendar import Calendar, Event
from sqlalchemy import select
from sqlalchemy.orm import Session

from controller.formats.code_list import Kind, Language
from sync.hub.issuing.issuer import GrantState
from sync.hub.store.models import Grant, GrantBooking, Reservation

SHOWN: dict[GrantState, str] = {
    "pending": "TENTATIVE",
    "active": "CONFIRMED",
    "suspended": "TENTATIVE",
    "cancelled": "CANCELLED",
}
SEQUENCE_MAX = 2**31 - 1
"""What RFC 5545 lets it be; a revision may be a clock in milliseconds. From there on DTSTAMP says which is newer."""

WORDS: dict[Language, dict[Kind, str]] = {
    "nl": {
        "renter": "Verhuurd", "cleaning": "Schoonmaak", "technical": "Techniek", "supplier": "Leverancier",
        "facility": "Beheer", "emergency": "Nooddienst",
    },
    "fr": {
        "renter": "Loué", "cleaning": "Nettoyage", "technical": "Technique", "supplier": "Fournisseur",
        "facility": "Gestion", "emergency": "Secours",
    },
    "de": {
        "renter": "Vermietet", "cleaning": "Reinigung", "technical": "Technik", "supplier": "Lieferant",
        "facility": "Verwaltung", "emergency": "Notdienst",
    },
    "en": {
        "renter": "Rented", "cleaning": "Cleaning", "technical": "Technical", "supplier": "Supplier",
        "facility": "Facility", "emergency": "Emergency",
    },
}  # fmt: skip


@dataclass(frozen=True)
class Taken:
    """One booked time in one room. `ref` is None for somebody else's reservation."""

    grant: str
    place: int
    ref: str | None
    kind: Kind
    state: GrantState
    revision: int
    room: str
    start: int
    until: int


def taken(session: Session, client: str, rooms: Collection[str], start: int, until: int) -> list[Taken]:
    """What touches the given time (UTC seconds) in these rooms, in order of time."""
    query = (
        select(GrantBooking, Grant, Reservation)
        .join(Grant, Grant.id == GrantBooking.grant_id)
        .join(Reservation, Reservation.grant_id == Grant.id)
        .where(GrantBooking.room.in_(rooms), GrantBooking.until > start, GrantBooking.start < until)
        .order_by(GrantBooking.start, GrantBooking.room)
    )
    places: dict[str, int] = {}
    found = []
    for booking, grant, reservation in session.execute(query):
        places[grant.id] = places.get(grant.id, -1) + 1
        ref = reservation.ref if reservation.client == client else None
        found.append(
            Taken(
                grant=grant.id,
                place=places[grant.id],
                ref=ref,
                kind=grant.kind,
                state=grant.state,
                revision=reservation.revision,
                room=booking.room,
                start=booking.start,
                until=booking.until,
            )
        )
    return found


def write_calendar(times: Iterable[Taken], name: Callable[[str], str], language: Language, now: int) -> bytes:
    """The calendar; `name` is what people call a room, `now` when it was made (UTC seconds)."""
    calendar = Calendar()
    calendar.add("PRODID", "-//zaalsleutel//hub//EN")
    calendar.add("VERSION", "2.0")
    for each in times:
        event = Event()
        event.add("UID", _uid(each))
        event.add("SEQUENCE", min(each.revision, SEQUENCE_MAX))
        event.add("DTSTAMP", datetime.fromtimestamp(now, UTC))
        event.add("DTSTART", datetime.fromtimestamp(each.start, UTC))
        event.add("DTEND", datetime.fromtimestamp(each.until, UTC))
        event.add("SUMMARY", " ".join(filter(None, [WORDS[language][each.kind], each.ref])))
        event.add("LOCATION", name(each.room))
        event.add("STATUS", SHOWN[each.state])
        calendar.add_component(event)
    return bytes(calendar.to_ical())


def _uid(time: Taken) -> str:
    """A grant keeps its id whatever becomes of it, so a calendar program moves the event it has. Digested, because a
    grant shares its id with its first QR code."""
    return f"{hashlib.sha256(time.grant.encode()).hexdigest()[:20]}-{time.place}@zaalsleutel"
