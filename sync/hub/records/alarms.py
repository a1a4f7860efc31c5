"""What must be seen at once, told in the transaction that stores the record: it is raised exactly once.

`alarm.duress`: somebody with a staff code opened a door under threat. The door looks and sounds as ever; the alarm goes
where the person at the door cannot see it: into the feed, to webhooks, on the list of exceptions. It names door and
grant, not the person; who that is the reservation system knows. On that list stand also a log that forked, a pass that
nobody issued, a certificate that was renewed twice.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from controller.formats.event import Event
from sync.hub.events.hub_events import HubEvent, tell
from sync.hub.records.collector import ReadRecord
from sync.hub.records.log_tables import IncidentRow
from sync.hub.store import questions
from sync.hub.store.models import Room

SHOWN_S = 86_400
"""So long an alarm stays on the list of exceptions."""

INCIDENTS = frozenset({"fork", "forged_pass", "clone_suspected"})
"""What the link or enrolment found about a door that a person has to look into; `alarm.fork` and so on."""


@dataclass(frozen=True)
class Alarm:
    """`at` is when the hub heard (last), UTC seconds; `grant` whose code it was, where it was anybody's."""

    type: str
    door: str
    at: int
    grant: str | None


def raise_for(session: Session, door: str, records: Iterable[ReadRecord], now: int) -> None:
    """Tell of every record that carries an alarm, to every service with a room behind the door."""
    for record in records:
        if is_duress(record.event):
            _tell(session, door, record, now)


def is_duress(event: Event) -> bool:
    """Whether a code was given under threat."""
    return event.detail.get("duress") is True


def recent(session: Session, service: str, now: int) -> list[Alarm]:
    """The alarms of a service's doors within a day, newest first, and the incidents of all doors."""
    query = select(HubEvent).where(HubEvent.type == "alarm.duress", HubEvent.service == service)
    query = query.where(HubEvent.at > now - SHOWN_S).order_by(HubEvent.cursor.desc())
    told = [Alarm(each.type, each.door or "", each.at, each.grant) for each in session.scalars(query)]
    found = select(IncidentRow).where(IncidentRow.code.in_(INCIDENTS), IncidentRow.last_at > now - SHOWN_S)
    told += [Alarm(f"alarm.{each.code}", each.door, each.last_at, None) for each in session.scalars(found)]
    return sorted(told, key=lambda alarm: -alarm.at)


def _tell(session: Session, door: str, record: ReadRecord, now: int) -> None:
    event, grant = record.event, record.opening.grant if record.opening else None
    rooms = select(Room.service).where(Room.id.in_(questions.rooms_behind(session, door))).distinct()
    detail = {"what": event.kind, "record": f"{event.door}/{event.log}/{event.seq}", "door_time_ms": event.at}
    for service in sorted(session.scalars(rooms)):
        tell(session, now, "alarm.duress", service=service, door=door, grant=grant, detail=detail)
