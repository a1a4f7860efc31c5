"""A town's doors for days or years, in seconds, from one seed.

Production door, clock, log, link, issuer and collector on virtual time, with simulated card, broker, hardware, people
and weather. Every invariant is checked after every step; the same seed gives the same world on any machine.

    report = World(seed=7, doors=2, severity=1.0).run(days=30)
    report.hash, report.events, report.verdicts, report.faults
"""

from __future__ import annotations

import hashlib
import random
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from heapq import heappop, heappush
from typing import Any, Protocol

from cryptography.hazmat.primitives.asymmetric import ed25519

from controller.draft import Draft
from controller.eventlog import EventLog
from controller.formats import code_list
from controller.formats.code_list import PinKdf, Policy
from controller.formats.encoding import b64, canonical
from controller.formats.event import Event, parse_batch, parse_event
from controller.formats.jwk import SigningKey, load_private
from simulator import invariants, list_invariants
from simulator.cheap_crypto import cheap_crypto
from simulator.hub_store import HubDoor
from simulator.invariants import Broken
from simulator.people import DAY_MS, People
from simulator.seen import Seen
from simulator.simulated_broker import SimulatedBroker
from simulator.simulated_disk import Fuse, SimulatedDisk
from simulator.simulated_door import SimulatedDoor
from simulator.simulated_hub import SimulatedHub
from simulator.weather import Weather
from sync.hub.booking.windows import RoomWays

START_MS = 1_798_700_400_000  # 2026-12-31T07:00:00Z, a Thursday before a year's end
MARGIN_S = 900
HUB_TURN_MS = 600_000
LOOK_AT_STEPS = 500
LATELY_MS = 600_000
AFTER_A_STEP = (*invariants.INVARIANTS, list_invariants.list_is_published, list_invariants.list_survives)
EVERY_TEN_MINUTES = (
    invariants.good_clock_is_believed,
    invariants.wrong_hub_clock_passes,
    invariants.linked_clock_is_right,
    invariants.comes_back,
    list_invariants.list_arrives,
    invariants.records_arrive,
)


class Watch(Protocol):
    """Somebody who looks on."""

    def record(self, ms: int, door: str, event: Event, grant: str | None) -> None:
        """A record was written at world time `ms`."""

    def look(self, world: World) -> None:
        """A moment, every ten minutes, to look at whatever is of interest."""


class Nobody:
    """Does not look."""

    def record(self, ms: int, door: str, event: Event, grant: str | None) -> None:
        """Not seen."""

    def look(self, world: World) -> None:
        """Not looked at."""


@dataclass
class Report:
    """What happened: counts, and the hash of all payloads in the order they came about."""

    seed: int
    days: float
    doors: int
    events: Counter[str] = field(default_factory=Counter)
    verdicts: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    weather: Counter[str] = field(default_factory=Counter)
    steps: int = 0
    hash: str = ""

    def as_json(self) -> dict[str, Any]:
        """Counters as plain sorted objects."""
        plain = {name: getattr(self, name) for name in self.__dataclass_fields__}
        return {
            name: dict(sorted(value.items())) if isinstance(value, dict) else value for name, value in plain.items()
        }


