"""A door's current list: built, signed and stored, and who it reached.

A list is made anew when its content changed, or once a day; then every grant whose current revision it carries (or
rightly leaves out) gets its number as the one the door has to report before that revision counts as applied.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import msgspec
from sqlalchemy import select

from controller.formats.code_list import (
    TYP,
    Closure,
    CodeList,
    PassKey,
    PinEntry,
    Policy,
    QrEntry,
    dump,
    payload_hash,
)
from controller.formats.encoding import b64
from controller.formats.envelope import seal
from controller.formats.errors import Refused
from controller.formats.limits import LIMITS
from sync.hub import store
from sync.hub.credentials import Minter, kdf_of
from sync.hub.issuer import (
    HORIZON_AHEAD_S,
    HORIZON_BACK_S,
    TRAVELLING,
    DoorRecord,
    GrantRecord,
    build_list,
    content_hash,
)
from sync.hub.models import Credential, Delivery, Door, DoorGroup, DoorList, Grant, PinSet, RoomClosure
from sync.hub.pin_space import FULL


@dataclass(frozen=True)
class ListKeeper:
    """Keeps the lists of one transaction."""

    minter: Minter

    def renew(self, doors: Iterable[str], *, daily: bool = False, admitting: bool = False) -> list[str]:
        """Bring the lists of `doors` up to date and return the doors that got a new one: those whose content
        changed, with `daily` all of them. With `admitting`, Refused `door_full` when one gets too full."""
        return [door for door in sorted(doors) if self._renew(door, daily=daily, admitting=admitting)]

    def _renew(self, door_id: str, *, daily: bool, admitting: bool) -> bool:
        session, now = self.minter.session, self.minter.now
        door = session.get_one(Door, door_id)
        current = session.get(DoorList, door_id)
        record, grants, closures = self._door_record(door), self._grant_records(door), self._closures(door)
        draft = build_list(record, grants, closures, number=1, now_s=now)
        if admitting:
            _check_room_left(draft)
        changed = current is None or current.content != content_hash(draft)
        if current is None or changed or daily:
            shrink = self._shrinks(door, current, draft)
            number = store.take_number(session, now)
            current = self._store(current, msgspec.structs.replace(draft, version=number, shrink=shrink))
            changed = True
        self._mark_delivered(current)
        return changed

    def _store(self, current: DoorList | None, code_list: CodeList) -> DoorList:
        payload = dump(code_list)
        row = current or DoorList(door=code_list.door)
        row.version, row.hash, row.content = code_list.version, payload_hash(payload), content_hash(code_list)
        row.shrink, row.grants = code_list.shrink, [grant.id for grant in code_list.grants]
        row.refresh_after, row.published_at = code_list.refresh_after, None
        row.envelope = seal(payload, TYP, self.minter.keyring.list_key)
        self.minter.session.add(row)
        self.minter.session.flush()
        return row

    def _door_record(self, door: Door) -> DoorRecord:
        session, keyring = self.minter.session, self.minter.keyring
        group = session.get_one(DoorGroup, door.door_group)
        sealed = [key for key in (group.sealed_key, group.sealed_previous_key) if key is not None]
        keys = [PassKey(group.id, b64(keyring.unseal(key, f"group {group.id}"))) for key in sealed]
        return DoorRecord(
            id=door.id,
            epoch=door.epoch,
            kdf=kdf_of(door, session.get_one(PinSet, group.pin_set)),
            policy=msgspec.convert(group.policy, Policy),
            pass_keys=tuple(keys),
        )

    def _grant_records(self, door: Door) -> list[GrantRecord]:
        session, now = self.minter.session, self.minter.now
        rooms = store.rooms_behind(session, door.id)
        around = store.openings_between(session, rooms, now - HORIZON_BACK_S, now + HORIZON_AHEAD_S)
        openings: dict[str, list[tuple[int, int]]] = {}
        for opening in around:
            if opening.door == door.id:
                openings.setdefault(opening.grant, []).append((opening.start, opening.until))
        verifiers = self.minter.verifiers(door, openings.keys())
        hashes: dict[str, list[QrEntry]] = {}
        for credential in session.scalars(select(Credential).where(Credential.grant_id.in_(openings))):
            if credential.qr_hash is not None and credential.opens_at(now):
                hashes.setdefault(credential.grant_id, []).append(QrEntry(credential.id, credential.qr_hash))
        records: list[GrantRecord] = []
        for grant in session.scalars(select(Grant).where(Grant.id.in_(openings))):
            pins = [PinEntry(each.credential, each.verifier, False) for each in verifiers.get(grant.id, [])]
            record = GrantRecord(
                id=grant.id,
                kind=grant.kind,
                state=grant.state,
                openings=tuple(openings[grant.id]),
                # A method that is no longer wished for does not open, though its code is kept for when it comes back.
                pins=tuple(pins) if "pin" in grant.methods else (),
                qrs=tuple(hashes.get(grant.id, ())) if "qr" in grant.methods else (),
                max_uses=grant.max_uses,
            )
            records.append(record)
        return records

    def _closures(self, door: Door) -> list[Closure]:
        """The closures of the rooms this door opens. An entrance stays open: others are in the building."""
        session, now = self.minter.session, self.minter.now
        if session.get_one(DoorGroup, door.door_group).shared:
            return []
        query = select(RoomClosure.start, RoomClosure.until, RoomClosure.reason).where(
            RoomClosure.room.in_(store.rooms_behind(session, door.id)),
            RoomClosure.until > now,
            RoomClosure.start < now + HORIZON_AHEAD_S,
        )
        found = session.execute(query.distinct())
        return [Closure(from_=start, until=until, reason=reason) for start, until, reason in found]

    def _shrinks(self, door: Door, current: DoorList | None, draft: CodeList) -> bool:
        """Whether the list may say that losing grants is meant: when every grant that is gone from it is still known
        here. A hub that forgot its grants (an old backup, a lost table) cannot empty its doors.

        The word is repeated until the door has taken a list that carried it."""
        present = {grant.id for grant in draft.grants}
        gone = set(current.grants if current else ()) - present
        known = set(self.minter.session.scalars(select(Grant.id).where(Grant.id.in_(gone))))
        unheard = current is not None and current.shrink and door.reported_version < current.version
        return known == gone and (bool(gone) or not present or unheard)

    def _mark_delivered(self, current: DoorList) -> None:
        query = (
            select(Delivery, Grant.state)
            .join(Grant, Grant.id == Delivery.grant_id)
            .where(Delivery.door == current.door, Delivery.version.is_(None))
        )
        for delivery, state in self.minter.session.execute(query):
            if state not in TRAVELLING or delivery.grant_id in current.grants:
                delivery.version = current.version


def _check_room_left(code_list: CodeList) -> None:
    if len(dump(code_list)) > FULL * LIMITS.list_payload_bytes:
        raise Refused("door_full", code_list.door, "the door holds as many grants as it can")
