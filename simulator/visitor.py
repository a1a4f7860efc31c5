"""What somebody in front of the demo's door does and sees: types, shows, pushes, and looks at relay, door and hub.

Nothing sleeps; everything is waited for, with a deadline.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import segno

from simulator.demo import Demo
from simulator.demo_files import DOOR
from simulator.hub_client import code

SOON_S: Final = 10.0
RECONNECT_S: Final = 40.0
"""The agent backs off after a lost connection, longer each time the session before was short."""
LEAN_S: Final = 5.0
"""How long a visitor leans on the leaf before giving up."""
QR_PX: Final = 8

Json = dict[str, Any]


class Untrue(Exception):
    """Something did not come true; the text says what was seen instead."""


class Visitor:
    """`reservations` are the hub's answers, with PIN and QR, by reference. Methods raise Untrue, and what the demo
    raises."""

    def __init__(self, demo: Demo) -> None:
        self._demo = demo
        self.reservations: dict[str, Json] = {}
        self._went_in = 0

    # --- what a visitor does

    def _type(self, pin: str) -> None:
        self._demo.hardware.keys(f"*{pin}")

    def _enter_by_qr(self, ref: str) -> str:
        self._at_rest()
        picture = self._picture(ref)
        try:
            return self._enter(lambda: self._demo.hardware.show(picture))
        finally:
            self._demo.hardware.hide()

    def _enter(self, present: Callable[[], None]) -> str:
        """Present a code at a door at rest, go through, let it fall shut. Raises Untrue when it does not open."""
        self._at_rest()
        pulses = self._pulses()

        def go_in() -> None:
            present()
            result = self._demo.hardware.push(wait_s=LEAN_S)
            if result != "opened":
                raise Untrue(f"the leaf is {result}, the door shows {self._demo.door.public().shown}")

        self._noticed(go_in, open=True)
        self._noticed(self._demo.hardware.close_leaf, open=False)
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

    def _noticed(self, act: Callable[[], None], *, open: bool) -> None:
        """Do something that moves the leaf and wait until the door has noticed: nobody is as quick as a leaf that opens
        and shuts within the bounce time of its contact. What the door noticed it has recorded."""
        act()
        self._wait(lambda: self._demo.door.status().leaf_open is open, SOON_S, "the door to notice")

    def _still_locked(self, pulses: int) -> None:
        result = self._demo.hardware.push()
        if result != "locked" or self._pulses() != pulses:
            raise Untrue(f"the leaf is {result}, the relay moved {self._pulses() - pulses} times")

    def _at_rest(self) -> None:
        self._demo.hardware.close_leaf()
        self._wait(lambda: not self._demo.hardware.state()["relay"], SOON_S, "the lock to be locked again")

    def _picture(self, ref: str) -> Path:
        path = self._demo.folders.root / f"{ref}.png"
        segno.make(self._code(ref, "qr"), error="m").save(str(path), scale=QR_PX)
        return path

    # --- what can be seen

    def _code(self, ref: str, kind: str) -> str:
        return code(self.reservations[ref], kind)

    def _pulses(self) -> int:
        return len(self._demo.hardware.state()["pulses"])

    def _ins(self) -> list[Json]:
        """Every time somebody with one of our reservations went in."""
        events = self._demo.hub.events()
        return [event for event in events if event["type"] == "access.in" and event["reservation"] in self.reservations]

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