class World:
    """One seeded world. `severity` is how much goes wrong (0: nothing); `populated` false leaves people and weather to
    somebody else; `watch` looks on."""

    @cheap_crypto()
    def __init__(
        self, seed: int, doors: int = 1, severity: float = 1.0, *, populated: bool = True, watch: Watch | None = None
    ) -> None:
        self.report = Report(seed, 0, doors)
        self.now_ms = START_MS
        self.doors: dict[str, SimulatedDoor] = {}
        self.seen: dict[str, Seen] = {}
        self.published: dict[str, set[str]] = defaultdict(set)  # hashes of the lists the hub made, by door
        self.margin_s = MARGIN_S
        self._watch: Watch = watch or Nobody()
        self._seed = seed
        self._queue: list[tuple[int, int, Callable[[], None]]] = []
        self._order = 0
        self._touched: dict[str, SimulatedDoor] = {}  # doors that wrote something in this step
        self._lately_over_ms = 0
        self._steps_before = 0
        self._hub_off_ms = 0
        self._hub_wrong_since_ms = 0
        self.hub_clock_wrong = (0, 0)  # for how long it was wrong, and since when it is right
        self._digest = hashlib.sha256()
        self._keys = self._chance("keys")
        rooms, self.entrances = lay_out(doors)
        self.broker = SimulatedBroker(
            self._later, self._chance("broker"), self._to_hub, misbehaves=0.05 if severity else 0.0, seen=self._on_wire
        )
        self.hub = SimulatedHub(rooms, self.broker.publish_from_hub, self._hub_ms, self._chance("hub"), self._make_key)
        self.hub.witness = self._hub_said
        for door in dict.fromkeys(door for ways in rooms for door in (*ways.doors, *ways.entrances)):
            self._build(door)
        at = self.at
        self.people = People(self.hub, self.doors, self._chance("people"), at, lambda: self.now_ms, MARGIN_S)
        self.weather = Weather(
            self.hub, self.broker, self.doors, self._chance("weather"), at, lambda: self.now_ms, self.set_hub_clock,
            severity,
        )  # fmt: skip
        for unit in self.doors.values():
            unit.power_on()
        self._hub_turn()
        if populated:
            self._plan_day()

    # ---- running

    def at(self, ms: int, call: Callable[[], None]) -> None:
        """Do something at a world time (not before now)."""
        self._order += 1
        heappush(self._queue, (ms if ms > self.now_ms else self.now_ms, self._order, call))

    @cheap_crypto()
    def run(self, days: float) -> Report:
        """Run on for so many days. Raises Broken."""
        end_ms = self.now_ms + int(days * DAY_MS)
        self.report.days += days
        queue, report = self._queue, self.report
        while queue and queue[0][0] <= end_ms:
            self.now_ms, _, call = heappop(queue)
            if self.now_ms >= self._lately_over_ms:
                self._lately_over_ms = (self.now_ms // LATELY_MS + 1) * LATELY_MS
                self._steps_before = report.steps
            report.steps += 1
            if report.steps % LOOK_AT_STEPS == 0:
                self._must("rests", invariants.rests(self))
            call()
            if self._touched:
                self._check_touched()
        self.now_ms = end_ms
        for door in self.doors.values():
            self._must("no_pin_in", invariants.no_pin_in(self.hub.pins, door.disk.everything()))
        self.report.hash = self._digest.hexdigest()
        self.report.weather = Counter(self.weather.counts)
        return self.report

    @property
    def steps_lately(self) -> int:
        """How many steps the present ten minutes took so far."""
        return self.report.steps - self._steps_before

    @property
    def hub_clock_off_ms(self) -> int:
        """How wrong the hub's clock is now."""
        return self._hub_off_ms

    def set_hub_clock(self, off_ms: int) -> None:
        """Make the hub's clock wrong by so much, or right again (0)."""
        if off_ms and not self._hub_off_ms:
            self._hub_wrong_since_ms = self.now_ms
        elif self._hub_off_ms and not off_ms:
            self.hub_clock_wrong = (self.now_ms - self._hub_wrong_since_ms, self.now_ms)
        self._hub_off_ms = off_ms

    def _check_touched(self) -> None:
        """After every step, everything must be true at the doors where something happened."""
        touched, self._touched = self._touched, {}
        for door in touched.values():
            self._check(door, AFTER_A_STEP)

    def _check(self, door: SimulatedDoor, those: tuple[invariants.Invariant, ...]) -> None:
        seen = self.seen[door.id]
        seen.now = None if door.performer is None else door.performer.now()
        for invariant in those:
            broken = invariant(self, door, seen)
            if broken is not None:
                raise Broken(invariant.__name__, broken)

    def _must(self, invariant: str, broken: str | None) -> None:
        if broken is not None:
            raise Broken(invariant, broken)

    # ---- what is seen

    def _appended(self, door: SimulatedDoor, events: list[Event], grants: list[str | None], log: EventLog) -> None:
        seen = self.seen[door.id]
        for event, grant in zip(events, grants, strict=True):
            data = canonical(event)
            self._must("gapless_and_chained", invariants.follows(seen, event, data))
            self._must("nobody_twice", invariants.nobody_twice(seen, event))
            seen.heard(event, grant, self.now_ms)
            self._digest.update(data)
            self._count(event)
            self._watch.record(self.now_ms, door.id, event, grant)
            seen.last, seen.last_ms = event, self.now_ms
        seen.durable = log.end.seq - log.held
        self._touched[door.id] = door

    def _decided(self, door: SimulatedDoor, draft: Draft) -> None:
        """Somebody known was let in or refused: by the witness's own reckoning, rightly so?"""
        assert draft.grant is not None
        now = door.performer.now() if door.performer else None
        if now is not None:
            self._must("verdict_follows_list", invariants.verdict_follows_list(self, door, now, draft))
            self._must("threat_is_told", invariants.threat_is_told(draft))
        if now is not None and draft.kind == "granted":
            self._must("one_renter_a_room", invariants.one_renter_a_room(self, door, now, draft.grant))

    def _log_opened(self, door: SimulatedDoor, log: EventLog) -> None:
        """A controller came up: what was durable must be there; what was not may be gone, or have made it."""
        seen = self.seen[door.id]
        if log.log != seen.log:
            return
        self._must("durable", invariants.durable(seen, log.end.seq, door.disk.lied))
        if log.end.seq < seen.seq:
            seen.doubtful.add(log.log)
            seen.seq, seen.hash, seen.durable, seen.tries = log.end.seq, log.end.hash, log.end.seq, None
        while (batch := log.batch(seen.seq, door.disk.event_key())) is not None:
            for record in parse_batch(batch[1]).records:
                event = parse_event(bytes(record.event))
                self._must("gapless_and_chained", invariants.follows(seen, event, bytes(record.event)))
                self._digest.update(bytes(record.event))
                self._count(event)
                seen.tries = None  # the power went right after this record, which carried the tries of that moment

    def _count(self, event: Event) -> None:
        report = self.report
        report.events[event.kind] += 1
        if event.kind == "granted":
            report.verdicts["granted"] += 1
        elif event.kind == "refused":
            report.verdicts[str(event.reason)] += int(event.detail.get("count") or 1)
        elif event.kind == "fault_raised":
            report.faults[str(event.reason)] += 1

    def _hub_said(self, kind: str, payload: bytes) -> None:
        self._digest.update(payload)
        if kind == "list":
            made = code_list.parse(payload)
            self.published[made.door].add(code_list.payload_hash(payload))
            self._must("booked_is_listed", list_invariants.booked_is_listed(self, made))

    def _on_wire(self, topic: str, payload: bytes) -> None:
        self._must("no_pin_in", invariants.no_pin_in(self.hub.pins, payload))

    # ---- the parts

    def _build(self, door: str) -> None:
        key = self._make_key()
        chance = self._chance(f"{door}/entropy")
        disk = SimulatedDisk(Fuse(), key, chance.randbytes)
        group = "entrances" if door in self.entrances else door
        self.hub.group_keys.setdefault(group, self._keys.randbytes(32))
        kdf = PinKdf(salt=b64(self._keys.randbytes(16)))
        self.hub.store.doors[door] = HubDoor(door, key.verify_key, kdf, Policy(), group, disk.decrypt_key().encrypt_key)
        disk.trust = self.hub.trust()
        unit = SimulatedDoor(door, disk, self.broker, lambda: self.now_ms, self._later, self._chance(f"{door}/door"))
        self.doors[door], self.seen[door] = unit, Seen()
        disk.decided = lambda draft: self._decided(unit, draft)
        disk.appended = lambda events, grants, log: self._appended(unit, events, grants, log)
        disk.opened = lambda log: self._log_opened(unit, log)
        unit.opened = lambda: self._must("opening_recorded", invariants.opening_recorded(self, unit, self.seen[door]))
        unit.lock.driven = lambda: self._must(
            "no_release_without_record", invariants.no_release_without_record(self, unit, self.seen[door])
        )

    def _plan_day(self) -> None:
        self.people.plan_day(self.now_ms)
        self.weather.plan_day(self.now_ms)
        self.at(self.now_ms + DAY_MS, self._plan_day)

    def _hub_turn(self) -> None:
        if self.hub.up:
            self.hub.due()
        self._watch.look(self)
        for door in self.doors.values():
            self._check(door, EVERY_TEN_MINUTES)
        self.at(self.now_ms + HUB_TURN_MS, self._hub_turn)

    def _to_hub(self, topic: str, payload: bytes) -> None:
        self.hub.receive(topic, payload)

    def _hub_ms(self) -> int:
        return max(0, self.now_ms + self._hub_off_ms)

    def _later(self, delay_ms: int, call: Callable[[], None]) -> None:
        self.at(self.now_ms + delay_ms, call)

    def _chance(self, name: str) -> random.Random:
        """A source of chance of its own for each part, so that a change in one leaves the others' draws alone."""
        return random.Random(f"{self._seed}/{name}")  # noqa: S311 - chance that must repeat, not secrets

    def _make_key(self) -> SigningKey:
        private = ed25519.Ed25519PrivateKey.from_private_bytes(self._keys.randbytes(32))
        public = b64(private.public_key().public_bytes_raw())
        return load_private({"kty": "OKP", "crv": "Ed25519", "x": public, "d": b64(private.private_bytes_raw())})


def lay_out(doors: int) -> tuple[tuple[RoomWays, ...], frozenset[str]]:
    """Rooms with a door each; from three doors on the last one is the entrance of them all."""
    names = [f"door-{number}" for number in range(1, doors + 1)]
    entrances = tuple(names[2:][-1:])
    rooms = tuple(
        RoomWays(f"room-{number}", MARGIN_S, MARGIN_S, (name,), entrances)
        for number, name in enumerate(names, 1)
        if name not in entrances
    )
    return rooms, frozenset(entrances)
