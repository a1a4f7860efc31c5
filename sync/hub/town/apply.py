"""`hub apply`: make the database say what `town.toml` says, and tell what that changes.

The file is turned into the rows it asks for; what differs from the rows that are there is the change. Applying twice
changes nothing. What the file does not decide (tokens, salts, group keys, what doors reported) stays as it is.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, time
from typing import Any, Literal

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from controller.formats.code_list import Policy
from controller.formats.encoding import b64, canonical, parse_object
from controller.formats.errors import Refused
from sync.hub.booking.codes import DAY_S, pin_rule
from sync.hub.booking.credentials import GROUP_KEY_BYTES, SALT_BYTES, Minter
from sync.hub.doors import in_service
from sync.hub.issuing.issuer import TRAVELLING
from sync.hub.store import questions
from sync.hub.store.database import Base
from sync.hub.store.models import (
    Client,
    Delivery,
    Door,
    DoorGroup,
    DoorList,
    Grant,
    GrantBooking,
    ListRequest,
    PinSet,
    PolicyVersion,
    Reservation,
    RetentionRule,
    Room,
    TownService,
    Verifier,
    Way,
)
from sync.hub.town import policies
from sync.hub.town.policies import Decision
from sync.hub.town.town_file import Town

TABLES: tuple[type[Base], ...] = (TownService, Client, RetentionRule, PinSet, DoorGroup, Room, Door, Way)
Row = dict[str, Any]
Rows = dict[tuple[str, ...], Row]


@dataclass(frozen=True)
class Change:
    """One difference: `what` is the table, `name` the row, `fields` the new values."""

    action: Literal["add", "change", "remove"]
    what: str
    name: str
    fields: Mapping[str, Any]


def apply_town(minter: Minter, town: Town, *, dry_run: bool = False) -> list[Change]:
    """Bring the database in line with `town` and return what changes; `dry_run` only says so.

    Raises Refused `grants_remain` when a room with reservations to come would go, or lose a door without getting
    another one (R002-29), and `pin_length_fixed` when a PIN set would get another length."""
    session, now = minter.session, minter.now
    # Held on to until the end: the session forgets what nobody holds, and would ask for each row again.
    rows = {table: session.scalars(select(table)).all() for table in TABLES}
    wanted, present = _wanted(town), {table: _present(table, rows[table]) for table in TABLES}
    _check_pin_sets(wanted, present)
    _check_remaining_grants(session, wanted[Way], present[Way], now)
    decision = _decision(town)
    versions = [
        version
        for table in policies.VERSIONED
        for version in policies.versions(table, wanted[table], present[table], decision, now)
    ]
    changes = [change for table in TABLES for change in _changes(table, wanted[table], present[table])]
    changes += _postponed(session, versions)
    changes += _commissioning(session, [door for (door,) in wanted[Door]], town.commissioning.required)
    if not dry_run:
        for table in reversed(TABLES):
            for gone in present[table].keys() - wanted[table].keys():
                _remove(session, table, gone)
        for table in TABLES:
            for name, row in wanted[table].items():
                _put(minter, table, name, row)
        session.flush()
        in_service.require(session, [door for (door,) in wanted[Door]], town.commissioning.required)
        policies.keep(session, versions, now)
    return changes


def _decision(town: Town) -> Decision:
    """The file's decision; a date means its first instant in UTC."""
    day = town.decision.effective
    effective = None if day is None else int(datetime.combine(day, time(), UTC).timestamp())
    return Decision(effective, town.decision.reference)


def _postponed(session: Session, versions: list[PolicyVersion]) -> list[Change]:
    """The versions of a later date that are not waiting already."""
    changes: list[Change] = []
    for version in versions:
        known = None if version.applied else session.get(PolicyVersion, (version.subject, version.since))
        if not version.applied and (known is None or known.content != version.content):
            fields = {"since": version.since, **version.content}
            changes.append(Change("add", PolicyVersion.__tablename__, version.subject, fields))
    return changes


def _commissioning(session: Session, doors: Collection[str], required: bool) -> list[Change]:
    """The doors of which the town wants something else than before: that they are commissioned, or not."""
    return [
        Change("change", in_service.DoorService.__tablename__, door, {"required": required})
        for door, known in in_service.standings(session, doors).items()
        if known.required != required
    ]


def _wanted(town: Town) -> dict[type[Base], Rows]:
    rows: dict[type[Base], Rows] = {table: {} for table in TABLES}
    rows[RetentionRule]["town",] = {"months": town.retention.months}
    for name, service in town.services.items():
        rows[TownService][name,] = {"name": service.name}
    for name, client in town.clients.items():
        rows[Client][name,] = {
            "service": client.service,
            "owner": client.owner,
            "scopes": list(client.scopes),
            "handovers": client.handovers,
        }
    for name, plan in town.pin_sets.items():
        digits, _ = pin_rule(plan.live, plan.tries)
        costs = {"memory_kib": plan.memory_kib, "iterations": plan.iterations}
        rows[PinSet][name,] = {"digits": digits, "live": plan.live, **costs}
    for name, building in town.buildings.items():
        policy = _as_stored(town.door_policy(building.policy, building.pin_set))
        group = f"entrances:{name}"
        rows[DoorGroup][group,] = {"shared": True, "pin_set": building.pin_set, "policy": policy}
        rows[Door] |= {(door,): {"door_group": group} for door in building.entrances}
    for name, room in town.rooms.items():
        pin_set = town.buildings[room.building].pin_set
        policy = _as_stored(town.door_policy(room.policy, pin_set))
        group, room_id = f"room:{name}", town.room_id(name)
        rows[DoorGroup][group,] = {"shared": False, "pin_set": pin_set, "policy": policy}
        rows[Door] |= {(door,): {"door_group": group} for door in room.doors}
        rows[Room][room_id,] = {
            "service": room.service,
            "door_group": group,
            "time_zone": room.time_zone,
            "before_s": 60 * room.margin_before_min,
            "after_s": 60 * room.margin_after_min,
            "owner": room.owner,
            "rivals": list(town.rivals(name)),
            "opening_hours": {day: [each.split("-") for each in hours] for day, hours in room.opening_hours.items()},
            "reveal_s": DAY_S * int(room.reveal.strip("PD")),
            "client": room.client,
            "next_client": room.move.to if room.move is not None else None,
            "moves_at": int(room.move.at.timestamp()) if room.move is not None else None,
        }
        rows[Way] |= {(room_id, door): {"place": place} for place, door in enumerate(town.ways(name))}
    return rows


