"""A month of a town: real hub, real doors, bookings by every way there is, everything that breaks; without a person.

    report = TownWorld(folder, seed=7, rooms=20, days=30, bookings=1500).run()
    assert report.right, report

Nobody stands before a closed door, nobody enters who may not (unless the hub told so in time: `delivery` queued,
`live_until`), every record of every door reaches the hub, and what staff are told needs them was broken on purpose
(R002-14, R002-33). Breaks: broker away, cables cut, hub ended and started, units without power, agents restarted.
"""

from __future__ import annotations

import heapq
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from time import monotonic
from typing import Any

from controller.eventlog import EventLog
from controller.formats.event import Event
from controller.formats.jwk import make_key
from simulator.simulated_broker import SimulatedBroker
from simulator.simulated_disk import Fuse, SimulatedDisk
from simulator.simulated_door import SimulatedDoor
from simulator.town_calendar import DAY_S, HOUR_S, MINUTE_S, Plan, Stay
from simulator.town_desk import Desk
from simulator.town_hub import TownHub
from sync.hub.doors import readiness

START_S = 1_793_487_600  # 2026-11-01T00:00+01:00, a Sunday a week after the clocks went back
MARGIN_S = 900
HUB_TURN_S = 600
SOON_MS = 2_000
HEALED_S = 3 * HOUR_S
"""What missed its list reports it again within this after the mending: the idle loop of a door sleeps for two hours
here, instead of a second."""
SETTLE_S = 2 * HOUR_S
ROUNDS, ROUND_S = 4, 120
"""Somebody whom neither code lets in tries again, this often and after so many seconds."""


@dataclass
class TownReport:
    """Counts of a run. `right` says whether nobody was needed."""

    seed: int
    days: int
    rooms: int
    bookings: int
    calls: Counter[str] = field(default_factory=Counter)
    broken: Counter[str] = field(default_factory=Counter)
    visits: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    exceptions: int = 0
    unexplained: list[str] = field(default_factory=list)
    records: int = 0
    stored: int = 0
    seconds: float = 0.0

    @property
    def operator_calls(self) -> int:
        """How often somebody stood before a closed door and would have called."""
        return self.visits["shut"]

    @property
    def right(self) -> bool:
        """Whether the month went by without anybody."""
        return not (self.operator_calls or self.wrong or self.unexplained or self.records != self.stored)

    def as_json(self) -> dict[str, Any]:
        """Plain and sorted."""
        plain = {name: getattr(self, name) for name in self.__dataclass_fields__}
        counted = {name: dict(sorted(value.items())) for name, value in plain.items() if isinstance(value, Counter)}
        return {**plain, **counted, "operator_calls": self.operator_calls, "right": self.right}


