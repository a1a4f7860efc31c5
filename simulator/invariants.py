"""What must be true at every moment of every world. Each is a function whose docstring is its sentence, which
docs/simulation.md repeats.

They look at what the witness saw and at the parts of the world themselves, never at what the code under test says of
itself where there is another way to know.
"""

from __future__ import annotations

import string
from collections.abc import Callable
from typing import TYPE_CHECKING

from controller.door_events import Now
from controller.draft import Draft
from controller.eventlog import HELD_RECORDS
from controller.formats.event import GENESIS, Event, chain
from hal.ports import LEASE_MAX_S
from simulator.judge import as_grant, expected
from simulator.seen import Seen
from simulator.simulated_door import SimulatedDoor
from simulator.simulated_hub import DURESS

if TYPE_CHECKING:
    from simulator.world import World


class Broken(Exception):
    """An invariant does not hold."""

    def __init__(self, invariant: str, text: str) -> None:
        super().__init__(f"{invariant}: {text}")
        self.invariant = invariant
        self.text = text


RIGHT_MS = 60_000
HOUR_MS = 3_600_000
# A hub that comes back answers some thousands of messages at once; two that kept asking each other took 20,000 steps.
LATELY_STEPS = 10_000
DAY_MS = 24 * HOUR_MS
# What is not part of a word becomes a space: a PIN is looked for as a word of its own, because inside a timestamp or
# base64 six digits are chance.
WORD = (string.ascii_letters + string.digits + "_-").encode()
WORDS = bytes(code if code in WORD else ord(" ") for code in range(256))

Invariant = Callable[["World", SimulatedDoor, Seen], str | None]


def gapless_and_chained(world: World, door: SimulatedDoor, seen: Seen) -> str | None:
    """A log's numbers have no gap and its hashes no break, from its first record on."""
    if door.unit is None or seen.log != door.unit.log.log:
        return None
    end = door.unit.log.end
    return None if (end.seq, end.hash) == (seen.seq, seen.hash) else f"log ends at {end.seq}, seen {seen.seq}"


def lease_kept(world: World, door: SimulatedDoor, seen: Seen) -> str | None:
    """The relay is never on longer than the release the policy allows plus one lease, unless the door is attended."""
    if seen.now is not None and door.attended_at(seen.now):
        seen.attended_until_ms = world.now_ms + DAY_MS
    new, seen.pulses = door.lock.pulses[seen.pulses :], len(door.lock.pulses)
    if not new:
        return None
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
    """Numbers of lists, trust documents and receipts at a door only rise, through every restart and power cut."""
    if door.unit is None:
        return None
    floors, log = door.unit.floors, door.unit.log
    numbers = {"list": floors.list_version, "trust": floors.trust_version}
    if log.log not in seen.doubtful:
        numbers[f"receipt in {log.log}"] = log.acknowledged.number
    for what, number in numbers.items():
        if number < seen.numbers.get(what, 0):
            return f"{what} {number} after {seen.numbers[what]}"
    seen.numbers |= numbers
    return None


def tries_not_refilled(world: World, door: SimulatedDoor, seen: Seen) -> str | None:
    """A reboot or a power cut gives no PIN try back."""
    if door.performer is None or seen.now is None:
        return None
    core = door.performer.door
    left = core.tries_left(seen.now)
    before, life = seen.tries, seen.life
    by_time = 1 + (world.now_ms - seen.tries_ms) // (core.policy.pin_refill_s * 1000)
    seen.tries, seen.tries_ms, seen.life = left, world.now_ms, door.life
    gained = before is not None and life != door.life and left > before + by_time
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


def settled(world: World, door: SimulatedDoor, seen: Seen) -> str | None:
    """Whoever was let in is recorded as gone in, or as not, within five minutes of a unit's running."""
    late = [grant for grant, since_ms in seen.awaited.items() if world.now_ms - since_ms > 5 * RIGHT_MS]
    return f"what became of {late[0]} was not recorded" if late and door.performer is not None else None


def unlocked_ends(world: World, door: SimulatedDoor, seen: Seen) -> str | None:
    """No door stays unlocked past the time it was unlocked for."""
    now = seen.now
    if door.performer is None or now is None or not door.attended_at(now):
        return None
    until_s = door.performer.door.memory.posture.until_s
    if until_s is not None and now.trusted and now.utc_s < until_s:
        return None
    return f"unlocked at {now.utc_s}, until {until_s}, clock {now.clock}"


