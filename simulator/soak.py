"""The soak: a door unit and a hub as the demo starts them, under a month of traffic pressed into an hour.

    soak = Soak(demo, minutes=60)
    for sample in soak.run(): ...              # after each visit
    soak.series()                              # what was watched, for `flatness.judge_all`

Half an hour is half a month. A day has twelve visits (a reservation through the API, its list at the door, PIN and QR
in turn, in, exit button, out), a code that no longer opens, a cut cable, and ten bookings of the coming weeks that are
replaced by others; every sixth day somebody types a wrong PIN. Everything is a real process: broker, hub, controller,
camera, agent and screen; the virtual hardware is not judged.

What is watched: the memory each process holds of its own (shared libraries left out), its descriptors and threads; the
bytes of the door's, the hub's and the broker's folders; and four latencies: the API's answer, the call until the door
applied the list, the last key and the picture until the relay. One PIN derivation of our own after each visit tells how
busy the machine was.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from io import BytesIO
from time import monotonic, sleep, time
from typing import Any, Final

import segno

from controller.formats.code_list import PinKdf
from controller.formats.encoding import b64
from controller.formats.pin import derive
from simulator.demo import Demo
from simulator.demo_files import ROOM
from simulator.flatness import Rule, Series
from simulator.hub_client import applied, booking, code
from simulator.resources import bytes_in, descriptors_of, own_memory_of, threads_of

VISITS_A_DAY: Final = 12
VISIT_EVERY_S: Final = 10.0
"""An hour has 360 of them: thirty days."""
AHEAD: Final = 200
REPLACED_A_DAY: Final = 10
WRONG_PIN_EVERY_DAYS: Final = 6
CUT_S: Final = 2.0
SOON_S: Final = 30.0
LEAN_S: Final = 10.0
HOUR_S, DAY_S = 3_600, 86_400
YARDSTICK: Final = PinKdf(salt=b64(bytes(16)))
WATCHED: Final = ("broker", "hub", "controller", "camera", "agent", "display")

Json = dict[str, Any]


@dataclass(frozen=True)
class Sample:
    """How everything was after one visit. `values` is by the series' name."""

    minute: float
    visits: int
    days: float
    values: dict[str, float]