class TownWorld:
    """One seeded town in `folder`."""

    def __init__(self, folder: Path, seed: int, rooms: int = 20, days: int = 30, bookings: int = 1500) -> None:
        self.report = TownReport(seed, days, rooms, bookings)
        self.now_ms = START_S * 1000
        self.chance = _chance(seed, "visits")
        self._chance = _chance(seed, "world")
        self._queue: list[tuple[int, int, Callable[[], None]]] = []
        self._order = 0
        self._end_s = START_S + days * DAY_S
        self._faulty: dict[str, int] = {}  # door (or "" for all) to the second until which it may be late
        self._seen_late: set[tuple[str, str]] = set()
        self.layout = _Layout(rooms)
        self.broker = SimulatedBroker(self._later, _chance(seed, "broker"), self._to_hub, misbehaves=0.02)
        self.hub = TownHub(folder, self.layout.toml(), self.broker, lambda: self.now_s, _chance(seed, "hub"))
        self.doors = {door: self._build(door, _chance(seed, door)) for door in self.layout.doors}
        self.plan = Plan(_chance(seed, "plan"), self.layout.rivals, START_S, days, bookings)
        self.desk = Desk(self)
        self.stays: dict[str, Stay] = {}  # by grant

    @property
    def now_s(self) -> int:
        """The time, UTC seconds."""
        return self.now_ms // 1000

    def at(self, second: int, call: Callable[[], None]) -> None:
        """Do something at a time (not before now)."""
        self._later(max(0, second * 1000 - self.now_ms), call)

    def run(self) -> TownReport:
        """Live through all of it."""
        began = monotonic()
        for door in self.doors.values():
            door.power_on()
        for stay in self.plan.stays:
            self.desk.plan(stay)
        self._break_things()
        self._hub_turn()
        while self._queue and self._queue[0][0] <= (self._end_s + SETTLE_S) * 1000:
            self.now_ms, _, call = heapq.heappop(self._queue)
            call()
        self.report.stored = self.hub.stored()
        self.report.seconds = round(monotonic() - began, 1)
        self.hub.stop()
        return self.report

    # ---- what is seen

    def visited(self, stay: Stay) -> None:
        """The holder of a stay comes for one of its times."""
        room = self.layout.ways[stay.rooms[0]]
        _Visit(self, stay, [self.doors[door] for door in room]).begin()

    def _appended(self, door: str, events: list[Event], grants: list[str | None], _log: EventLog) -> None:
        self.report.records += len(events)
        for event, grant in zip(events, grants, strict=True):
            if event.kind == "granted" and grant is not None:
                self._judge(door, grant)

    def _judge(self, door: str, grant: str) -> None:
        """Somebody was let in: may they, by what the town knows?"""
        stay = self.stays.get(grant)
        if stay is None:
            self.report.wrong.append(f"{door} let in {grant}, of which nobody knows")
            return
        near = any(start - MARGIN_S <= self.now_s < until + MARGIN_S for start, until in stay.booked)
        if stay.state == "active" and near and self._alone(door, stay):
            return
        if self.hub.up:
            delivered = self.hub.service.get("booking", stay.ref, self.now_s).delivered.get(door)
            if delivered is not None and delivered.status == "queued" and delivered.live_until is not None:
                self.report.visits["entered, and the hub had told that they still could"] += 1
                return
        self.report.wrong.append(f"{door} let in {stay.ref} ({stay.state}) at {self.now_s}")

    def _alone(self, door: str, stay: Stay) -> bool:
        """Whether no other party has booked this very moment behind a door of the room."""
        room = stay.rooms[0]
        if door in self.layout.entrances:
            return True
        space = {room, *self.layout.rivals[room]}
        return not any(
            other is not stay and other.state == "active" and other.rooms[0] in space and start <= self.now_s < until
            for other in self.stays.values()
            for start, until in other.booked
        )

    # ---- what breaks

    def _break_things(self) -> None:
        doors = list(self.doors)
        for day in range(self.report.days):
            noon = START_S + day * DAY_S
            for kind, a_day, longest_s in (("broker", 0.3, 3 * HOUR_S), ("hub", 0.7, HOUR_S)):
                if self._chance.random() < a_day:
                    self.at(noon + self._within(DAY_S), partial(self._break, kind, "", self._within(longest_s) + 60))
            for door in doors:
                for kind, a_day, longest_s in (("cable", 0.06, 30 * HOUR_S), ("power", 0.05, 240), ("agent", 0.05, 5)):
                    if self._chance.random() < a_day:
                        self.at(
                            noon + self._within(DAY_S), partial(self._break, kind, door, self._within(longest_s) + 5)
                        )

    def _break(self, kind: str, door: str, for_s: int) -> None:
        self.report.broken[kind] += 1
        over = min(self.now_s + for_s, self._end_s)
        self._faulty[door] = max(self._faulty.get(door, 0), over + HEALED_S)
        match kind:
            case "broker" if self.broker.up:
                self.broker.stop()
                self.at(over, self.broker.start)
            case "hub" if self.hub.up:
                self.hub.stop()
                self.broker.hub_up = False
                self.at(over, self._start_hub)
            case "cable" if door not in self.broker.cut:
                self.broker.cut_cable(door)
                self.at(over, partial(self.broker.mend_cable, door))
            case "power":
                self.doors[door].power_off()
                self.at(over, self.doors[door].power_on)
            case "agent":
                self.doors[door].restart_agent()

    def _start_hub(self) -> None:
        self.hub.start()
        self.broker.hub_returns()

    # ---- the parts

    def _hub_turn(self) -> None:
        if self.hub.up:
            self.hub.service.due(self.now_s)
            for each in self.hub.service.bench.look(lambda session: readiness.late(session, self.now_s)):
                if (each.reservation, each.door) not in self._seen_late:
                    self._seen_late.add((each.reservation, each.door))
                    self._explain(each.reservation, each.door)
        self.at(self.now_s + HUB_TURN_S, self._hub_turn)

    def _explain(self, ref: str, door: str) -> None:
        self.report.exceptions += 1
        if max(self._faulty.get(door, 0), self._faulty.get("", 0)) < self.now_s:
            self.report.unexplained.append(f"{ref} is not at {door}, which nothing keeps from it")

    def _build(self, door: str, chance: random.Random) -> SimulatedDoor:
        disk = SimulatedDisk(Fuse(), make_key(), chance.randbytes)
        disk.trust = self.hub.trust()
        self.hub.enrol(door, disk.event_key(), disk.decrypt_key().encrypt_key)
        disk.appended = partial(self._appended, door)
        return _Door(door, disk, self.broker, lambda: self.now_ms, self._later, chance)

    def _later(self, delay_ms: int, call: Callable[[], None]) -> None:
        self._order += 1
        heapq.heappush(self._queue, (self.now_ms + delay_ms, self._order, call))

    def _to_hub(self, topic: str, payload: bytes) -> None:
        if self.hub.up:
            self.hub.receive(topic, payload)

    def _within(self, below: int) -> int:
        return int(self._chance.random() * below)


