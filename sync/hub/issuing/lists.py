"""One look at everything that the lists of some doors are made from, all of one moment.

A look takes no lock; what is made of it is stored by `list_builder.py`, which sees to it that nothing has been stored
for the door since. A PIN's verifier is derived when a list first holds the PIN, so a booking of next year costs nothing
today and a call never waits for a derivation.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

import msgspec
from msgspec import structs
from sqlalchemy import bindparam, or_, select
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
from sync.hub.store.questions import Booked


@dataclass(frozen=True)
class Stored:
    """The list a door has so far, without its bytes; version 0 where there is none."""

    version: int = 0
    content: str = ""
    refresh_after: int = 0
    shrink: bool = False
    grants: tuple[str, ...] = ()


class Underived(msgspec.Struct, frozen=True):
    """A living PIN of a grant that has no verifier at the door yet: its clear text, to derive one from. A `duress` PIN
    opens like any other, and the door's record says so."""

    credential: str
    grant: str
    clear: str
    duress: bool


@dataclass(frozen=True)
class Awaited:
    """A grant whose current revision no list of the door has held yet; `asked` as its delivery says."""

    grant: str
    asked: int
    travels: bool


@dataclass(frozen=True, kw_only=True)
class Look:
    """A door at one moment. `grants` come with the PINs that have a verifier, the others are `underived`; `requests`
    are the ids of those this look answers."""

    door: DoorRecord
    grants: tuple[GrantRecord, ...]
    underived: tuple[Underived, ...]
    closures: tuple[Closure, ...]
    stored: Stored
    awaited: tuple[Awaited, ...]
    requests: tuple[int, ...]

    @property
    def kdf(self) -> PinKdf:
        """How PINs are derived for the door."""
        return self.door.kdf

    def draft(self, number: int, now: int, derived: Mapping[str, str]) -> CodeList:
        """The list, given the verifiers that were missing, by credential."""
        made: dict[str, list[PinEntry]] = {}
        for each in self.underived:
            made.setdefault(each.grant, []).append(PinEntry(each.credential, derived[each.credential], each.duress))
        grants = self.grants
        if made:
            grants = tuple(structs.replace(each, pins=(*each.pins, *made.get(each.id, ()))) for each in grants)
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
    start, until = now - HORIZON_BACK_S, now + HORIZON_AHEAD_S
    found, booked = questions.booked_openings(session, behind, start, until, set(doors))
    openings: dict[str, dict[str, list[Window]]] = defaultdict(lambda: defaultdict(list))
    for each in found:
        openings[each.door][each.grant].append((each.start, each.until))
    codes = _Codes(session, behind, doors, now)
    closed = _closures(session, behind, now)
    waiting = frozenset(in_service.out_of_service(session, doors))
    postures = posture_by_list(session, doors)
    stored = _stored(session, doors)
    awaited = _awaited(session, doors)
    requests = _by_door(session.execute(select(ListRequest.door, ListRequest.id).where(ListRequest.door.in_(doors))))
    looks: dict[str, Look] = {}
    for door, group, pin_set in session.execute(query):
        grants, underived = _at_door(door.id, pin_set.id, openings[door.id], booked, codes, keyring)
        closures = {each for (room,) in rooms.get(door.id, ()) for each in closed.get(room, ()) if not group.shared}
        looks[door.id] = Look(
            door=replace(_door_record(keyring, door, group, pin_set), posture=postures.get(door.id)),
            grants=tuple(grants),
            underived=tuple(underived),
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


# Asked by where grants are booked: a building's entrance has more grants than a question has room for.
BOOKED: Final = select(GrantBooking.grant_id).where(
    GrantBooking.room.in_(bindparam("rooms", expanding=True)),
    GrantBooking.until > bindparam("after"),
    GrantBooking.start < bindparam("before"),
)
CODES: Final = select(
    Credential.grant_id, Credential.id, Credential.pin_set, Credential.qr_hash, Credential.sealed, Credential.duress
).where(Credential.grant_id.in_(BOOKED), or_(Credential.ends_at.is_(None), Credential.ends_at > bindparam("now")))
VERIFIERS: Final = select(Verifier.door, Verifier.credential, Verifier.verifier).where(
    Verifier.door.in_(bindparam("doors", expanding=True))
)


class _Codes:
    """The living codes of the grants with bookings near `now` in some rooms, and the verifiers that PINs have at some
    doors. Columns, not objects: a town has twenty thousand of each."""

    def __init__(self, session: Session, rooms: Collection[str], doors: Collection[str], now: int) -> None:
        near = {
            "rooms": list(rooms), "now": now,
            "after": now - HORIZON_BACK_S - questions.NEIGHBOUR_S,
            "before": now + HORIZON_AHEAD_S + questions.NEIGHBOUR_S,
        }  # fmt: skip
        self.qrs: dict[str, list[QrEntry]] = defaultdict(list)
        self.pins: dict[str, list[tuple[str, str, bytes | None, bool]]] = defaultdict(list)
        """By grant: credential, PIN set, sealed clear text, duress."""
        for grant, credential, pin_set, qr_hash, sealed, duress in questions.plain_rows(session, CODES, near):
            if qr_hash is not None:
                self.qrs[grant].append(QrEntry(credential, qr_hash))
            elif pin_set is not None:
                self.pins[grant].append((credential, pin_set, sealed, duress))
        self.verifiers: dict[str, dict[str, str]] = {door: {} for door in doors}
        """By door and credential."""
        for door, credential, verifier in questions.plain_rows(session, VERIFIERS, {"doors": list(doors)}):
            self.verifiers[door][credential] = verifier


def _at_door(
    door: str, pin_set: str, openings: Mapping[str, list[Window]], booked: Mapping[str, Booked], codes: _Codes,
    keyring: Keyring,
) -> tuple[list[GrantRecord], list[Underived]]:  # fmt: skip
    """The grants with these openings at a door of this PIN set, and their PINs that need a verifier there."""
    records: list[GrantRecord] = []
    underived: list[Underived] = []
    verifiers = codes.verifiers[door]
    for name, windows in openings.items():
        grant = booked[name]
        pins: list[PinEntry] = []
        for credential, own_set, sealed, duress in codes.pins.get(name, ()) if grant.opens_by("pin") else ():
            verifier = verifiers.get(credential)
            if own_set != pin_set:
                continue
            if verifier is not None:
                pins.append(PinEntry(credential, verifier, duress))
            elif sealed is not None:
                clear = clear_text(keyring, credential, sealed)
                underived.append(Underived(credential, name, clear, duress))
        records.append(
            GrantRecord(
                id=name,
                kind=grant.kind,
                state=grant.state,
                openings=tuple(windows),
                pins=tuple(pins),
                qrs=tuple(codes.qrs.get(name, ())) if grant.opens_by("qr") else (),
                max_uses=grant.max_uses,
            )
        )
    return records, underived


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