def _as_stored(policy: Policy) -> Row:
    """A policy as a JSON column gives it back, for comparing."""
    return parse_object(canonical(policy), "policy")


# What the file decides of a row; everything else in it is kept.
DECIDED = {
    TownService: ("name",),
    Client: ("service", "owner", "scopes", "handovers"),
    RetentionRule: ("months",),
    PinSet: ("digits", "live", "memory_kib", "iterations"),
    DoorGroup: ("shared", "pin_set", "policy"),
    Room: (
        "service",
        "door_group",
        "time_zone",
        "before_s",
        "after_s",
        "owner",
        "rivals",
        "opening_hours",
        "reveal_s",
        "client",
        "next_client",
        "moves_at",
    ),
    Door: ("door_group",),
    Way: ("place",),
}
FIXED = ("digits", "memory_kib", "iterations")


def _names(table: type[Base]) -> tuple[str, ...]:
    return ("room", "door") if table is Way else ("id",)


def _present(table: type[Base], rows: Iterable[Base]) -> Rows:
    return {
        tuple(getattr(row, name) for name in _names(table)): {field: getattr(row, field) for field in DECIDED[table]}
        for row in rows
    }


def _changes(table: type[Base], wanted: Rows, present: Rows) -> list[Change]:
    changes = [Change("remove", table.__tablename__, " ".join(name), {}) for name in present.keys() - wanted.keys()]
    for name, row in wanted.items():
        before = present.get(name)
        fields = {field: value for field, value in row.items() if before is None or before[field] != value}
        if fields:
            changes.append(Change("change" if before else "add", table.__tablename__, " ".join(name), fields))
    return sorted(changes, key=lambda change: (change.action, change.name))


def _check_pin_sets(wanted: Mapping[type[Base], Rows], present: Mapping[type[Base], Rows]) -> None:
    for name, row in wanted[PinSet].items():
        before = present[PinSet].get(name, row)
        if any(row[field] != before[field] for field in FIXED):
            text = f"has PINs of {before['digits']} digits; length and derivation change only with a re-key"
            raise Refused("pin_length_fixed", f"[pin_sets.{name[0]}]", text)
    for name, row in wanted[DoorGroup].items():
        before = present[DoorGroup].get(name, row)
        if row["pin_set"] != before["pin_set"]:
            text = f"the doors of {name[0]} have PINs of the set {before['pin_set']}; that changes only with a re-key"
            raise Refused("pin_length_fixed", f"[pin_sets.{row['pin_set']}]", text)


def _check_remaining_grants(session: Session, wanted: Rows, present: Rows, now: int) -> None:
    """A door may be replaced while reservations remain, not taken away: somebody would stand before it."""
    gone, come = present.keys() - wanted.keys(), {room for room, _ in wanted.keys() - present.keys()}
    rooms = {room for room, _ in gone if room not in come}
    remaining = session.execute(
        select(GrantBooking.room, Reservation.ref)
        .join(Reservation, Reservation.grant_id == GrantBooking.grant_id)
        .join(Grant, Grant.id == GrantBooking.grant_id)
        .where(GrantBooking.room.in_(rooms), GrantBooking.until > now, Grant.state.in_([*TRAVELLING, "pending"]))
        .order_by(GrantBooking.room, Reservation.ref)
        .distinct()
    ).all()
    if remaining:
        listed = ", ".join(f"{ref} ({room})" for room, ref in remaining)
        raise Refused("grants_remain", f"[rooms] {remaining[0][0]}", f"doors would go while these remain: {listed}")


def _remove(session: Session, table: type[Base], name: tuple[str, ...]) -> None:
    if table is Door:
        # A door that comes back later gets a new salt, so nothing that was made with the old one may stay.
        for left in (DoorList, ListRequest, Delivery, Verifier):
            session.execute(delete(left).where(left.door == name[0]))
    session.delete(session.get_one(table, name))
    session.flush()


def _put(minter: Minter, table: type[Base], name: tuple[str, ...], row: Row) -> None:
    found = minter.session.get(table, name)
    if found is None:
        chance = minter.chance
        made: Row = {}
        if table is Door:
            made = {"salt": b64(chance.take_bytes(SALT_BYTES))}
        elif table is DoorGroup:
            made = {"sealed_key": minter.keyring.seal(chance.take_bytes(GROUP_KEY_BYTES), f"group {name[0]}")}
        minter.session.add(table(**dict(zip(_names(table), name, strict=True)), **row, **made))
        return
    if isinstance(found, Door) and found.door_group != row["door_group"]:
        found.keyed_at = questions.take_number(minter.session, minter.now)  # what it holds is another group's key
    for field, value in row.items():
        if getattr(found, field) != value:
            setattr(found, field, value)
