"""The people of the simulated world: renters who come early, late or mistyping, guests who slip in behind them, propped
doors, cleaners, caretakers under threat, guessers and payment codes. On leaving some sign out, at either side.

Everything they do is drawn from one source of chance and scheduled in world time.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from controller.formats import qr_pass
from controller.formats.errors import Refused
from simulator.hub_store import Reservation
from simulator.simulated_door import SimulatedDoor
from simulator.simulated_hub import SimulatedHub

MINUTE_MS = 60_000
HOUR_MS = 60 * MINUTE_MS
DAY_MS = 24 * HOUR_MS
SLOTS_H = (9, 11, 18)  # when bookings start; the first may end when the second begins
JUNK_QRS = (
    "BCD\n002\n1\nSCT\nGEBABEBB\nGemeente\nBE72000000001616\nEUR12.50",
    "https://example.org/reservatie",
    "ZS1:NOTAPASS",
    "",
)

At = Callable[[int, Callable[[], None]], None]
T = TypeVar("T")


@dataclass
class People:
    """Everybody around one hub. `at(ms, call)` schedules by world time, `now_ms` is that time."""

    hub: SimulatedHub
    doors: dict[str, SimulatedDoor]
    chance: random.Random
    at: At
    now_ms: Callable[[], int]
    margin_s: int
    visits: int = 0
    _quiet_until_ms: int = 0
    _count: int = 0

    def plan_day(self, midnight_ms: int) -> None:
        """Book the coming days and send today's people on their way. `midnight_ms` is the start of today."""
        if self._luck(0.05):
            self._quiet_until_ms = midnight_ms + 4 * DAY_MS
        for ways in self.hub.rooms:
            if midnight_ms < self._quiet_until_ms:
                continue  # days on which nobody books or comes: lists stay as they are
            for hour in SLOTS_H:
                if self._luck(0.45):
                    self._book(ways.id, midnight_ms, hour)
            self._staff(ways.id, midnight_ms)
            if self._luck(0.3):
                self.at(midnight_ms + self._between(0, DAY_MS), partial(self._guess, ways.doors[0]))
            if self._luck(0.5):
                self.at(midnight_ms + self._between(0, DAY_MS), partial(self._junk, ways.doors[0]))
            if self._luck(0.15):
                self._lock_down(ways.doors[0], midnight_ms + self._between(6 * HOUR_MS, 18 * HOUR_MS))

    # ---- bookings

    def _book(self, room: str, midnight_ms: int, hour: int) -> None:
        """A booking for today or one of the next days, asked for between ten minutes and some days ahead."""
        day_ms = midnight_ms + self._pick((0, 1, 2, 9)) * DAY_MS
        start_ms = day_ms + hour * HOUR_MS + self._pick((0, 15, 30)) * MINUTE_MS
        end_ms = start_ms + self._pick((90, 120, 180)) * MINUTE_MS
        asked_ms = max(midnight_ms, min(start_ms - 10 * MINUTE_MS, midnight_ms + self._between(0, 20 * HOUR_MS)))
        ref, booked = self._ref(room), (start_ms // 1000, end_ms // 1000)
        self.at(asked_ms, lambda: self._ask(ref, room, booked))

    def _ask(self, ref: str, room: str, booked: tuple[int, int]) -> None:
        try:
            made = self.hub.reserve(ref, room, "renter", booked)
        except Refused:
            return
        if self._luck(0.1):
            self.at(self._between(self.now_ms(), booked[0] * 1000), lambda: self._cancel(ref))
        elif self._luck(0.1):
            self.at(self._between(self.now_ms(), booked[0] * 1000), lambda: self._move(ref))
        if self._luck(0.9):
            self._visit(made, room)

    def _cancel(self, ref: str) -> None:
        if ref in self.hub.store.reservations:  # a hub restored from an older backup does not know it any more
            self.hub.set_state(ref, "cancelled" if self._luck(0.5) else "suspended")

    def _move(self, ref: str) -> None:
        reservation = self.hub.store.reservations.get(ref)
        if reservation is None or reservation.state != "active":
            return
        start, end = reservation.booked
        try:
            self.hub.move(ref, (start + 1800, end + 1800))
        except Refused:
            return

    def _staff(self, room: str, midnight_ms: int) -> None:
        booked = ((midnight_ms + 6 * HOUR_MS) // 1000, (midnight_ms + 8 * HOUR_MS) // 1000)
        if self._luck(0.7):
            cleaner = self.hub.reserve(self._ref(room), room, "cleaning", booked)
            self._visit(cleaner, room)
        if self._luck(0.1):
            supplier = self.hub.reserve(self._ref(room), room, "supplier", booked, max_uses=1)
            self._visit(supplier, room)
            self._visit(supplier, room)
        if self._luck(0.1):
            caretaker = self.hub.reserve(self._ref(room), room, "facility", booked, offline_ok=True)
            self._visit(caretaker, room)
            self.at(booked[0] * 1000 + HOUR_MS, lambda: self._type(self._room_door(room), f"#1{caretaker.pin}"))

    def _lock_down(self, door: str, from_ms: int) -> None:
        self.at(from_ms, lambda: self.hub.lock_down(door, True))
        self.at(from_ms + self._between(2, 12) * HOUR_MS, lambda: self.hub.lock_down(door, False))

    # ---- at the door

    def _visit(self, reservation: Reservation, room: str) -> None:
        """Come somewhere around the booked time, try, go in, and leave again."""
        start_ms, end_ms = (second * 1000 for second in reservation.booked)
        comes_ms = max(self.now_ms() + MINUTE_MS, start_ms + self._pick((-60, -20, -10, -2, 0, 1, 5, 30)) * MINUTE_MS)
        comes_ms += self._between(0, MINUTE_MS)
        self.at(comes_ms, lambda: self._arrive(reservation, room, tries=3))
        if self._luck(0.2) and reservation.qr is not None:
            # The first and the last instant that count, and those right beside them.
            edge_ms = self._pick((start_ms - self.margin_s * 1000, end_ms + self.margin_s * 1000)) - self._pick((0, 1))
            if edge_ms > self.now_ms():
                text = reservation.qr.text()
                self.at(edge_ms, lambda: self._show_at(room, text))
        if self._luck(0.15):
            self.at(end_ms + self._between(0, HOUR_MS), lambda: self._arrive(reservation, room, tries=1))

    def _show_at(self, room: str, text: str) -> None:
        for door in self._ways(room):
            door.show_qr(text)

    def _arrive(self, reservation: Reservation, room: str, tries: int) -> None:
        self.visits += 1
        for door in self._ways(room):
            self._present(reservation, door, tries)

    def _present(self, reservation: Reservation, door: SimulatedDoor, tries: int) -> None:
        if self._luck(0.5) and reservation.qr is not None:
            self._hold_up(door, reservation.qr.text())
        else:
            pin = reservation.duress if reservation.duress and self._luck(0.1) else reservation.pin
            self._type(door, self._mistype(pin) if self._luck(0.12) else pin)
        self.at(self.now_ms() + self._between(3_500, 6_000), lambda: self._push(reservation, door, tries))

    def _push(self, reservation: Reservation, door: SimulatedDoor, tries: int) -> None:
        if door.leaf_open:
            return
        if not door.lock.released:
            if tries > 1:
                self.at(self.now_ms() + 8_000, lambda: self._present(reservation, door, tries - 1))
            return
        door.open_leaf()
        props_it = self._luck(0.03)
        open_ms = self._between(10, 40) * MINUTE_MS if props_it else self._between(2_000, 9_000)
        self.at(self.now_ms() + open_ms, door.close_leaf)
        if self._luck(0.2):
            # Somebody slips in behind.
            self.at(self.now_ms() + open_ms + 1_000, lambda: door.open_leaf() if door.lock.released else None)
            self.at(self.now_ms() + open_ms + 4_000, door.close_leaf)
        self.at(self.now_ms() + self._between(5, 150) * MINUTE_MS, lambda: self._leave(reservation, door))

    def _leave(self, reservation: Reservation, door: SimulatedDoor) -> None:
        """Leaving asks nobody: the handle works whatever the unit does."""
        if self._luck(0.3):
            # At the reader inside the code alone signs out.
            inside = door.inside is not None and self._luck(0.5)
            pin = self._mistype(reservation.pin) if self._luck(0.1) else reservation.pin
            self._type(door, pin if inside else f"#0{pin}", door.inside if inside else None)
        if self._luck(0.5):
            door.exit_button()
        self.at(self.now_ms() + 1_500, door.open_leaf)
        self.at(self.now_ms() + 6_000, door.close_leaf)

    def _guess(self, door: str) -> None:
        for number in range(self._between(3, 40)):
            pin = f"{self._between(0, 1_000_000):06d}"
            self.at(self.now_ms() + number * 4_000, partial(self._type, self.doors[door], pin))

    def _junk(self, door: str) -> None:
        self._hold_up(self.doors[door], self._pick((*JUNK_QRS, self._forged())))

    def _forged(self) -> str:
        """A pass for right now with tags somebody made up."""
        start_s = self.now_ms() // 1000 // 60 * 60
        number = min((1 << 32) - 1, start_s + 3600)
        made_up = [bytes(self._between(0, 256) for _ in range(32))]
        credential, filler = made_up[0][: qr_pass.CREDENTIAL_BYTES], bytes(qr_pass.TAGS_AREA)
        return qr_pass.make_pass(credential, start_s, 60, number, made_up, filler).text()

    def _type(self, door: SimulatedDoor, keys: str, reader: str | None = None) -> None:
        for number, key in enumerate(keys):
            self.at(self.now_ms() + number * 300, partial(door.press, key, reader or "outside"))

    def _hold_up(self, door: SimulatedDoor, text: str) -> None:
        for moment in range(3):
            self.at(self.now_ms() + moment * 200, lambda: door.show_qr(text))

    def _mistype(self, pin: str) -> str:
        place = self._between(0, len(pin))
        digit = (int(pin[place]) + self._between(1, 10)) % 10
        return f"{pin[:place]}{digit}{pin[place + 1 :]}"

    # ---- chance

    def _ways(self, room: str) -> list[SimulatedDoor]:
        ways = next(ways for ways in self.hub.rooms if ways.id == room)
        return [self.doors[door] for door in ways.entrances + ways.doors]

    def _room_door(self, room: str) -> SimulatedDoor:
        return self._ways(room)[-1]

    def _ref(self, room: str) -> str:
        self._count += 1
        return f"{room}-{self._count}"

    def _luck(self, share: float) -> bool:
        return self.chance.random() < share

    def _between(self, low: int, high: int) -> int:
        return low + int(self.chance.random() * max(1, high - low))

    def _pick(self, choices: tuple[T, ...]) -> T:
        return choices[int(self.chance.random() * len(choices))]
