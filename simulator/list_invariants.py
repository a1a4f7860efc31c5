"""What must be true of lists: those the hub makes, and those doors judge by. Like `invariants`, each is a function
whose docstring is its sentence in docs/simulation.md.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from controller.formats.code_list import CodeList
from simulator.seen import Seen
from simulator.simulated_door import SimulatedDoor
from sync.hub.booking.codes import slips

if TYPE_CHECKING:
    from simulator.hub_store import Reservation
    from simulator.world import World

HOUR_MS = 3_600_000
DAY_S = 86_400
SURE_AHEAD_S = 20 * 86_400  # what starts sooner is in the list, whatever the hour of its making


def booked_is_listed(world: World, made: CodeList) -> str | None:
    """A list says what is booked: every live reservation opens its doors for all of its time and never beyond its
    margins, nobody else is in it, no PIN is one slip from another, and no two renters have a room at once."""
    lately = [each for each in world.hub.store.reservations.values() if each.times[-1][1] > made.issued - 2 * DAY_S]
    booked = {each.grant: each for each in lately if _leads_to(world, each, made.door)}
    live = {grant: each for grant, each in booked.items() if each.state in {"active", "suspended"}}
    listed = {grant.id: grant for grant in made.grants}
    if unbooked := listed.keys() - live.keys():
        return f"{min(unbooked)} is listed and not booked"
    for grant, each in live.items():
        near = [time for time in each.times if made.issued - DAY_S < time[1] and time[0] < made.issued + SURE_AHEAD_S]
        if grant not in listed:
            if any(end > made.issued for _, end in near):
                return f"{grant} is booked and not listed"
            continue
        said, margin = listed[grant], world.margin_s
        if not all(any(opens <= start and end <= shuts for opens, shuts in said.windows) for start, end in near):
            return f"{grant} does not open for all of its booked time"
        if not all(
            any(start - margin <= opens and shuts <= end + margin for start, end in each.times)
            for opens, shuts in said.windows
        ):
            return f"{grant} opens beyond its margins"
        if (said.active, said.kind, said.max_uses) != (each.state == "active", each.kind, each.max_uses):
            return f"{grant} is not listed as it was booked"
    slipped = [slip for grant in made.grants for slip in slips(booked[grant.id].pin)]
    if len(set(slipped)) < len(slipped):
        return "one slip of a finger away from somebody else's PIN"
    return None if made.door in world.entrances else _renters_apart(made)


def list_is_published(world: World, door: SimulatedDoor, seen: Seen) -> str | None:
    """The list in force at a door is one that the hub made for that door, whatever anybody sent it, and not with a key
    that the door's trust document revokes."""
    installed = door.performer.door.installed if door.performer is not None else None
    if installed is None:
        return None
    name = f"list {installed.list.version} of {installed.list.door}"
    if installed.hash not in world.published[door.id]:
        return f"{name} is not the hub's"
    known = door.unit.trust.version if door.unit is not None and door.unit.trust is not None else 0
    return f"{name} was signed with a stolen key" if known >= world.hub.void.get(installed.hash, known + 1) else None


def list_survives(world: World, door: SimulatedDoor, seen: Seen) -> str | None:
    """A door that has had a list has one, through every restart and power cut, on a card that keeps its word, unless
    the key it was signed with was stolen."""
    installed = door.performer.door.installed if door.performer is not None else None
    excused = door.disk.list_lost or (door.unit is not None and door.unit.floors.list_hash in world.hub.void)
    had = seen.numbers.get("list", 0) > 0 and not excused
    lost = door.performer is not None and installed is None and had
    return f"list {seen.numbers['list']} was in force and is not there" if lost else None


def list_arrives(world: World, door: SimulatedDoor, seen: Seen) -> str | None:
    """A list is in force at its door within three hours, when link, hub and clocks have been well for that long; then
    none is older than two days."""
    known = world.hub.store.doors[door.id]
    if door.performer is None or known.issued is None or not door.linked or not world.hub.up or door.disk.full:
        return None
    well_since_ms = max(door.linked_since_ms, door.started_ms, world.hub.well_since_ms, door.clocks.changed_ms)
    long_ago_ms = world.now_ms - 3 * HOUR_MS
    if world.weather.hub_clock_touched or door.clocks.ntp_off_ms != 0 or well_since_ms > long_ago_ms:
        return None
    installed = door.performer.door.installed
    if installed is not None and installed.list.issued * 1000 < world.now_ms - 48 * HOUR_MS:
        return f"list {installed.list.version} is two days old"
    if known.issued.issued * 1000 > long_ago_ms:
        return None
    version = installed.list.version if installed else 0
    return f"list {known.version} was made three hours ago, the door has {version}" if version < known.version else None


def _leads_to(world: World, each: Reservation, door: str) -> bool:
    return any(each.room == ways.id and door in (*ways.doors, *ways.entrances) for ways in world.hub.rooms)


def _renters_apart(made: CodeList) -> str | None:
    windows = sorted((window, grant.id) for grant in made.grants if grant.kind == "renter" for window in grant.windows)
    for ((_, end), one), ((start, _), other) in pairwise(windows):
        if start < end and one != other:
            return f"{one} and {other} have the room at once"
    return None


ALL = (booked_is_listed, list_is_published, list_survives, list_arrives)
