"""The doors themselves: the town they stand in, the keys they sign with, what they report, the lists they get."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from controller.formats.errors import Refused
from controller.formats.event import Event
from controller.formats.jwk import VerifyKey, load_public
from controller.formats.state import StateReport
from sync.hub import forged_passes, in_service, lifecycle, rotation, updates
from sync.hub.apply import Change, apply_town
from sync.hub.credentials import Minter
from sync.hub.models import Door, DoorList
from sync.hub.town import Town
from sync.hub.workbench import Workbench

AHEAD_S = 30 * 86_400
"""A reported number further ahead of the time than this is refused: one door could run the sequence to its end."""


@dataclass(frozen=True)
class DoorStatus:
    """A door as staff see it: last contact (UTC seconds) and list versions; 0 means none."""

    id: str
    enrolled: bool
    last_contact: int | None
    list_current: int
    list_applied: int


class DoorDesk:
    """What concerns doors rather than reservations."""

    bench: Workbench

    def apply(self, town: Town, now: int, *, dry_run: bool = False) -> list[Change]:
        """Make the hub follow `town.toml` and renew the lists this changes. Raises Refused."""

        def work(minter: Minter) -> list[Change]:
            changes = apply_town(minter, town, dry_run=dry_run)
            if not dry_run:
                minter.ask_for_lists(minter.session.scalars(select(Door.id)))
            return changes

        return self.bench.run(now, work)

    def rekey(self, door_id: str, now: int) -> int:
        """After a theft: a new salt, a new group key, new PINs for everyone whose PIN the door could check. Returns
        how many doors get a new list. Raises Refused `not_found`."""

        def work(minter: Minter) -> int:
            doors = rotation.rekey_door(minter, door_id)
            minter.ask_for_lists(doors)
            return len(doors)

        return self.bench.run(now, work)

    def passes_used(self, door_id: str, credentials: Collection[str], now: int) -> set[str]:
        """These passes opened the door by themselves. The ones this hub never issued; where there is one, the door's
        group has a new key and its doors have new lists."""

        def work(minter: Minter) -> set[str]:
            forged = forged_passes.never_issued(minter, credentials)
            if forged:
                minter.ask_for_lists(forged_passes.rekey_group(minter, door_id))
            return forged

        return self.bench.run(now, work)

    def enrol(self, door_id: str, event_key: VerifyKey) -> None:
        """Register the key with which a door signs its log and its state. Raises Refused `not_found`."""

        def keep(minter: Minter) -> None:
            in_service.another_unit(_door(minter.session, door_id), event_key.jwk())
            # Another unit has to be commissioned anew, and the list says so.
            minter.ask_for_lists([door_id])

        self.bench.run(0, keep)

    def event_key(self, door_id: str) -> VerifyKey | None:
        """The key a door signs with; None for a door that is unknown or not enrolled."""

        def look(session: Session) -> VerifyKey | None:
            door = session.get(Door, door_id)
            return None if door is None or door.event_key is None else load_public(door.event_key)

        return self.bench.look(look)

    def door_reported(self, door_id: str, report: StateReport, at: int) -> None:
        """Take in a state report whose signature held, received at `at`. Raises Refused `not_found`, `wrong_door`,
        `number_ahead`."""
        if report.door != door_id:
            raise Refused("wrong_door", "state.door", f"door {door_id} reports as {report.door}")

        def take(minter: Minter) -> None:
            session = minter.session
            door = _door(session, door_id)
            current = session.get(DoorList, door_id)
            if report.list_version > max(current.version if current else 0, at + AHEAD_S):
                raise Refused("number_ahead", "state.list_version", "a number that this hub cannot have come near to")
            before = door.highest_version
            door.reported_at, door.reported_version = at, report.list_version
            door.reported_hash = report.list_hash
            door.reported_clock, door.reported_clock_ms = report.clock, report.at
            door.reported_posture, door.reported_faults = report.posture, list(report.faults)
            door.highest_version = max(door.highest_version, report.list_version)
            if report.doctor is not None:
                in_service.examined(session, door_id, report.doctor)
            updates.heard(session, door_id, report.update, at)
            session.flush()
            if report.list_version > before:
                lifecycle.tell_applied(session, door_id, before, report.list_version, at)

        self.bench.run(at, take)

    def commissioned(self, door_id: str, events: Sequence[Event], now: int) -> None:
        """Take in what a door's log says about its being brought into service; its list follows. Raises Refused
        `not_found`."""

        def work(minter: Minter) -> None:
            if in_service.commissioned(minter.session, _door(minter.session, door_id), events):
                minter.ask_for_lists([door_id])

        self.bench.run(now, work)

    def doors(self) -> list[DoorStatus]:
        """Every door, by id."""
        query = select(Door, DoorList.version).outerjoin(DoorList, DoorList.door == Door.id).order_by(Door.id)
        return self.bench.look(
            lambda session: [
                DoorStatus(door.id, door.event_key is not None, door.reported_at, version or 0, door.reported_version)
                for door, version in session.execute(query)
            ]
        )

    def list_of(self, door_id: str) -> bytes:
        """The door's current list, as signed. Raises Refused `not_found`."""

        def look(session: Session) -> bytes:
            current = session.get(DoorList, door_id)
            if current is None:
                raise Refused("not_found", "door", f"there is no list for a door {door_id}")
            return current.envelope

        return self.bench.look(look)


def _door(session: Session, door_id: str) -> Door:
    door = session.get(Door, door_id)
    if door is None:
        raise Refused("not_found", "door", f"town.toml names no door {door_id}")
    return door
