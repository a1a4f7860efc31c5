"""Policies and margins over time: since when each holds, and by which decision (R001-11).

What `town.toml` says about a door group's policy or a room's margins is kept as a version with a date. A version of a
later date waits here, and `apply_due` puts it in force when that date comes; the one in force at any past instant stays
readable, so that a record can be read against the rules of its time.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import delete, select, tuple_, union
from sqlalchemy.orm import Session

from sync.hub.events.hub_events import tell_each
from sync.hub.store import questions
from sync.hub.store.models import Door, DoorGroup, PolicyVersion, Room, Way

Row = dict[str, Any]
VERSIONED: dict[type[DoorGroup | Room], tuple[str, ...]] = {
    DoorGroup: ("policy",),
    Room: ("before_s", "after_s", "reveal_s"),
}
_WORDS: dict[type[DoorGroup | Room], str] = {DoorGroup: "group", Room: "room"}


@dataclass(frozen=True)
class Decision:
    """Since when (UTC seconds; None for at once) and by which decision (a URI)."""

    effective: int | None = None
    reference: str | None = None


@dataclass(frozen=True)
class InForce:
    """What holds for `subject` from `since` on."""

    subject: str
    since: int
    decision: str | None
    content: Mapping[str, Any]


def subject_of(table: type[DoorGroup | Room], name: str) -> str:
    """How a version names what it is about: `group room:A`, `room INF001`."""
    return f"{_WORDS[table]} {name}"


def versions(
    table: type[DoorGroup | Room],
    wanted: dict[tuple[str, ...], Row],
    present: Mapping[tuple[str, ...], Row],
    decision: Decision,
    now: int,
) -> list[PolicyVersion]:
    """The versions that `wanted` rows bring. Those of a later date are taken out of `wanted`, which keeps what holds
    now; what is new altogether holds at once."""
    found: list[PolicyVersion] = []
    later = decision.effective is not None and decision.effective > now
    for name, row in wanted.items():
        content = {field: row[field] for field in VERSIONED[table]}
        before = present.get(name)
        if before is not None and all(before[field] == value for field, value in content.items()):
            continue
        waits = later and before is not None
        if waits and before is not None:
            row.update({field: before[field] for field in content})
        since = decision.effective if waits and decision.effective is not None else now
        subject = subject_of(table, name[0])
        found.append(
            PolicyVersion(subject=subject, since=since, content=content, decision=decision.reference, applied=not waits)
        )
    return found


def keep(session: Session, found: list[PolicyVersion], now: int) -> None:
    """Store the versions; what was waiting and is no longer wished for is dropped."""
    session.execute(delete(PolicyVersion).where(PolicyVersion.applied.is_(False)))
    known = set(session.scalars(select(PolicyVersion.subject).distinct()))
    # One of the same instant is written over.
    same = tuple_(PolicyVersion.subject, PolicyVersion.since).in_([(each.subject, each.since) for each in found])
    session.execute(delete(PolicyVersion).where(same))
    session.add_all(found)
    session.flush()
    applied = sorted(version.subject for version in found if version.applied and version.subject in known)
    _tell_changed(session, applied, found[0].decision if found else None, now)


def apply_due(session: Session, now: int) -> list[str]:
    """Put in force what is due and return the doors whose lists this concerns."""
    query = select(PolicyVersion).where(PolicyVersion.applied.is_(False), PolicyVersion.since <= now)
    doors: set[str] = set()
    for version in session.scalars(query.order_by(PolicyVersion.since)).all():
        word, _, name = version.subject.partition(" ")
        if word == "group":
            group = session.get_one(DoorGroup, name)
            group.policy = version.content["policy"]
            doors |= set(session.scalars(select(Door.id).where(Door.door_group == name)))
        else:
            room = session.get_one(Room, name)
            for field, value in version.content.items():
                setattr(room, field, value)
            doors |= set(questions.doors_to(session, questions.with_rivals(session, [name])))
        version.applied = True
        _tell_changed(session, [version.subject], version.decision, now)
    session.flush()
    return sorted(doors)


def any_due(session: Session, now: int) -> bool:
    """Whether `apply_due` has anything to do."""
    query = select(PolicyVersion.subject).where(PolicyVersion.applied.is_(False), PolicyVersion.since <= now)
    return session.scalar(query.limit(1)) is not None


def in_force(session: Session, room: Room, at: int) -> list[InForce]:
    """What held at `at` for a room and the doors on the way to it."""
    doors = questions.doors_to(session, [room.id])
    groups = session.scalars(select(Door.door_group).where(Door.id.in_(doors)).distinct())
    subjects = [subject_of(Room, room.id), *(subject_of(DoorGroup, group) for group in sorted(groups))]
    found: list[InForce] = []
    for subject in subjects:
        query = select(PolicyVersion).where(PolicyVersion.subject == subject, PolicyVersion.since <= at)
        version = session.scalar(query.order_by(PolicyVersion.since.desc()).limit(1))
        if version is not None:
            found.append(InForce(subject, version.since, version.decision, version.content))
    return found


def _tell_changed(session: Session, subjects: list[str], decision: str | None, now: int) -> None:
    """Tell every service whose rooms this concerns: a group's are those of its room, or behind one of its doors."""
    if not subjects:
        return
    behind = select(Door.door_group, Room.service).join(Way, Way.door == Door.id).join(Room, Room.id == Way.room)
    of_group = union(behind, select(Room.door_group, Room.service))
    concerned = {(subject_of(DoorGroup, group), service) for group, service in session.execute(of_group)}
    of_room = session.execute(select(Room.id, Room.service))
    concerned |= {(subject_of(Room, room), service) for room, service in of_room}
    wanted = set(subjects)
    told = [
        {"service": service, "detail": {"subject": subject, "decision": decision}}
        for subject, service in sorted(concerned)
        if subject in wanted
    ]
    tell_each(session, now, "policy.changed", told)