class Soak:
    """Runs on a demo that has started. Raises what the demo raises when a process dies or nothing happens in time."""

    def __init__(self, demo: Demo, minutes: float) -> None:
        self.visits = max(2, round(minutes * 60 / VISIT_EVERY_S))
        self.events = 0
        self._demo = demo
        self._samples: list[Sample] = []
        self._rules: dict[str, tuple[str, Rule]] = {}
        self._standing: list[str] = []
        self._booked = 0
        self._before: Json | None = None
        self._ref = ""

    def run(self) -> Iterator[Sample]:
        """Visit after visit, each with how things were after it. On a slow machine it takes longer than asked."""
        self._book_ahead(AHEAD)
        started_s = monotonic()
        for visit in range(self.visits):
            sleep(max(0.0, started_s + visit * VISIT_EVERY_S - monotonic()))
            values = self._visit(visit)
            if visit % VISITS_A_DAY == VISITS_A_DAY - 1:
                self._end_of_day(visit // VISITS_A_DAY)
            values |= self._resources() | self._pace()
            self._demo.check()
            sample = Sample((monotonic() - started_s) / 60, visit + 1, (visit + 1) / VISITS_A_DAY, values)
            self._samples.append(sample)
            yield sample
        self._wait(lambda: self._demo.door.status().unsent == 0, "the last receipt")
        self.events = self._demo.door.status().seq

    def series(self) -> list[Series]:
        """Everything that was watched, by name."""
        found = []
        for name, (unit, rule) in sorted(self._rules.items()):
            points = [(each.minute, each.values[name]) for each in self._samples if name in each.values]
            found.append(Series(name, unit, rule, tuple(points)))
        return found

    # --- what happens

    def _visit(self, number: int) -> dict[str, float]:
        """Book, wait for the list, go in, go out. The latencies of it, in milliseconds."""
        demo, now_s = self._demo, int(time())
        if self._before is not None:
            demo.hub.put(self._ref, booking(2, "cancelled", ROOM, now_s, now_s + HOUR_S))
        self._ref = f"visit-{number}"
        started_s = monotonic()
        answer = demo.hub.put(self._ref, booking(1, "active", ROOM, now_s, now_s + HOUR_S))
        answered_s = monotonic()
        self._wait(lambda: applied(demo.hub.get(self._ref)), f"delivery of {self._ref}")
        values = {
            **self._latency("API answer", answered_s - started_s),
            **self._latency("booking to applied", monotonic() - started_s),
            **(self._by_pin(answer) if number % 2 == 0 else self._by_qr(answer)),
        }
        demo.hardware.close_leaf()
        demo.hardware.exit_button()
        demo.hardware.pull_inside()
        demo.hardware.close_leaf()
        demo.hardware.hide()
        self._before = answer
        return values

    def _by_pin(self, answer: Json) -> dict[str, float]:
        pin = code(answer, "pin")
        self._at_rest()
        self._demo.hardware.keys(f"*{pin[:-1]}")
        started_s = monotonic()
        self._demo.hardware.keys(pin[-1])
        return self._latency("last key to relay", self._gone_in() - started_s)

    def _by_qr(self, answer: Json) -> dict[str, float]:
        picture = BytesIO()
        segno.make(code(answer, "qr"), error="m").save(picture, kind="png", scale=8)
        self._at_rest()
        started_s = monotonic()
        self._demo.hardware.show(picture.getvalue())
        return self._latency("picture to relay", self._gone_in() - started_s)

    def _gone_in(self) -> float:
        """Lean on the leaf until it opens. When the relay let go, in monotonic seconds."""
        result = self._demo.hardware.push(wait_s=LEAN_S)
        if result != "opened":
            raise RuntimeError(f"the leaf is {result}, the door shows {self._demo.door.public().shown}")
        return float(self._demo.hardware.state()["pulses"][-1][0])

    def _end_of_day(self, day: int) -> None:
        """The cable is cut and mended, an old code is tried, bookings of the coming weeks change."""
        demo = self._demo
        demo.hardware.cut(silent=day % 2 == 1)
        self._at_rest()
        if self._before is not None and day % WRONG_PIN_EVERY_DAYS == 0:
            pin = code(self._before, "pin")
            demo.hardware.keys(f"*{pin[:-2]}{(int(pin[-2:]) + 37) % 100:02d}")
        sleep(CUT_S)
        demo.hardware.mend()
        for ref in self._standing[:REPLACED_A_DAY]:
            revision = demo.hub.get(ref)["revision"] + 1
            demo.hub.put(ref, booking(revision, "cancelled", ROOM, int(time()), int(time()) + HOUR_S))
        del self._standing[:REPLACED_A_DAY]
        self._book_ahead(REPLACED_A_DAY)
        self._wait(lambda: demo.door.status().linked, "the agent to come back", 90.0)
        self._wait(lambda: demo.door.status().unsent == 0, "the receipts of the day", 90.0)

    def _book_ahead(self, count: int) -> None:
        """Bookings of the coming weeks, each at an hour of its own; there are always `AHEAD` of them."""
        today = int(time()) // DAY_S * DAY_S
        for _ in range(count):
            # Ten a day from tomorrow on; a cancelled one's hour is free for the one that comes `AHEAD` later.
            place = self._booked % AHEAD
            start_s = today + (1 + place // REPLACED_A_DAY) * DAY_S + (8 + place % REPLACED_A_DAY) * HOUR_S
            ref = f"ahead-{self._booked}"
            self._demo.hub.put(ref, booking(1, "active", ROOM, start_s, start_s + HOUR_S))
            self._standing.append(ref)
            self._booked += 1

    def _at_rest(self) -> None:
        self._wait(lambda: not self._demo.hardware.state()["relay"], "the lock to be locked again")

    def _wait(self, come_true: Callable[[], bool], what: str, within_s: float = SOON_S) -> None:
        self._demo.wait_until(come_true, within_s, what)

    # --- what is seen

    def _latency(self, name: str, seconds: float) -> dict[str, float]:
        return self._seen(name, "ms", "latency", seconds * 1000)

    def _pace(self) -> dict[str, float]:
        started_s = monotonic()
        derive("482913", YARDSTICK)
        return self._seen("one derivation", "ms", "pace", (monotonic() - started_s) * 1000)

    def _resources(self) -> dict[str, float]:
        values: dict[str, float] = {}
        for name, pid in self._demo.pids().items():
            if name in WATCHED:
                values |= self._seen(f"{name} memory", "B", "memory", own_memory_of(pid))
                values |= self._seen(f"{name} descriptors", "", "count", descriptors_of(pid))
                values |= self._seen(f"{name} threads", "", "count", threads_of(pid))
        folders = self._demo.folders
        for name, folder in (("door", folders.data), ("hub", folders.hub), ("broker", folders.broker)):
            values |= self._seen(f"{name} disk", "B", "growth", bytes_in(folder))
        return values

    def _seen(self, name: str, unit: str, rule: Rule, value: float) -> dict[str, float]:
        self._rules[name] = (unit, rule)
        return {name: value}
