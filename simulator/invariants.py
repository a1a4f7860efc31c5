"""What must be true at every moment of every world. Each is a function whose docstring is its sentence, which
docs/simulation.md repeats.

They look at what the witness saw and at the parts of the world themselves, never at what the code under test says of
itself where there is another way to know.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from controller.door_events import Now
from controller.eventlog import HELD_RECORDS
from controller.formats.event import GENESIS, Event, chain
from hal.ports import LEASE_MAX_S
from simulator.simulated_door import SimulatedDoor

if TYPE_CHECKING:
    from simulator.world import World


class Broken(Exception):
    """An invariant does not hold."""

    def __init__(self, invariant: str, text: str) -> None:
        super().__init__(f"{invariant}: {text}")
        self.invariant = invariant
        self.text = text


@dataclass
class Seen:
    """What the witness saw of one door. `durable` is the last record that was on disk when it was written; `doubtful` a
    log whose tail the card lost, so that door and hub may know two histories of it."""

    log: str = ""
    seq: int = 0
    hash: str = GENESIS
    durable: int = 0
    doubtful: set[str] = field(default_factory=set)
    data: dict[tuple[str, int], bytes] = field(default_factory=dict)
    compared: dict[str, int] = field(default_factory=dict)
    last: Event | None = None
    last_ms: int = -1
    touched_ms: int = -1
    list_version: int = 0
    tries: int | None = None
    life: int = 0
    pulses: int = 0
    attended_until_ms: int = -1


# Six digits that stand alone: inside a timestamp or base64 they are chance.
LOOKS_LIKE_PIN = re.compile(rb"(?<![0-9A-Za-z_-])[0-9]{6}(?![0-9A-Za-z_-])")

Invariant = Callable[["World", SimulatedDoor, Seen], str | None]


def gapless_and_chained(world: World, door: SimulatedDoor, seen: Seen) -> str | None:
    """A log's numbers have no gap and its hashes no break, from its first record on."""
    if door.unit is None or seen.log != door.unit.log.log:
        return None
    end = door.unit.log.end
    return None if (end.seq, end.hash) == (seen.seq, seen.hash) else f"log ends at {end.seq}, seen {seen.seq}"


def lease_kept(world: World, door: SimulatedDoor, seen: Seen) -> str | None:
    """The relay is never on longer than the release the policy allows plus one lease, unless the door is attended."""
    new, seen.pulses = door.lock.pulses[seen.pulses :], len(door.lock.pulses)
    limit_ms = int(LEASE_MAX_S * 1000) + 5_000
    too_long = [pulse for pulse in new if pulse.off_ms - pulse.on_ms > limit_ms]
    if not too_long or seen.attended_until_ms >= too_long[0].on_ms:
        return None
    return f"relay on for {too_long[0].off_ms - too_long[0].on_ms} ms"


def receipts_not_ahead(world: World, door: SimulatedDoor, seen: Seen) -> str | None:
    """A door never believes the hub to hold more than it wrote."""
    if door.unit is None:
        return None
    log = door.unit.log
    return f"receipt for {log.acknowledged.seq} of {log.end.seq}" if log.acknowledged.seq > log.end.seq else None


def numbers_never_down(world: World, door: SimulatedDoor, seen: Seen) -> str | None:
    """Statement numbers and receipt numbers at a door only rise, through every restart and power cut."""
    if door.unit is None:
        return None
    version = door.unit.floors.list_version
    if version < seen.list_version:
        return f"list {version} after {seen.list_version}"
    seen.list_version = version
    return None


def tries_not_refilled(world: World, door: SimulatedDoor, seen: Seen) -> str | None:
    """A reboot or a power cut gives no PIN try back."""
    if door.performer is None:
        return None
    left = door.performer.door.tries_left(door.performer.now())
    before, life = seen.tries, seen.life
    seen.tries, seen.life = left, door.life
    gained = before is not None and life != door.life and left > before
    return f"{left} tries after a restart, {before} before" if gained and not seen.doubtful else None