def floor_is_past(world: World, door: SimulatedDoor, seen: Seen) -> str | None:
    """The floor is a time that has passed: two minutes ago while the clock is trusted, and what is written down never
    later than now, while the hub's clock has never been wrong."""
    now = seen.now
    if now is None or door.unit is None:
        return None
    if now.trusted and now.floor_s > max(0, now.utc_s - 120):
        return "the floor has not passed yet"
    kept_s = door.unit.clock.kept_floor_s(now.mono_ms)
    ahead = kept_s * 1000 > world.now_ms and not world.weather.hub_clock_touched
    return f"the floor that is kept is {kept_s - world.now_ms // 1000} s ahead" if ahead else None


INVARIANTS: tuple[Invariant, ...] = (
    gapless_and_chained,
    lease_kept,
    receipts_not_ahead,
    numbers_never_down,
    tries_not_refilled,
    hub_copy_is_prefix,
    bounded,
    settled,
    unlocked_ends,
    floor_is_past,
)


def no_release_without_record(world: World, door: SimulatedDoor, seen: Seen) -> str | None:
    """The relay is driven only right after the record of the grant, or while the door is attended."""
    if door.attended:
        return None
    last = seen.last
    if last is None or last.kind not in {"granted", "in"} or seen.last_ms != world.now_ms:
        return f"relay driven after {last.kind if last else 'nothing'}"
    return None


def verdict_follows_list(world: World, door: SimulatedDoor, now: Now, draft: Draft) -> str | None:
    """A verdict is what the newest valid statement at the door says at the time the door trusts, whatever the link
    does: no grant outside a window, no refusal inside one."""
    assert door.performer is not None and draft.grant is not None
    core = door.performer.door
    if core.installed is None:
        return f"{draft.kind} without a list"
    code_list = core.installed.list
    grant = core.installed.grants.get(draft.grant)
    if grant is None:
        shown = world.hub.passes.get(draft.grant)
        if shown is None or draft.credential != "pass":
            return f"{draft.grant} is in no list and on no pass"
        if shown.number <= code_list.version or now.utc_s >= code_list.valid_until or not shown.may_stand_alone:
            return "a pass stood alone that may not"
        grant = as_grant(shown)
    uses = sum(ms < world.now_ms for ms in world.seen[door.id].entries.get(draft.grant, ()))
    if draft.kind == "refused":  # those that a log which was lost has forgotten count for nobody
        uses = core.memory.uses.get(draft.grant, 0)
    right = expected(code_list, grant, now, core.posture(now).state, uses)
    given = draft.reason or "granted"
    # A code that is no staff code, tried as one, is recorded as the unknown code it is there; a staff code lets in, but
    # keeps no door unlocked until an hour that the door cannot tell.
    as_staff = given == "unknown_code" or (given == "clock_untrusted" and grant.kind != "renter" and not now.trusted)
    if given == right or (right == "granted" and as_staff):
        return None
    return f"{draft.grant}: {given} at {now.utc_s}, should be {right} {grant.windows}"


def threat_is_told(draft: Draft) -> str | None:
    """Whoever comes in with the PIN for under threat is recorded so, and nobody else is."""
    told = draft.detail.get("duress") is True
    if draft.kind == "granted" and told != (draft.credential_id == DURESS):
        return f"{draft.credential_id} was recorded {'as' if told else 'as not'} under threat"
    return None


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
    return None if pins.isdisjoint(payload.translate(WORDS).split()) else "a PIN in clear"


def follows(seen: Seen, event: Event, data: bytes) -> str | None:
    """Each record follows the one before."""
    if event.log != seen.log:
        seen.log, seen.seq, seen.hash = event.log, 0, GENESIS
        seen.entries, seen.awaited = {}, {}
    if event.seq != seen.seq + 1:
        return f"record {event.seq} after {seen.seq}"
    seen.seq, seen.hash = event.seq, chain(seen.hash, data)
    seen.data[event.log, event.seq] = data
    return None


def nobody_twice(seen: Seen, event: Event) -> str | None:
    """No two records name somebody by the same commitment, not even the same person."""
    if event.who is None or event.was is not None:
        return None
    if event.who in seen.commitments:
        return f"record {event.seq} shows who it was"
    seen.commitments.add(event.who)
    return None


def opening_recorded(world: World, door: SimulatedDoor, seen: Seen) -> str | None:
    """Leaving is never refused, and no opening of the leaf goes unrecorded while the unit runs."""
    if door.performer is None:
        return None
    recorded = seen.last is not None and seen.last_ms == world.now_ms
    return (
        None if recorded or door.unit is None or door.unit.lost_records else "the leaf opened and nothing was written"
    )


