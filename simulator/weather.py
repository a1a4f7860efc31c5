"""What can go wrong around a door, drawn by chance: power, processes, cable, broker, hub, clocks, disk, sensors.

| fault | what happens |
|---|---|
| `power` | the power goes at one of the next effects, and comes back within minutes |
| `kill` | the controller is killed and started again; the agent likewise |
| `cable` | a door's network is cut, for minutes to days |
| `broker` | the broker is down, restarts, or restarts having forgotten everything |
| `hub` | the hub is away for a while |
| `restore` | the hub goes on from a backup some hours old |
| `ntp` | a door's NTP is gone, or tells 1970, an hour or a year off |
| `rtc` | a door's clock chip is dead or off |
| `no_clock` | the power goes, and comes back to a door without NTP, clock chip or network, for hours |
| `hub_clock` | the hub's own clock is wrong for a while |
| `disk_full` | nothing can be written, for up to an hour |
| `disk_lies` | syncs are lies until the next power cut: writes since are dropped, torn, or there without those before |
| `log_broken` | the log is unreadable after a power cut |
| `flood` | the hub publishes the same door's list over and over |
| `rotation` | the hub's list key is replaced, ten times in a row, or revoked; one offline key is, or all three |
| `chatter` | the door contact chatters |
| `intruder` | whoever owns the broker sends a door something old, another door's, or signed with an old key |
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

from simulator.hub_store import HubStore
from simulator.intruder import Intruder
from simulator.people import DAY_MS, HOUR_MS, MINUTE_MS, At
from simulator.simulated_broker import SimulatedBroker
from simulator.simulated_door import SimulatedDoor
from simulator.simulated_hub import SimulatedHub

ROTATIONS = ("root", "roots", "ten", "stolen", "list")
"""Most of the time it is the list key."""
YEAR_MS = 365 * DAY_MS
OFFSETS_MS = (HOUR_MS, -HOUR_MS, YEAR_MS, -YEAR_MS, -50 * YEAR_MS, 5 * MINUTE_MS, -5 * MINUTE_MS)


@dataclass
class Weather:
    """Faults for one world. `severity` is how many of each a door may expect in ten days; 0 is a calm world."""

    hub: SimulatedHub
    broker: SimulatedBroker
    doors: dict[str, SimulatedDoor]
    chance: random.Random
    at: At
    now_ms: Callable[[], int]
    set_hub_clock: Callable[[int], None]
    severity: float
    counts: dict[str, int] = field(default_factory=dict)
    hub_clock_touched: bool = False
    _backups: list[HubStore] = field(default_factory=list)

    def plan_day(self, midnight_ms: int) -> None:
        """Draw today's faults."""
        self._backups = [*self._backups[-1:], self.hub.backup()]
        if self.hub.ceremony.due(midnight_ms // 1000):
            self.at(midnight_ms, self.hub.rotate_list_key)
        for door in self.doors.values():
            for fault in (self.power, self.kill, self.cable, self.ntp, self.rtc, self.no_clock, self.disk_full,
                          self.disk_lies, self.log_broken, self.flood, self.chatter, self.intruder):  # fmt: skip
                self._draw(midnight_ms, partial(fault, door))
        for general in (self.broker_trouble, self.hub_away, self.hub_restored, self.hub_clock, self.rotation):
            self._draw(midnight_ms, general)

    def _draw(self, midnight_ms: int, fault: Callable[[], None]) -> None:
        if self.chance.random() < self.severity / 10:
            self.at(midnight_ms + self._between(0, DAY_MS), fault)

    # ---- one door

    def power(self, door: SimulatedDoor) -> None:
        self._note("power")
        luck = self.chance.random()
        if luck < 0.3:
            door.power_off()
            self.at(self.now_ms() + self._between(1_000, 20 * MINUTE_MS), door.power_on)
        elif luck < 0.6:
            # In the middle of taking a list: the moments that a door has fewest of.
            door.disk.fuse.light(self._between(0, 8))
            self.hub.make_again(door.id)
        else:
            door.disk.fuse.light(self._between(0, 60))

    def kill(self, door: SimulatedDoor) -> None:
        self._note("kill")
        door.restart_controller()
        if self.chance.random() < 0.5:
            door.restart_agent()

    def cable(self, door: SimulatedDoor) -> None:
        self._note("cable")
        self.broker.cut_cable(door.id)
        long = self.chance.random() < 0.15
        off_ms = self._mostly_short(HOUR_MS, 3 * DAY_MS) if long else self._between(10_000, HOUR_MS)
        self.at(self.now_ms() + off_ms, lambda: self.broker.mend_cable(door.id))

    def ntp(self, door: SimulatedDoor) -> None:
        self._note("ntp")
        door.clocks.set_ntp(None if self.chance.random() < 0.5 else self._pick_offset())
        self.at(self.now_ms() + self._mostly_short(MINUTE_MS, 8 * HOUR_MS), lambda: door.clocks.set_ntp(0))

    def no_clock(self, door: SimulatedDoor) -> None:
        self._note("no_clock")
        door.power_off()
        door.clocks.set_ntp(None)
        door.clocks.set_rtc(None)
        self.broker.cut_cable(door.id)

        def back() -> None:
            self.broker.mend_cable(door.id)
            door.clocks.set_ntp(0)
            door.clocks.set_rtc(0)

        self.at(self.now_ms() + MINUTE_MS, door.power_on)
        self.at(self.now_ms() + self._mostly_short(HOUR_MS, DAY_MS), back)

    def rtc(self, door: SimulatedDoor) -> None:
        self._note("rtc")
        door.clocks.set_rtc(None if self.chance.random() < 0.5 else self._pick_offset())
        self.at(self.now_ms() + self._between(HOUR_MS, 2 * DAY_MS), lambda: door.clocks.set_rtc(0))

    def disk_full(self, door: SimulatedDoor) -> None:
        self._note("disk_full")
        door.disk.full = True
        self.at(self.now_ms() + self._between(MINUTE_MS, HOUR_MS), lambda: setattr(door.disk, "full", False))

    def disk_lies(self, door: SimulatedDoor) -> None:
        self._note("disk_lies")
        door.disk.lie()
        self.at(self.now_ms() + self._between(MINUTE_MS, HOUR_MS), lambda: self.power(door))

    def log_broken(self, door: SimulatedDoor) -> None:
        self._note("log_broken")
        door.power_off()
        door.disk.corrupt_log = True
        self.at(self.now_ms() + 5_000, door.power_on)

    def flood(self, door: SimulatedDoor) -> None:
        self._note("flood")
        for number in range(50):
            self.at(self.now_ms() + number * 20, lambda: self.hub.send_again(door.id))

    def chatter(self, door: SimulatedDoor) -> None:
        self._note("chatter")
        for number in range(self._between(2, 20)):
            self.at(self.now_ms() + number * 40, door.close_leaf if number % 2 else door.open_leaf)
        self.at(self.now_ms() + 1_000, door.close_leaf)

    def intruder(self, door: SimulatedDoor) -> None:
        self._note("intruder")
        Intruder(self.hub, self.broker, self.chance).act(door.id)

    # ---- everybody

    def broker_trouble(self) -> None:
        self._note("broker")
        if self.chance.random() < 0.5:
            self.broker.restart(forget=self.chance.random() < 0.5)
            return
        self.broker.stop()
        self.at(self.now_ms() + self._between(10_000, 2 * HOUR_MS), self.broker.start)

    def hub_away(self) -> None:
        self._note("hub")
        self.hub.up = self.broker.hub_up = False

        def back() -> None:
            self.hub.up, self.hub.well_since_ms = True, self.now_ms()
            self.broker.hub_returns()

        self.at(self.now_ms() + self._between(10_000, 3 * HOUR_MS), back)

    def hub_restored(self) -> None:
        if self._backups:
            self._note("restore")
            self.hub.restore(self._backups[0], self.now_ms())

    def hub_clock(self) -> None:
        self._note("hub_clock")
        self.hub_clock_touched = True
        self.set_hub_clock(self._pick_offset())
        self.at(self.now_ms() + self._between(MINUTE_MS, 4 * HOUR_MS), lambda: self.set_hub_clock(0))

    def rotation(self) -> None:
        self._note("rotation")
        self.rotate(ROTATIONS[min(self._between(0, 8), len(ROTATIONS) - 1)])

    def rotate(self, what: str) -> None:
        """One of `ROTATIONS`: an offline key, all three, the list key ten times, revoked, or once."""
        match what:
            case "root":
                self.hub.rotate_roots(self.hub.ceremony.replace_root)
            case "roots":
                self.hub.rotate_roots(self.hub.ceremony.replace_all_roots)
            case "ten":
                for _ in range(10):
                    self.hub.rotate_list_key()
            case "stolen":
                self.hub.revoke_list_key()
            case "list":
                self.hub.rotate_list_key()

    # ---- chance

    def _note(self, fault: str) -> None:
        self.counts[fault] = self.counts.get(fault, 0) + 1

    def _pick_offset(self) -> int:
        return OFFSETS_MS[int(self.chance.random() * len(OFFSETS_MS))]

    def _between(self, low: int, high: int) -> int:
        return low + int(self.chance.random() * max(1, high - low))

    def _mostly_short(self, low: int, high: int) -> int:
        """As often between one and two hours as between two and four."""
        return int(low * (high / low) ** self.chance.random())
