"""One look at everything that the lists of some doors are made from, all of one moment.

A look takes no lock; what is made of it is stored by `list_builder.py`, which sees to it that nothing has been stored
for the door since. A PIN's verifier is derived when a list first holds the PIN, so a booking of next year costs nothing
today and a call never waits for a derivation.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import msgspec
from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from controller.formats.code_list import Closure, CodeList, PassKey, PinEntry, PinKdf, Policy, QrEntry, Window
from controller.formats.encoding import b64
from sync.hub.booking.credentials import clear_text, kdf_of
from sync.hub.doors import in_service
from sync.hub.doors.commands import posture_by_list
from sync.hub.issuing.issuer import HORIZON_AHEAD_S, HORIZON_BACK_S, TRAVELLING, DoorRecord, GrantRecord, build_list
from sync.hub.keys.keyring import Keyring
from sync.hub.store import questions
from sync.hub.store.models import (
    Credential,
    Delivery,
    Door,
    DoorGroup,
    DoorList,
    Grant,
    GrantBooking,
    ListRequest,
    PinSet,
    RoomClosure,
    Verifier,
    Way,
)


@dataclass(frozen=True)
class Stored:
    """The list a door has so far, without its bytes; version 0 where there is none."""

    version: int = 0
    content: str = ""
    refresh_after: int = 0
    shrink: bool = False
    grants: tuple[str, ...] = ()


@dataclass(frozen=True)
class PinAtDoor:
    """A living PIN of a grant: its verifier at the door, or else its clear text, to derive one from. A `duress` PIN
    opens like any other, and the door's record says so."""

    credential: str
    grant: str
    verifier: str | None
    clear: str | None
    duress: bool


@dataclass(frozen=True)
class Awaited:
    """A grant whose current revision no list of the door has held yet; `asked` as its delivery says."""

    grant: str
    asked: int
    travels: bool


@dataclass(frozen=True, kw_only=True)
class Look:
    """A door at one moment. `grants` come without their PINs; `requests` are the ids of those this look answers."""

    door: DoorRecord
    grants: tuple[GrantRecord, ...]
    pins: tuple[PinAtDoor, ...]
    closures: tuple[Closure, ...]
    stored: Stored
    awaited: tuple[Awaited, ...]
    requests: tuple[int, ...]

    @property
    def kdf(self) -> PinKdf:
        """How PINs are derived for the door."""
        return self.door.kdf

    @property
    def underived(self) -> list[PinAtDoor]:
        """The PINs that need a verifier."""
        return [each for each in self.pins if each.verifier is None and each.clear is not None]

    def draft(self, number: int, now: int, derived: Mapping[str, str]) -> CodeList:
        """The list, given the verifiers that were missing, by credential."""
        pins: dict[str, list[PinEntry]] = {}
        for each in self.pins:
            verifier = each.verifier or derived.get(each.credential)
            if verifier is not None:
                pins.setdefault(each.grant, []).append(PinEntry(each.credential, verifier, each.duress))
        grants = [replace(each, pins=tuple(pins.get(each.id, ()))) for each in self.grants]
        return build_list(self.door, grants, self.closures, number=number, now_s=now)


def look_at(session: Session, keyring: Keyring, doors: Collection[str], now: int) -> dict[str, Look]:
    """Everything the lists of these doors are made from, by door; a door that is gone is left out. The database is
    asked the same dozen questions however many doors there are. Raises Refused `bad_seal`."""
    query = (
        select(Door, DoorGroup, PinSet)
        .join(DoorGroup, DoorGroup.id == Door.door_group)
        .join(PinSet, PinSet.id == DoorGroup.pin_set)
        .where(Door.id.in_(doors))
    )
    rooms = _by_door(session.execute(select(Way.door, Way.room).where(Way.door.in_(doors))))
    behind = {room for each in rooms.values() for (room,) in each}
    openings: dict[str, dict[str, list[Window]]] = {}
    for each in questions.openings_between(session, behind, now - HORIZON_BACK_S, now + HORIZON_AHEAD_S, set(doors)):
        openings.setdefault(each.door, {}).setdefault(each.grant, []).append((each.start, each.until))
    grants = _Grants(session, behind, doors, now)
    closed = _closures(session, behind, now)
    waiting = frozenset(in_service.out_of_service(session, doors))
    postures = posture_by_list(session, doors)
    stored = _stored(session, doors)
    awaited = _awaited(session, doors)
    requests = _by_door(session.execute(select(ListRequest.door, ListRequest.id).where(ListRequest.door.in_(doors))))
    looks: dict[str, Look] = {}
    for door, group, pin_set in session.execute(query):
        here = openings.get(door.id, {})
        closures = {each for (room,) in rooms.get(door.id, ()) for each in closed.get(room, ()) if not group.shared}
        looks[door.id] = Look(
            door=replace(_door_record(keyring, door, group, pin_set), posture=postures.get(door.id)),
            grants=tuple(grants.records(here)),
            pins=tuple(grants.pins(here, door.id, pin_set.id, keyring)),
            closures=(*([in_service.ALWAYS] if door.id in waiting else []), *closures),
            stored=stored.get(door.id, Stored()),
            awaited=tuple(Awaited(grant, asked, state in TRAVELLING) for grant, asked, state in awaited[door.id]),
            requests=tuple(number for (number,) in requests[door.id]),
        )
    return looks