def _chance(seed: int, name: str) -> random.Random:
    return random.Random(f"{seed}/{name}")  # noqa: S311 - chance that must repeat, not secrets


class _Door(SimulatedDoor):
    """A door that looks around a little after it got a message, as one whose loop turns every second does."""

    def broker_message(self, topic: str, payload: bytes) -> None:
        super().broker_message(topic, payload)
        self._later(SOON_MS, lambda: None)


class _Layout:
    """Buildings of seven rooms with an entrance each; the first two rooms are also let together, as one hall."""

    def __init__(self, rooms: int) -> None:
        self.ways: dict[str, tuple[str, ...]] = {}
        self.rivals: dict[str, tuple[str, ...]] = {}
        names = [f"room-{number}" for number in range(1, rooms + 1)]
        for number, name in enumerate(names):
            self.ways[name], self.rivals[name] = (f"entrance-{number // 7}", f"door-{number + 1}"), ()
        if rooms > 2:
            one, two, hall = names[0], names[1], names[-1]
            self.ways[hall] = (*self.ways[one], self.ways[two][-1])
            self.rivals |= {hall: (one, two), one: (hall,), two: (hall,)}
        self.doors = sorted({door for ways in self.ways.values() for door in ways})
        self.entrances = {door for door in self.doors if door.startswith("entrance")}

    def toml(self) -> str:
        """The same as a `town.toml`."""
        lines = [
            '[services.town]\nname = "Stad"\n[clients.booking]\nservice = "town"\n[commissioning]\nrequired = false',
            "[pin_sets.town]\nlive = 172",
        ]
        lines += [
            f'[buildings.{name.replace("entrance", "building")}]\nentrances = ["{name}"]' for name in self.entrances
        ]
        for room, ways in self.ways.items():
            building = ways[0].replace("entrance", "building")
            own = 'parts = ["room-1", "room-2"]' if len(ways) > 2 else f'doors = ["{ways[1]}"]'
            lines.append(f'[rooms.{room}]\nservice = "town"\nbuilding = "{building}"\n{own}')
        return "\n".join(lines)


class _Visit:
    """One renter on the way in: door by door, with one code and then the other, a few times."""

    def __init__(self, world: TownWorld, stay: Stay, ways: list[SimulatedDoor]) -> None:
        self._world = world
        self._stay = stay
        self._ways = ways
        self._rounds = 0
        self._codes: list[tuple[str, str]] = []

    def begin(self) -> None:
        """Stand before the next door, or be inside."""
        self._rounds = 0
        self._next_round()

    def _next_round(self) -> None:
        stay = self._stay
        self._codes = [("pin", each) for each in stay.pins[-1:]] + [("qr", each) for each in stay.qrs[-1:]]
        if self._world.chance.random() < 0.4:
            self._codes.reverse()
        self._present()

    def _present(self) -> None:
        door, world = self._ways[0], self._world
        if door.leaf_open:  # somebody is just walking through
            world.at(world.now_s + 10, self._present)
            return
        how, code = self._codes[0]
        if how == "qr":
            door.show_qr(code)
        else:
            for place, key in enumerate(code + "#"):
                world._later(400 * (place + 1), partial(door.press, key))
        world.at(world.now_s + (2 if how == "qr" else 5), partial(self._push, how))

    def _push(self, how: str) -> None:
        door, world = self._ways[0], self._world
        if door.lock.released and not door.leaf_open:
            world.report.visits[f"opened by {how}"] += 1
            door.open_leaf()
            world.at(world.now_s + 4, door.close_leaf)
            self._ways = self._ways[1:]
            if self._ways:
                world.at(world.now_s + 15, self.begin)
            else:
                world.report.visits["inside"] += 1
                world.at(world.now_s + 20 * MINUTE_S, partial(self._leave, door))
            return
        self._codes = self._codes[1:]
        if self._codes:
            world.at(world.now_s + 4, self._present)
            return
        self._rounds += 1
        if self._stay.state != "active":
            world.report.visits["turned away, for it was called off"] += 1
        elif self._rounds < ROUNDS:
            world.report.visits["waited a moment"] += 1
            world.at(world.now_s + ROUND_S, self._next_round)
        else:
            world.report.visits["shut"] += 1
            world.report.wrong.append(f"{self._stay.ref} stands before {door.id} at {world.now_s}")

    def _leave(self, door: SimulatedDoor) -> None:
        door.exit_button()
        self._world.at(self._world.now_s + 2, door.open_leaf)
        self._world.at(self._world.now_s + 6, door.close_leaf)
