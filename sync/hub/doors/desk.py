"""The doors themselves: the town they stand in, the keys they sign with, what they report, the lists they get."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy import bindparam, select, update
from sqlalchemy.orm import Session

from controller.formats.errors import Refused
from controller.formats.event import Event
from controller.formats.jwk import VerifyKey, load_public
from controller.formats.state import StateReport
from sync.hub.booking import lifecycle, rotation
from sync.hub.booking.credentials import Minter
from sync.hub.doors import in_service, updates
from sync.hub.events.hub_events import tell_each
from sync.hub.issuing.issuer import beyond_reach
from sync.hub.records import forged_passes
from sync.hub.store.models import Door, DoorList
from sync.hub.town.apply import Change, apply_town
from sync.hub.town.town_file import Town
from sync.hub.workbench import Workbench

OVERTAKEN_S = 10
"""Reports of one door this near to each other may be taken in the wrong order."""

AHEAD_S = 30 * 86_400
"""A reported number further ahead of the time than this is refused: one door could run the sequence to its end."""

EVENT_KEYS: Final = select(Door.id, Door.event_key).where(
    Door.id.in_(bindparam("doors", expanding=True)), Door.event_key.is_not(None)
)
CURRENT: Final = select(DoorList.door, DoorList.version).where(DoorList.door.in_(bindparam("doors", expanding=True)))


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

    def event_keys(self, doors: Collection[str]) -> dict[str, VerifyKey]:
        """The keys that doors sign with, without those of doors that are unknown or not enrolled."""
        known = self.bench.look(lambda session: session.execute(EVENT_KEYS, {"doors": doors}).all())
        return {door: load_public(key) for door, key in known}

    def door_reported(self, door_id: str, report: StateReport, at: int) -> None:
        """Take in a state report whose signature held, received at `at`. Raises Refused `not_found`, `wrong_door`,
        `number_ahead`."""
        if report.door != door_id:
            raise Refused("wrong_door", "state.door", f"door {door_id} reports as {report.door}")
        for refused in self.doors_reported([report], at):
            raise refused

    def doors_reported(self, reports: Sequence[StateReport], at: int) -> list[Refused]:
        """The same for several, of any doors, the later of a door last, in one transaction: every door reports each
        minute. What is refused is given back and does not keep the others out."""

        def take(minter: Minter) -> list[Refused]:
            session = minter.session
            names = {report.door for report in reports}
            current = dict(session.execute(CURRENT, {"doors": list(names)}).all())
            doors = {door.id: door for door in session.scalars(select(Door).where(Door.id.in_(names)))}
            good: list[StateReport] = []
            higher: dict[str, int] = {}
            refused: list[Refused] = []
            for report in reports:
                if report.door not in doors:
                    refused.append(_no_door(report.door))
                elif report.list_version > max(current.get(report.door, 0), at + AHEAD_S):
                    text = f"{report.door} reports a number that this hub cannot have come near to"
                    refused.append(Refused("number_ahead", "state.list_version", text))
                else:
                    good.append(report)
                    if report.list_version > max(doors[report.door].highest_version, higher.get(report.door, 0)):
                        higher[report.door] = report.list_version
            told = lifecycle.applied_with(session, higher)
            for report in good:
                _take_in(session, doors[report.door], report, at)
            stranded = [each.door for each in good if beyond_reach(current.get(each.door, 0), each)]
            if stranded:
                session.execute(update(DoorList).where(DoorList.door.in_(stranded)).values(refresh_after=at))
            session.flush()
            tell_each(session, at, "delivery.applied", told)
            return refused

        return self.bench.run(at, take)

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


def _overtaken(door: Door, report: StateReport, at: int) -> bool:
    """Whether a door has said something newer a moment ago: hub processes share its messages, and the quicker one may
    have had the later. (Not if its clock went back in between by more than messages are late.)"""
    if door.reported_at is None or door.reported_clock_ms is None or at - door.reported_at > OVERTAKEN_S:
        return False
    return 0 < door.reported_clock_ms - report.at < OVERTAKEN_S * 1000


def _take_in(session: Session, door: Door, report: StateReport, at: int) -> None:
    if _overtaken(door, report, at):
        return
    door.reported_at, door.reported_version = at, report.list_version
    door.reported_hash = report.list_hash
    door.reported_clock, door.reported_clock_ms = report.clock, report.at
    door.reported_posture, door.reported_faults = report.posture, list(report.faults)
    door.highest_version = max(door.highest_version, report.list_version)
    if report.doctor is not None:
        in_service.examined(session, door.id, report.doctor)
    updates.heard(session, door.id, report.update, at)


def _door(session: Session, door_id: str) -> Door:
    door = session.get(Door, door_id)
    if door is None:
        raise _no_door(door_id)
    return door


def _no_door(door_id: str) -> Refused:
    return Refused("not_found", "door", f"town.toml names no door {door_id}")