def _by_door(rows: Iterable[Any]) -> dict[str, list[tuple[Any, ...]]]:
    """The rows by their first column, without it."""
    found: dict[str, list[tuple[Any, ...]]] = defaultdict(list)
    for door, *rest in rows:
        found[door].append(tuple(rest))
    return found


def _door_record(keyring: Keyring, door: Door, group: DoorGroup, pin_set: PinSet) -> DoorRecord:
    sealed = [each for each in (group.sealed_key, group.sealed_previous_key) if each is not None]
    return DoorRecord(
        id=door.id,
        epoch=door.epoch,
        kdf=kdf_of(door, pin_set),
        policy=msgspec.convert(group.policy, Policy),
        pass_keys=tuple(PassKey(group.id, b64(keyring.unseal(each, f"group {group.id}"))) for each in sealed),
    )


class _Grants:
    """What is known of the grants with bookings near `now` in some rooms, their living credentials and the verifiers
    these have at some doors. Columns, not objects: a town has twenty thousand of each."""

    def __init__(self, session: Session, rooms: Collection[str], doors: Collection[str], now: int) -> None:
        # Asked by where they are booked: a building's entrance has more grants than a question has room for.
        booked = select(GrantBooking.grant_id).where(
            GrantBooking.room.in_(rooms),
            GrantBooking.until > now - HORIZON_BACK_S - questions.NEIGHBOUR_S,
            GrantBooking.start < now + HORIZON_AHEAD_S + questions.NEIGHBOUR_S,
        )
        columns = select(Grant.id, Grant.kind, Grant.state, Grant.methods, Grant.max_uses).where(Grant.id.in_(booked))
        self._grants = {row.id: row for row in session.execute(columns)}
        self._qrs: dict[str, list[QrEntry]] = defaultdict(list)
        self._sealed: dict[str, list[tuple[str, str, bytes | None, bool]]] = defaultdict(list)
        living = or_(Credential.ends_at.is_(None), Credential.ends_at > now)
        codes = select(
            Credential.grant_id, Credential.id, Credential.pin_set, Credential.qr_hash, Credential.sealed,
            Credential.duress,
        ).where(Credential.grant_id.in_(booked), living)  # fmt: skip
        for grant, credential, pin_set, qr_hash, sealed, duress in session.execute(codes):
            if qr_hash is not None:
                self._qrs[grant].append(QrEntry(credential, qr_hash))
            elif pin_set is not None:
                self._sealed[grant].append((credential, pin_set, sealed, duress))
        verifiers = select(Verifier.door, Verifier.credential, Verifier.verifier).where(Verifier.door.in_(doors))
        self._verifiers = {(door, credential): known for door, credential, known in session.execute(verifiers)}

    def records(self, openings: Mapping[str, list[Window]]) -> Iterator[GrantRecord]:
        """The grants with these openings, without their PINs."""
        for name, windows in openings.items():
            grant = self._grants[name]
            # A method that is no longer wished for does not open, though its code is kept for when it comes back.
            yield GrantRecord(
                id=name,
                kind=grant.kind,
                state=grant.state,
                openings=tuple(windows),
                qrs=tuple(self._qrs.get(name, ())) if "qr" in grant.methods else (),
                max_uses=grant.max_uses,
            )

    def pins(self, grants: Iterable[str], door: str, pin_set: str, keyring: Keyring) -> Iterator[PinAtDoor]:
        """The PINs that these grants have at a door of this PIN set."""
        for grant in grants:
            if "pin" not in self._grants[grant].methods:
                continue
            for credential, own_set, sealed, duress in self._sealed.get(grant, ()):
                if own_set == pin_set:
                    verifier = self._verifiers.get((door, credential))
                    clear = clear_text(keyring, credential, sealed) if verifier is None else None
                    yield PinAtDoor(credential, grant, verifier, clear, duress)


def _closures(session: Session, rooms: Collection[str], now: int) -> dict[str, list[Closure]]:
    """The closures of each room. (An entrance has none: others are in the building.)"""
    query = select(RoomClosure.room, RoomClosure.start, RoomClosure.until, RoomClosure.reason).where(
        RoomClosure.room.in_(rooms), RoomClosure.until > now, RoomClosure.start < now + HORIZON_AHEAD_S
    )
    found: dict[str, list[Closure]] = {}
    for room, start, until, reason in session.execute(query):
        found.setdefault(room, []).append(Closure(from_=start, until=until, reason=reason))
    return found


def _stored(session: Session, doors: Collection[str]) -> dict[str, Stored]:
    columns = (DoorList.version, DoorList.content, DoorList.refresh_after, DoorList.shrink, DoorList.grants)
    rows = session.execute(select(DoorList.door, *columns).where(DoorList.door.in_(doors)))
    return {
        door: Stored(version, content, refresh_after, shrink, tuple(grants))
        for door, version, content, refresh_after, shrink, grants in rows
    }


def _awaited(session: Session, doors: Collection[str]) -> dict[str, list[tuple[Any, ...]]]:
    query = (
        select(Delivery.door, Delivery.grant_id, Delivery.asked, Grant.state)
        .join(Grant, Grant.id == Delivery.grant_id)
        .where(Delivery.door.in_(doors), Delivery.version.is_(None))
    )
    return _by_door(session.execute(query))
