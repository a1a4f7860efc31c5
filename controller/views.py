"""What others may see of a unit: the hub (signed report), staff (status), anybody at the door (public state)."""

from __future__ import annotations

import msgspec

from controller.commission import shortcomings
from controller.decide import decide_grant
from controller.door import Door
from controller.door_events import Guidance, Now
from controller.formats.code_list import Screen
from controller.formats.messages import Commissioning, Explained, Explanation, Guide, PublicState, Status
from controller.formats.state import StateReport
from controller.unit import Unit

REFUSING = frozenset({"refused", "wait"})


def report(unit: Unit, door: Door, now: Now) -> StateReport:
    """For the hub; `LinkSession.state` signs it."""
    installed = door.installed
    return StateReport(
        door=unit.setup.door,
        at=max(0, now.utc_ms),
        clock=now.clock,
        # The floor, not the list: a door that lost its list must still not be sent an older one.
        list_version=unit.floors.list_version,
        list_hash=installed.hash if installed else None,
        trust_version=unit.trust.version if unit.trust else 0,
        receipt=unit.log.acknowledged.number,
        log=unit.log.log,
        seq=unit.log.end.seq,
        posture=door.posture(now).state,
        faults=tuple(sorted(door.faults)),
        doctor=unit.doctor,
        update=unit.update,
    )


def status(unit: Unit, door: Door, now: Now, linked: bool) -> Status:
    """For staff: no secrets, no grants."""
    installed = door.installed
    return Status(
        door=unit.setup.door,
        at=now.utc_ms,
        clock=now.clock,
        list_version=installed.list.version if installed else None,
        list_hash=installed.hash if installed else None,
        valid_until=installed.list.valid_until if installed else None,
        grants=len(installed.grants) if installed else 0,
        trust_version=unit.trust.version if unit.trust else 0,
        log=unit.log.log,
        seq=unit.log.end.seq,
        receipt_seq=unit.log.acknowledged.seq,
        unsent=unit.log.end.seq - unit.log.acknowledged.seq,
        posture=door.posture(now).state,
        tries=door.tries_left(now),
        inside=len(door.memory.inside),
        faults=tuple(sorted(door.faults)),
        linked=linked,
        released=unit.ports.lock.released,
        leaf_open=door.leaf.open,
        in_service=door.memory.in_service,
    )


def explained(door: Door, grant: str, now: Now) -> Explained:
    """For staff: why a grant opens this door, or does not."""
    verdicts = decide_grant(
        door.installed, grant, now.moment(), door.posture(now).state, door.memory.uses, door.tries_left(now)
    )
    return Explained(
        grant=verdicts[0].grant,
        verdicts=tuple(
            Explanation(credential=each.via, reason=each.reason, opens_at=each.opens_at) for each in verdicts
        ),
    )


def commissioning(door: Door) -> Commissioning:
    """For the terminal at which a door is brought into service."""
    answers = door.commissioning.answers
    return Commissioning(
        in_service=door.memory.in_service,
        guide=_guide(door.commissioning.guidance()),
        answers=answers,
        short=shortcomings(answers),
    )


def _guide(guidance: Guidance | None) -> Guide | None:
    return None if guidance is None else msgspec.convert(guidance, Guide, from_attributes=True)


def public(unit: Unit, door: Door, now: Now, incident: str | None) -> PublicState:
    """For the display: what anybody standing there may know. `incident` is the newest refusal's number."""
    shown = door.shown
    told = door.policy.screen
    screen = told if isinstance(told, Screen) else Screen()
    occupancy = door.installed.occupancy if door.installed and now.trusted else None
    return PublicState(
        door=unit.setup.door,
        at=now.utc_ms,
        languages=door.policy.languages,
        help=door.policy.help,
        room=screen.room,
        time_zone=screen.time_zone,
        leave=screen.leave,
        bookings=occupancy is not None,
        occupied_until=occupancy.until_s(now.utc_s) if occupancy else None,
        occupied_from=occupancy.next_s(now.utc_s) if occupancy else None,
        shown=shown.signal,
        shown_at=door.shown_at_s,
        reason=shown.reason,
        opens_at=shown.opens_at,
        incident=incident if shown.signal in REFUSING else None,
        digits=door.typed,
        turns=door.turns,
        wait_s=door.wait_s(now),
        faults=tuple(sorted(door.faults)),
        guide=_guide(door.commissioning.guidance()),
    )


def same(before: PublicState, after: PublicState) -> bool:
    """Whether nothing changed but the time."""
    return msgspec.structs.replace(before, at=after.at) == after
