"""Which doors are in service, and what their units last found of themselves.

A door is in service when the unit that is enrolled for it was commissioned and passed; its record comes with its log,
signed and chained like every other. Until then its list keeps renters out, with a closure that says why
(`room_not_ready`), and lets staff in: they are the ones who bring it into service. A town whose doors are all virtual
says `[commissioning] required = false`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any, Protocol

from sqlalchemy import JSON, BigInteger, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from controller.formats.code_list import Closure
from controller.formats.event import Event, parse_event
from controller.formats.jwk import load_public
from controller.formats.state import Doctor
from sync.hub.store.database import Base
from sync.hub.store.models import Door

ALWAYS = Closure(from_=0, until=1 << 40, reason="room_not_ready")
"""Over when the door is in service. Always the same, so that the list does not change by it from day to day."""


OUTCOMES = frozenset({"passed", "failed"})


class RecordBytes(Protocol):
    """A record as it came."""

    @property
    def data(self) -> bytes: ...


class DoorService(Base):
    """`required`: the town wants the door commissioned. `unit` is the thumbprint of the event key of the unit whose
    `record` (the event's detail) this is, `passed` what came of it, `at` when (UTC seconds). `doctor` and `doctor_at`
    are the newest self-test."""

    __tablename__ = "door_service"
    door: Mapped[str] = mapped_column(primary_key=True)
    required: Mapped[bool] = mapped_column(default=True)
    unit: Mapped[str | None]
    passed: Mapped[bool] = mapped_column(default=False)
    at: Mapped[int | None] = mapped_column(BigInteger)
    record: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)
    doctor: Mapped[dict[str, str]] = mapped_column(JSON, default=dict)
    doctor_at: Mapped[int | None] = mapped_column(BigInteger)


def another_unit(door: Door, event_key: dict[str, str] | None) -> None:
    """A unit is this door now. What another one reported is not true of it: it holds no list yet. (The highest version
    ever heard stays, so that no number comes twice.)"""
    if door.event_key != event_key:
        door.event_key = event_key
        door.reported_at, door.reported_version, door.reported_hash = None, 0, None


def require(session: Session, doors: Collection[str], required: bool) -> list[str]:
    """The town's word for each of these doors; which of them it changes."""
    changed = []
    known = standings(session, doors)
    for door in doors:
        row = known[door]
        session.add(row)
        if row.required != required:
            row.required = required
            changed.append(door)
    session.flush()
    return changed


def told_in(records: Iterable[RecordBytes]) -> list[Event]:
    """What records say about commissioning, oldest first. Nearly all say nothing, so few are parsed."""
    found = [parse_event(record.data) for record in records if b'"commissioning"' in record.data]
    return [event for event in found if event.kind == "commissioning" and event.reason in OUTCOMES]


def commissioned(session: Session, door: Door, events: Iterable[Event]) -> bool:
    """Take in what a door's log says, oldest first; whether that puts it into service or takes it out. A record that
    comes again changes nothing."""
    before = why_not(session, door)
    for event in events:
        row, unit = _row(session, door.id), _unit(door)
        if row.unit == unit and row.at is not None and event.at // 1000 < row.at:
            continue
        row.unit, row.passed = unit, event.reason == "passed"
        row.at, row.record = event.at // 1000, dict(event.detail)
    session.flush()
    return why_not(session, door) != before


def examined(session: Session, door: str, doctor: Doctor) -> None:
    """Keep the newest self-test of a door."""
    row = _row(session, door)
    row.doctor, row.doctor_at = dict(doctor.checks), doctor.at


def standing(session: Session, door: str) -> DoorService:
    """What is known of a door; a door nobody has asked about is not required to be commissioned."""
    return session.get(DoorService, door) or _unknown(door)


def standings(session: Session, doors: Collection[str]) -> dict[str, DoorService]:
    """The same for several doors, by id."""
    known = {row.door: row for row in session.scalars(select(DoorService).where(DoorService.door.in_(doors)))}
    return {door: known.get(door) or _unknown(door) for door in doors}


def why_not(session: Session, door: Door) -> str | None:
    """Why a door is not in service; None: it is."""
    return why_not_by(standing(session, door.id), door)


def why_not_by(known: DoorService, door: Door) -> str | None:
    """The same by what is known of the door."""
    if not known.required:
        return None
    if known.unit is None:
        return "never commissioned"
    if known.unit != _unit(door):
        return "another unit since it was commissioned"
    return None if known.passed else f"did not pass: {known.record.get('short', '')}".rstrip(": ")


def out_of_service(session: Session, doors: Collection[str]) -> list[str]:
    """Those of these doors that are not in service."""
    query = select(Door, DoorService).join(DoorService, DoorService.door == Door.id).where(Door.id.in_(doors))
    return [door.id for door, known in session.execute(query) if why_not_by(known, door) is not None]


def _unknown(door: str) -> DoorService:
    return DoorService(
        door=door, required=False, passed=False, record={}, doctor={}, doctor_at=None, unit=None, at=None
    )


def _row(session: Session, door: str) -> DoorService:
    row = session.get(DoorService, door)
    if row is None:
        row = DoorService(door=door, required=False, passed=False, record={}, doctor={})
        session.add(row)
        session.flush()
    return row


def _unit(door: Door) -> str | None:
    return None if door.event_key is None else load_public(door.event_key).thumbprint