def hub_copy_is_prefix(world: World, door: SimulatedDoor, seen: Seen) -> str | None:
    """What the hub holds of a log is that log from its first record on, each record once."""
    if door.unit is None:
        return None
    log = door.unit.log.log
    if log in seen.doubtful:
        return None
    held = world.hub.store.logs.get((door.id, log), [])
    checked = seen.compared.get(log, 0)
    for seq in range(min(checked, len(held)) + 1, len(held) + 1):
        if seen.data.get((log, seq)) != held[seq - 1][1]:
            return f"the hub's record {seq} is not the door's"
    seen.compared[log] = len(held)
    return None


def bounded(world: World, door: SimulatedDoor, seen: Seen) -> str | None:
    """Disk and memory of a unit stay bounded: two lists at most, a thousand records held."""
    if door.disk.list_count > 2:
        return f"{door.disk.list_count} lists on the card"
    if door.unit is not None and door.unit.log.held > HELD_RECORDS:
        return f"{door.unit.log.held} records held"
    return None


INVARIANTS: tuple[Invariant, ...] = (
    gapless_and_chained,
    lease_kept,
    receipts_not_ahead,
    numbers_never_down,
    tries_not_refilled,
    hub_copy_is_prefix,
    bounded,
)


def no_release_without_record(world: World, door: SimulatedDoor, seen: Seen) -> str | None:
    """The relay is driven only right after the record of the grant, or while the door is attended."""
    if door.attended:
        return None
    last = seen.last
    if last is None or last.kind not in {"granted", "in"} or seen.last_ms != world.now_ms:
        return f"relay driven after {last.kind if last else 'nothing'}"
    return None


def grant_in_window(world: World, door: SimulatedDoor, now: Now, grant: str) -> str | None:
    """A grant is given only inside a window of the newest valid statement the door has, by the clock it trusts."""
    assert door.performer is not None
    installed = door.performer.door.installed
    if installed is None:
        return "granted without a list"
    now_s = now.utc_s
    listed = installed.grants.get(grant)
    if listed is None:
        shown = world.passes.get(grant)
        if shown is None:
            return f"{grant} is in no list and on no pass"
        if shown.number <= installed.list.version:
            return "a pass older than the list stood alone"
        return None if shown.start_s <= now_s < shown.until_s else "a pass opened outside its window"
    if not now.trusted or now_s < installed.list.issued - 120:
        return None if listed.offline_ok else "granted without a trusted clock"
    inside = any(start <= now_s < end for start, end in listed.windows)
    return None if inside else f"granted at {now_s} outside {listed.windows}"


def one_renter_a_room(world: World, door: SimulatedDoor, now: Now, grant: str) -> str | None:
    """Two renters never both open one room, at doors that hold the hub's newest list and tell the right time."""
    known = world.hub.store.doors[door.id]
    assert door.performer is not None
    installed = door.performer.door.installed
    if installed is None or known.issued is None or installed.list.version != known.version:
        return None
    listed = installed.grants.get(grant)
    if listed is None or listed.kind != "renter" or door.id in world.entrances:
        return None
    now_s = now.utc_s
    rivals = [
        other.id
        for other in installed.list.grants
        if other.kind == "renter" and other.active and other.id != grant
        and any(start <= now_s < end for start, end in other.windows)
    ]  # fmt: skip
    return f"{grant} and {rivals[0]} may both open" if rivals else None


def no_pin_in(pins: set[bytes], payload: bytes) -> str | None:
    """No PIN is in any byte that is written or sent."""
    return None if pins.isdisjoint(LOOKS_LIKE_PIN.findall(payload)) else "a PIN in clear"


def follows(seen: Seen, event: Event, data: bytes) -> str | None:
    """Each record follows the one before."""
    if event.log != seen.log:
        seen.log, seen.seq, seen.hash = event.log, 0, GENESIS
    if event.seq != seen.seq + 1:
        return f"record {event.seq} after {seen.seq}"
    seen.seq, seen.hash = event.seq, chain(seen.hash, data)
    seen.data[event.log, event.seq] = data
    return None
