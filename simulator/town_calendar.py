"""What a reservation system of a town does in a month: who books what, and when they change their minds.

It owns availability, so it never asks for a room that is taken; from one seed, before anything runs.
"""

from __future__ import annotations

import itertools
import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

MINUTE_S, HOUR_S, DAY_S = 60, 3_600, 86_400
LEADS_S = (5 * MINUTE_S, 40 * MINUTE_S, 5 * HOUR_S, 20 * HOUR_S, 2 * DAY_S, 6 * DAY_S, 12 * DAY_S)
LENGTHS_S = (HOUR_S, 90 * MINUTE_S, 2 * HOUR_S, 3 * HOUR_S)
OPENS_H, CLOSES_H = 8, 22
EVENINGS = 4
CALM_S = 36 * HOUR_S
"""A renter changes a booking or asks for another code at least this long before; the outages of doors are shorter."""

Way = Literal["api", "csv", "ics", "series"]
Change = Literal["none", "cancel", "move", "swap", "rotate", "companion", "suspend"]


@dataclass
class Stay:
    """One booking as its renter sees it. Instants in UTC seconds; `booked` are the times that hold now, `moves_to`
    where they go; `changes_at` when `change` happens; `instead` who gets the place in a swap."""

    ref: str
    rooms: tuple[str, ...]
    booked: tuple[tuple[int, int], ...]
    asked_at: int
    way: Way = "api"
    change: Change = "none"
    changes_at: int = 0
    moves_to: tuple[tuple[int, int], ...] = ()
    instead: Stay | None = None
    # What the hub answered.
    revision: int = 0
    grant: str = ""
    state: Literal["wanted", "active", "suspended", "cancelled"] = "wanted"
    pins: list[str] = field(default_factory=list)
    qrs: list[str] = field(default_factory=list)


class Plan:
    """`bookings` stays in `rooms` (room id to the rooms that cannot be rented beside it) over `days` from `start`."""

    def __init__(
        self, chance: random.Random, rooms: dict[str, tuple[str, ...]], start: int, days: int, bookings: int
    ) -> None:
        self._chance = chance
        self._rooms = rooms
        self._start = start
        self._days = days
        self._taken: dict[str, list[tuple[int, int]]] = {room: [] for room in rooms}
        self.stays = [self._stay(f"R-{number}") for number in range(1, bookings + 1)]
        self.counts = Counter(each.way for each in self.stays) + Counter(each.change for each in self.stays)

    def _stay(self, ref: str) -> Stay:
        weekly = self._days > 7 * (EVENINGS - 1) and self._luck(0.08)
        room, booked = self._free(EVENINGS if weekly else 1)
        lead = LEADS_S[int(self._chance.random() * len(LEADS_S))]
        asked = max(self._start + 60, booked[0][0] - lead)
        stay = Stay(ref, (room,), booked, asked)
        if weekly:
            stay.way = "series"
        else:
            stay.way = self._pick((("csv", 0.12), ("ics", 0.08))) or "api"  # type: ignore[assignment]
        self._change(stay)
        return stay

    def _change(self, stay: Stay) -> None:
        first, last = stay.booked[0][0], stay.booked[-1][1]
        if stay.way in {"csv", "ics"}:
            # Those who have no program cancel by the next upload; everything else goes by the API.
            if self._luck(0.08) and last - HOUR_S > stay.asked_at + HOUR_S:
                stay.change, stay.changes_at = "cancel", self._between(stay.asked_at + 600, last - HOUR_S)
            return
        calm = first - CALM_S
        if self._luck(0.10) and last - HOUR_S > stay.asked_at + 600:
            stay.change, stay.changes_at = "cancel", self._between(stay.asked_at + 300, last - HOUR_S)
        elif calm > stay.asked_at + HOUR_S:
            wanted = (("move", 0.08), ("swap", 0.04), ("rotate", 0.04), ("companion", 0.06), ("suspend", 0.04))
            stay.change = self._pick(wanted) or "none"  # type: ignore[assignment]
            stay.changes_at = self._between(stay.asked_at + 600, calm)
        if stay.change == "move":
            _, stay.moves_to = self._free(len(stay.booked), stay.rooms[0], after=first)
        if stay.change == "swap":
            stay.instead = Stay(f"{stay.ref}-b", stay.rooms, stay.booked, stay.changes_at)

    def _free(self, times: int, room: str | None = None, after: int = 0) -> tuple[str, tuple[tuple[int, int], ...]]:
        """A room and as many weekly times at which neither it nor a rival is taken; they are now."""
        for _ in itertools.repeat(None, 10_000):
            chosen = room or list(self._rooms)[int(self._chance.random() * len(self._rooms))]
            last_day = self._days - 7 * (times - 1)
            day = int(self._chance.random() * max(1, last_day))
            clock = OPENS_H * HOUR_S + 15 * MINUTE_S * int(self._chance.random() * 4 * (CLOSES_H - OPENS_H - 3))
            length = LENGTHS_S[int(self._chance.random() * len(LENGTHS_S))]
            begin = self._start + day * DAY_S + clock
            booked = tuple((begin + week * 7 * DAY_S, begin + week * 7 * DAY_S + length) for week in range(times))
            if begin > max(self._start + HOUR_S, after) and not any(self._clash(chosen, *each) for each in booked):
                self._taken[chosen] += booked
                return chosen, booked
        raise ValueError("so many bookings do not fit into so many rooms and days")

    def _clash(self, room: str, start: int, until: int) -> bool:
        near: Iterator[tuple[int, int]] = itertools.chain.from_iterable(
            self._taken[each] for each in (room, *self._rooms[room])
        )
        return any(begin < until and start < end for begin, end in near)

    def _luck(self, share: float) -> bool:
        return self._chance.random() < share

    def _pick(self, choices: tuple[tuple[str, float], ...]) -> str | None:
        thrown = self._chance.random()
        for name, share in choices:
            if thrown < share:
                return name
            thrown -= share
        return None

    def _between(self, low: int, high: int) -> int:
        return low + int(self._chance.random() * max(1, high - low))
