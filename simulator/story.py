"""The story: one whole path through the demo, told as lines that are true or not.

    for line in Story(demo).play():
        print(line.step, line.happened, line.ok)

A line is true when what it says was seen from outside: the relay and the leaf in the virtual hardware, the records at
the hub through its API, the door's own status. Nothing sleeps; everything is waited for, with a deadline. The first
line that is not true ends the story.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from time import monotonic, time
from typing import Any, Final

import segno

from simulator import hub_secrets, tap
from simulator.control import HardwareRefused
from simulator.demo import Demo
from simulator.demo_files import DOOR, ROOM
from simulator.hub_client import HubRefused, applied, booking, code
from simulator.overheard import code_secrets, leaks
from simulator.processes import ChildDied, NotInTime
from sync.topics import ROOT

NOW, TOMORROW = "demo-now", "demo-tomorrow"
HOUR_S: Final = 3_600
SOON_S: Final = 10.0
RECONNECT_S: Final = 40.0
"""The agent backs off after a lost connection, longer each time the session before was short."""
LEAN_S: Final = 5.0
"""How long a visitor leans on the leaf before giving up."""
QR_PX: Final = 8
CODES: Final = ("pin", "qr")

Json = dict[str, Any]


class Untrue(Exception):
    """A line of the story did not come true; the text says what was seen instead."""


@dataclass(frozen=True)
class Line:
    """One line: what was tried, what happened, whether it came true, how long it took."""

    step: str
    happened: str
    ok: bool
    seconds: float


class Story:
    """Plays on a demo that has started. `reservations` are the hub's answers, with PIN and QR, by reference."""

    def __init__(self, demo: Demo) -> None:
        self._demo = demo
        self.reservations: dict[str, Json] = {}
        self._went_in = 0

    def play(self) -> Iterator[Line]:
        """The lines, each as soon as it is known."""
        steps: tuple[tuple[str, Callable[[], str]], ...] = (
            ("A reservation is made", self._reserve),
            ("The door applies its list", self._list_applied),
            ("The PIN opens", self._pin_opens),
            ("IN is recorded at the hub", self._in_recorded),
            ("The way out is free and recorded", self._leave),
            ("The QR opens", self._qr_opens),
            ("A wrong PIN is refused", self._wrong_pin),
            ("Tomorrow's PIN is too early", self._too_early),
            ("Network cut: the PIN still opens", self._open_without_network),
            ("Network back: records arrive once", self._network_back),
            ("Controller killed and started: still opens", self._killed),
            ("Cancelled: PIN and QR are refused", self._cancelled),
            ("Who listens at the broker learns nothing", self._nothing_overheard),
        )
        for step, play in steps:
            started_s = monotonic()
            try:
                happened, ok = play(), True
            except (Untrue, NotInTime, ChildDied, HubRefused, HardwareRefused, OSError) as error:
                happened, ok = f"{type(error).__name__}: {error}", False
            yield Line(step, happened, ok, round(monotonic() - started_s, 2))
            if not ok:
                return

    # --- the lines

    def _reserve(self) -> str:
        now_s = int(time())
        for ref, start_s in ((NOW, now_s), (TOMORROW, now_s + 24 * HOUR_S)):
            body = booking(1, "active", ROOM, start_s, start_s + HOUR_S)
            self.reservations[ref] = self._demo.hub.put(ref, body)
        return f"{NOW} has PIN {self._code(NOW, 'pin')} and a QR; {TOMORROW} is for later"

    def _list_applied(self) -> str:
        for ref in self.reservations:
            self._wait(lambda ref=ref: applied(self._demo.hub.get(ref)), SOON_S, f"delivery of {ref}")  # type: ignore[misc]
        status = self._demo.door.status()
        return f"version {status.list_version} with {status.grants} grants is in force at {DOOR}"

    def _pin_opens(self) -> str:
        return self._enter(lambda: self._type(self._code(NOW, "pin")))

    def _in_recorded(self) -> str:
        self._wait(lambda: len(self._ins()) == self._went_in, SOON_S, "the record of going in")
        event = self._ins()[-1]
        if event["grant"] != self.reservations[NOW]["grant"] or event["door"] != DOOR:
            raise Untrue(f"the hub has {event}")
        return f"{event['type']} of {event['reservation']} at {event['time']}"

    def _leave(self) -> str:
        before = self._count("access.out")
        self._demo.hardware.exit_button()
        self._noticed(self._demo.hardware.pull_inside, 1)
        self._noticed(self._demo.hardware.close_leaf, 1)
        self._wait(lambda: self._count("access.out") == before + 1, SOON_S, "the record of going out")
        return "exit button and handle; access.out is at the hub"

    def _qr_opens(self) -> str:
        self._at_rest()
        picture = self._picture()
        try:
            happened = self._enter(lambda: self._demo.hardware.show(picture))
        finally:
            self._demo.hardware.hide()
        self._wait(lambda: len(self._ins()) == self._went_in, SOON_S, "the record of going in by QR")
        return happened

    def _wrong_pin(self) -> str:
        right = self._code(NOW, "pin")
        wrong = right[:-2] + f"{(int(right[-2:]) + 37) % 100:02d}"  # two digits off, so nobody else's either
        self._refused(lambda: self._type(wrong), "unknown_code")
        return "the relay did not move; access.refused (unknown_code) is at the hub"

    def _too_early(self) -> str:
        self._refused(lambda: self._type(self._code(TOMORROW, "pin")), "too_early")
        return "the relay did not move; access.refused (too_early) is at the hub"

    def _open_without_network(self) -> str:
        self._all_arrived()
        self._demo.hardware.cut()
        self._wait(lambda: not self._demo.door.status().linked, SOON_S, "the door to notice the cut")
        held = len(self._demo.hub.events())
        happened = self._enter(lambda: self._type(self._code(NOW, "pin")))
        waiting = self._demo.door.status().unsent
        if waiting < 1 or len(self._demo.hub.events()) != held:
            raise Untrue(f"{waiting} records wait, the hub got {len(self._demo.hub.events()) - held}")
        return f"{happened}; {waiting} records wait at the door"

    def _network_back(self) -> str:
        self._demo.hardware.mend()
        return self._all_arrived()

    def _killed(self) -> str:
        self._at_rest()
        self._demo.controller.kill()
        self._wait(lambda: not self._demo.hardware.state()["relay"], SOON_S, "the relay to let go")
        self._demo.restart_controller()
        happened = self._enter(lambda: self._type(self._code(NOW, "pin")))
        self._wait(lambda: self._demo.door.status().linked, RECONNECT_S, "the agent to come back")
        return f"{happened}; {self._all_arrived()}"

    def _cancelled(self) -> str:
        start_s = int(time())
        self._demo.hub.put(NOW, booking(2, "cancelled", ROOM, start_s, start_s + HOUR_S))
        self._wait(lambda: applied(self._demo.hub.get(NOW)), SOON_S, "delivery of the cancellation")
        self._at_rest()
        pulses, picture = self._pulses(), self._picture()
        try:
            self._demo.hardware.show(picture)
            self._wait(lambda: self._demo.door.public().shown == "refused", SOON_S, "the QR to be refused")
        finally:
            self._demo.hardware.hide()
        # A second refusal of a kind within a minute is only counted, so the try it cost is what shows it.
        tries = self._demo.door.status().tries
        self._type(self._code(NOW, "pin"))
        self._wait(lambda: self._demo.door.status().tries == tries - 1, SOON_S, "the PIN to cost a try")
        self._still_locked(pulses)
        return f"neither moved the relay; {self._all_arrived()}"

    def _nothing_overheard(self) -> str:
        messages = set(tap.read(self._demo.folders.traffic))
        passed = Counter(message.topic.rpartition("/")[2] for message in messages if message.topic.startswith(ROOT))
        if not passed["list"] or not passed["events"] or not passed["receipt"]:
            raise Untrue(f"the listener heard only {dict(passed)}")
        codes = [each[kind] for made in self.reservations.values() for each in made["credentials"] for kind in CODES]
        known = [*hub_secrets.read(self._demo.folders.hub), *chain(*map(code_secrets, filter(None, codes)))]
        found = sorted(set(leaks(messages, known)))
        if found:
            raise Untrue("; ".join(found))
        return f"{len(messages)} messages, {passed['list']} of them lists, hold none of {len(known)} secrets"

    # --- what a visitor does

    def _type(self, pin: str) -> None:
        self._demo.hardware.keys(f"*{pin}")

    def _enter(self, present: Callable[[], None]) -> str:
        """Present a code at a door at rest, go through, let it fall shut. Raises Untrue when it does not open."""
        self._at_rest()
        pulses = self._pulses()

        def go_in() -> None:
            present()
            result = self._demo.hardware.push(wait_s=LEAN_S)
            if result != "opened":
                raise Untrue(f"the leaf is {result}, the door shows {self._demo.door.public().shown}")

        self._noticed(go_in, 2)
        self._noticed(self._demo.hardware.close_leaf, 1)
        if self._pulses() != pulses + 1:
            raise Untrue(f"the relay moved {self._pulses() - pulses} times")
        self._went_in += 1
        return "the lock let go once, the leaf opened"

    def _refused(self, present: Callable[[], None], reason: str) -> None:
        """Present a code that has to be refused for `reason`, seen at the door and at the hub."""
        self._at_rest()
        pulses, before = self._pulses(), self._refusals(reason)
        present()
        self._wait(lambda: self._demo.door.public().shown == "refused", SOON_S, "the door to say no")
        self._wait(lambda: self._refusals(reason) == before + 1, SOON_S, f"access.refused ({reason})")
        self._still_locked(pulses)

    def _noticed(self, act: Callable[[], None], records: int) -> None:
        """Do something and wait until the door has written that many records more: nobody is as quick as a leaf that
        opens and shuts within the bounce time of its contact."""
        before = self._demo.door.status().seq
        act()
        self._wait(lambda: self._demo.door.status().seq >= before + records, SOON_S, "the door to notice")

    def _still_locked(self, pulses: int) -> None:
        result = self._demo.hardware.push()
        if result != "locked" or self._pulses() != pulses:
            raise Untrue(f"the leaf is {result}, the relay moved {self._pulses() - pulses} times")

    def _at_rest(self) -> None:
        self._demo.hardware.close_leaf()
        self._wait(lambda: not self._demo.hardware.state()["relay"], SOON_S, "the lock to be locked again")

    def _picture(self) -> Path:
        path = self._demo.folders.root / f"{NOW}.png"
        segno.make(self._code(NOW, "qr"), error="m").save(str(path), scale=QR_PX)
        return path

    # --- what can be seen

    def _code(self, ref: str, kind: str) -> str:
        return code(self.reservations[ref], kind)

    def _pulses(self) -> int:
        return len(self._demo.hardware.state()["pulses"])

    def _ins(self) -> list[Json]:
        events = self._demo.hub.events()
        return [event for event in events if event["type"] == "access.in" and event["reservation"] == NOW]

    def _count(self, kind: str) -> int:
        return sum(event["type"] == kind for event in self._demo.hub.events())

    def _refusals(self, reason: str) -> int:
        events = self._demo.hub.events()
        return sum(event["type"] == "access.refused" and event["reason"] == reason for event in events)

    def _all_arrived(self) -> str:
        """Wait until the hub has every record of the door, then see that it has each once. Raises Untrue."""
        self._wait(lambda: self._demo.door.status().unsent == 0, RECONNECT_S, "the last receipt")
        status = self._demo.door.status()
        places = [event["id"] for event in self._demo.hub.events() if event["door"] == DOOR]
        if places != [f"{DOOR}/{status.log}/{number}" for number in range(1, len(places) + 1)]:
            raise Untrue("the hub's records are not 1, 2, 3, … of one log")
        if len(places) < status.seq:
            raise Untrue(f"the door has {status.seq} records, the hub {len(places)}")
        if len(self._ins()) != self._went_in:
            raise Untrue(f"{self._went_in} times in, {len(self._ins())} at the hub")
        return f"the hub has all {len(places)} records, each once, {self._went_in} times in"

    def _wait(self, come_true: Callable[[], bool], within_s: float, what: str) -> None:
        self._demo.wait_until(come_true, within_s, what)
