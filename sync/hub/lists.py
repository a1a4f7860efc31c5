"""One look at everything that a door's list is made from, all of one moment.

A look takes no lock; what is made of it is stored by `list_builder.py`, which sees to it that nothing has been stored
for the door since. A PIN's verifier is derived when a list first holds the PIN, so a booking of next year costs nothing
today and a call never waits for a derivation.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace

import msgspec
from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from controller.formats.code_list import Closure, CodeList, PassKey, PinEntry, PinKdf, Policy, QrEntry
from controller.formats.encoding import b64
from sync.hub import in_service, store
from sync.hub.commands import posture_by_list
from sync.hub.credentials import clear_text, kdf_of
from sync.hub.issuer import HORIZON_AHEAD_S, HORIZON_BACK_S, TRAVELLING, DoorRecord, GrantRecord, build_list
from sync.hub.keys import Keyring
from sync.hub.models import (
    Credential,
    Delivery,
    Door,
    DoorGroup,
    DoorList,
    Grant,
    ListRequest,
    PinSet,
    RoomClosure,
    Verifier,
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


def look_at(session: Session, keyring: Keyring, door_id: str, now: int) -> Look | None:
    """Everything a list of the door is made from, None for a door that is gone. Raises Refused `bad_seal`."""
    door = session.get(Door, door_id)
    if door is None:
        return None
    group = session.get_one(DoorGroup, door.door_group)
    pin_set = session.get_one(PinSet, group.pin_set)
    rooms = store.rooms_behind(session, door.id)
    openings: dict[str, list[tuple[int, int]]] = {}
    for opening in store.openings_between(session, rooms, now - HORIZON_BACK_S, now + HORIZON_AHEAD_S):
        if opening.door == door.id:
            openings.setdefault(opening.grant, []).append((opening.start, opening.until))
    grants, with_pins = _grants(session, openings, now)
    return Look(
        door=replace(_door_record(keyring, door, group, pin_set), posture=posture_by_list(session, door_id)),
        grants=tuple(grants),
        pins=tuple(_pins(session, keyring, door, pin_set, with_pins, now)),
        closures=(*in_service.closures(session, door), *([] if group.shared else _closures(session, rooms, now))),
        stored=_stored(session, door_id),
        awaited=tuple(_awaited(session, door_id)),
        requests=tuple(session.scalars(select(ListRequest.id).where(ListRequest.door == door_id))),
    )


def _door_record(keyring: Keyring, door: Door, group: DoorGroup, pin_set: PinSet) -> DoorRecord:
    sealed = [each for each in (group.sealed_key, group.sealed_previous_key) if each is not None]
    return DoorRecord(
        id=door.id,
        epoch=door.epoch,
        kdf=kdf_of(door, pin_set),
        policy=msgspec.convert(group.policy, Policy),
        pass_keys=tuple(PassKey(group.id, b64(keyring.unseal(each, f"group {group.id}"))) for each in sealed),
    )


def _grants(
    session: Session, openings: Mapping[str, list[tuple[int, int]]], now: int
) -> tuple[list[GrantRecord], list[str]]:
    """The grants with openings, and the ids of those that have PINs."""
    qrs: dict[str, list[QrEntry]] = {}
    living = or_(Credential.ends_at.is_(None), Credential.ends_at > now)
    query = select(Credential.grant_id, Credential.id, Credential.qr_hash)
    query = query.where(Credential.grant_id.in_(openings), Credential.qr_hash.is_not(None), living)
    for grant_id, credential, qr_hash in session.execute(query):
        qrs.setdefault(grant_id, []).append(QrEntry(credential, str(qr_hash)))
    columns = select(Grant.id, Grant.kind, Grant.state, Grant.methods, Grant.max_uses).where(Grant.id.in_(openings))
    records: list[GrantRecord] = []
    with_pins: list[str] = []
    for grant_id, kind, state, methods, max_uses in session.execute(columns):
        # A method that is no longer wished for does not open, though its code is kept for when it comes back.
        record = GrantRecord(
            id=grant_id,
            kind=kind,
            state=state,
            openings=tuple(openings[grant_id]),
            qrs=tuple(qrs.get(grant_id, ())) if "qr" in methods else (),
            max_uses=max_uses,
        )
        records.append(record)
        if "pin" in methods:
            with_pins.append(grant_id)
    return records, with_pins


def _pins(
    session: Session, keyring: Keyring, door: Door, pin_set: PinSet, grants: Collection[str], now: int
) -> Iterable[PinAtDoor]:
    query = (
        select(Credential.id, Credential.grant_id, Credential.sealed, Credential.duress, Verifier.verifier)
        .outerjoin(Verifier, (Verifier.credential == Credential.id) & (Verifier.door == door.id))
        .where(Credential.grant_id.in_(grants), Credential.pin_set == pin_set.id)
        .where(or_(Credential.ends_at.is_(None), Credential.ends_at > now))
    )
    for credential, grant, sealed, duress, verifier in session.execute(query):
        clear = clear_text(keyring, credential, sealed) if verifier is None else None
        yield PinAtDoor(credential, grant, verifier, clear, duress)


def _closures(session: Session, rooms: Collection[str], now: int) -> list[Closure]:
    """The closures of the rooms this door opens. (An entrance has none: others are in the building.)"""
    query = select(RoomClosure.start, RoomClosure.until, RoomClosure.reason).where(
        RoomClosure.room.in_(rooms), RoomClosure.until > now, RoomClosure.start < now + HORIZON_AHEAD_S
    )
    found = session.execute(query.distinct())
    return [Closure(from_=start, until=until, reason=reason) for start, until, reason in found]


def _stored(session: Session, door: str) -> Stored:
    columns = (DoorList.version, DoorList.content, DoorList.refresh_after, DoorList.shrink, DoorList.grants)
    row = session.execute(select(*columns).where(DoorList.door == door)).one_or_none()
    return Stored() if row is None else Stored(*row[:-1], tuple(row[-1]))


def _awaited(session: Session, door: str) -> list[Awaited]:
    query = (
        select(Delivery.grant_id, Delivery.asked, Grant.state)
        .join(Grant, Grant.id == Delivery.grant_id)
        .where(Delivery.door == door, Delivery.version.is_(None))
    )
    return [Awaited(grant, asked, state in TRAVELLING) for grant, asked, state in session.execute(query)]