def good_clock_is_believed(world: World, door: SimulatedDoor, seen: Seen) -> str | None:
    """A linked door whose own clock is within 60 s of the hub never reports `floor`, while the hub's clock has never
    been wrong."""
    off_ms = door.clocks.ntp_off_ms
    settled = world.now_ms - door.clocks.changed_ms > 10 * RIGHT_MS
    if seen.now is None or world.weather.hub_clock_touched or not door.linked or not settled:
        return None
    right = off_ms is not None and abs(off_ms) < RIGHT_MS
    state = seen.now.clock
    return f"clock {state} with NTP {off_ms} ms off" if right and state in {"floor", "bad"} else None


def wrong_hub_clock_passes(world: World, door: SimulatedDoor, seen: Seen) -> str | None:
    """A wrong hub clock locks nobody out for longer than it is wrong: as long again and an hour after the hub is
    there and right, a linked door whose NTP is right tells the right time."""
    now = seen.now
    if now is None or not world.weather.hub_clock_touched or not door.linked:
        return None
    if world.hub_clock_off_ms or not world.hub.up:
        return None
    wrong_ms, right_since_ms = world.hub_clock_wrong
    well_since_ms = max(right_since_ms, door.clocks.changed_ms, door.linked_since_ms, world.hub.well_since_ms)
    quiet_ms = world.now_ms - well_since_ms
    if quiet_ms < wrong_ms + HOUR_MS:
        return None
    if door.clocks.ntp_off_ms != 0 or (now.trusted and abs(now.utc_ms - world.now_ms) <= 2 * RIGHT_MS):
        return None
    return f"clock {now.clock}, {(now.utc_ms - world.now_ms) // 1000} s off, {quiet_ms // 60_000} min after"


def rests(world: World) -> str | None:
    """No loop spins: ten minutes of the world never take more than 10,000 steps."""
    steps = world.steps_lately
    return f"{steps} steps in ten minutes" if steps > LATELY_STEPS else None


def linked_clock_is_right(world: World, door: SimulatedDoor, seen: Seen) -> str | None:
    """A trusted clock of a door that has been linked for half an hour is right within five minutes, while the hub's
    clock has never been wrong and none of the door's own sources was a day off lately."""
    now = seen.now
    if now is None or world.weather.hub_clock_touched or not door.linked or not world.hub.up:
        return None
    since_ms = max(door.linked_since_ms, door.started_ms, world.hub.well_since_ms)
    if world.now_ms - since_ms < HOUR_MS // 2 or door.clocks.lately_far_off:
        return None
    off_s = (now.utc_ms - world.now_ms) // 1000
    return f"trusted and {off_s} s off" if now.trusted and abs(off_s) > 300 else None


def comes_back(world: World, door: SimulatedDoor, seen: Seen) -> str | None:
    """A door whose power, cable and broker have been well for more than an hour is linked."""
    breaks = (door.agent_life, world.broker.breaks[door.id])  # also those that began and ended since the last look
    well = door.power and world.broker.up and door.id not in world.broker.cut and breaks == seen.breaks
    seen.breaks, seen.reachable_turns = breaks, seen.reachable_turns + 1 if well else 0
    return "still without a link" if seen.reachable_turns > 7 and not door.linked else None


def records_arrive(world: World, door: SimulatedDoor, seen: Seen) -> str | None:
    """What a door wrote is at the hub within three hours, when link, hub and power have been well for that long (its
    idle loop sleeps for two of them here)."""
    if door.unit is None:
        return None
    log = door.unit.log
    seen.ends.append((world.now_ms, log.log, log.end.seq))
    while len(seen.ends) > 1 and seen.ends[1][0] <= world.now_ms - 3 * HOUR_MS:
        seen.ends.popleft()
    then_ms, name, seq = seen.ends[0]
    well_since_ms = max(door.linked_since_ms, door.started_ms, world.hub.well_since_ms)
    if not door.linked or not world.hub.up or max(then_ms, well_since_ms) > world.now_ms - 3 * HOUR_MS:
        return None
    held = len(world.hub.store.logs.get((door.id, name), []))
    return f"record {seq} written three hours ago, the hub has {held}" if name == log.log and held < seq else None


def durable(seen: Seen, ends_at: int, card_lied: bool) -> str | None:
    """A record that was durable is there after every power cut, on a card that keeps its word."""
    lost = ends_at < seen.durable and not card_lied
    return f"record {seen.durable} was on disk, the log ends at {ends_at}" if lost else None


# Checked where they happen, not after every step.
ELSEWHERE: tuple[Callable[..., str | None], ...] = (
    no_release_without_record,
    verdict_follows_list,
    threat_is_told,
    one_renter_a_room,
    no_pin_in,
    follows,
    nobody_twice,
    opening_recorded,
    good_clock_is_believed,
    wrong_hub_clock_passes,
    rests,
    linked_clock_is_right,
    comes_back,
    records_arrive,
    durable,
)
