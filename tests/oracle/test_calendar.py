"""Random months of a town, called in at the hub as a booking system would, against a calendar kept by hand: series with
days left out in two hemispheres while their clocks change, moves, swaps, codes handed over, closures, groups, parts of
rooms and shared entrances. What a door's list says of every code is what the calendar says, at every instant asked.

`ZS_CALENDAR_INSTANTS=100000 pytest tests/oracle` is the whole comparison; a share of it in CI.
"""

from __future__ import annotations

import os
import random
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest

from controller.decide import Installed, Moment, PinPresented, decide
from controller.formats.code_list import parse
from controller.formats.envelope import open_envelope
from controller.formats.limits import LIMITS
from simulator.simulated_hub import cheap_verifier
from sync.hub.booking.closures import Closing
from sync.hub.booking.codes import Randomness
from sync.hub.booking.occurrences import Series
from sync.hub.booking.reservations import Overlap, Wish
from sync.hub.keys.keyring import Keyring, make_keys
from sync.hub.service import Service
from sync.hub.store.database import open_database
from sync.hub.town.clients import Caller
from sync.hub.town.town_file import read_town
from tests.oracle.calendar_oracle import Calendar, Held, evenings, instant
from tests.oracle.openings_oracle import Hall

INSTANTS = int(os.environ.get("ZS_CALENDAR_INSTANTS", "600"))
PER_CALENDAR = 300 if INSTANTS < 10_000 else 1_000
CALLS = 40
DAY_S = 86_400
# On 28 March 2027 the clocks of Brussels go forward, on 4 April those of Sydney back; on 25 October 2026 those of
# Brussels go back, three weeks after Sydney's went forward.
STARTS = (date(2027, 3, 19), date(2026, 9, 25), date(2026, 10, 14))
STAFF = Caller("booking", "town", None, frozenset({"facility"}))
ZONES = {"A": "Europe/Brussels", "B": "Europe/Brussels", "whole": "Europe/Brussels", "C": "Europe/Brussels",
         "S": "Australia/Sydney"}  # fmt: skip
DOORS = {"A": {"a-1"}, "B": {"b-1"}, "whole": {"a-1", "b-1"}, "C": {"c-1", "c-2"}, "S": {"s-1"}}
SPACE = {"whole": {"A", "B"}, "A": {"whole"}, "B": {"whole"}, "C": set[str](), "S": set[str]()}
HEAD = """
[services.town]
name = "Stad"
[clients.booking]
service = "town"
[commissioning]
required = false
[pin_sets.town]
live = 172
[buildings.hall]
entrances = ["front"]
"""


def make_halls(chance: random.Random) -> list[Hall]:
    margins = (0, 5, 15, 15, 30, 120)
    return [
        Hall(name, frozenset(DOORS[name]), frozenset({"front"}), 60 * chance.choice(margins),
             60 * chance.choice(margins), frozenset(SPACE[name]))
        for name in DOORS
    ]  # fmt: skip


def town_of(halls: list[Hall]) -> str:
    lines = [HEAD]
    for hall in halls:
        way = 'parts = ["A", "B"]' if hall.name == "whole" else f"doors = {sorted(hall.doors)}"
        lines.append(
            f'[rooms.{hall.name}]\nservice = "town"\nbuilding = "hall"\n{way}\ntime_zone = "{ZONES[hall.name]}"\n'
            f"margin_before_min = {hall.before_s // 60}\nmargin_after_min = {hall.after_s // 60}\n"
        )
    return "\n".join(lines)


class Month:
    """A booking system that calls in whatever comes to its mind, and writes down what it was answered."""

    def __init__(self, service: Service, halls: list[Hall], first: date, chance: random.Random) -> None:
        self.calendar = Calendar(halls)
        self.first = first
        self.now = int(datetime(first.year, first.month, first.day, tzinfo=UTC).timestamp())
        self._service = service
        self._chance = chance
        self._revisions: dict[str, int] = {}
        self.refused = 0

    def live(self) -> None:
        for number in range(CALLS):
            deeds = (self._book, self._book, self._book, self._move, self._cancel, self._suspend, self._swap,
                     self._replace, self._close)  # fmt: skip
            self._chance.choice(deeds)(f"R-{number}")

    # ---- what is wished

    def _wanted(self, ref: str, code: str = "") -> tuple[Held, Wish]:
        chance = self._chance
        rooms = tuple(chance.sample(["A", "C"], 2)) if chance.random() < 0.1 else (chance.choice(sorted(DOORS)),)
        renter = chance.random() < 0.85
        group = chance.choice([None, None, None, "fair"]) if renter else None
        patterns: tuple[Series, ...] = ()
        zone, day = ZONES[rooms[0]], self.first + timedelta(days=chance.randrange(1, 17))
        clock = chance.choice([("01:30", "03:45"), ("02:30", "05:00"), ("09:00", "10:15"), ("10:15", "12:00"),
                               ("19:30", "22:00"), ("20:00", "21:30")])  # fmt: skip
        if chance.random() < 0.4:
            every, count = chance.choice([(1, 4), (7, 3), (1, 9)])
            days = [day + timedelta(days=every * number) for number in range(count)]
            but = sorted(chance.sample(days, chance.randrange(0, count)))
            times = tuple(evenings(zone, day, every, count, clock, but))
            rule = f"FREQ={'WEEKLY' if every == 7 else 'DAILY'};COUNT={count}"
            patterns = (Series(f"{day}T{clock[0]}", f"{day}T{clock[1]}", rule, tuple(map(str, but))),)
        else:
            begin = instant(zone, day, clock[0]) + 60 * chance.randrange(0, 50)
            times = ((begin, begin + 60 * chance.choice([5, 30, 61, 240])),)
        held = Held(ref, code, rooms, times, renter, group)
        return held, self._wish(held, patterns)

    def _wish(self, held: Held, patterns: tuple[Series, ...] = (), state: str = "active") -> Wish:
        self._revisions[held.ref] = self._revisions.get(held.ref, 0) + 1
        return Wish(
            revision=self._revisions[held.ref], state=state,  # type: ignore[arg-type]
            kind="renter" if held.renter else "cleaning", rooms=held.rooms, windows=() if patterns else held.times,
            patterns=patterns, holder={"ref": held.ref, "kind": "person"}, methods=("pin",), correlation={},
            reveal_s=0, share_group=held.group,
        )  # fmt: skip

    # ---- what is done

    def _put(self, held: Held, wish: Wish, gone: tuple[str, ...] = ()) -> None:
        """The hub must refuse exactly what clashes."""
        clashes = self.calendar.clash(held, gone)
        try:
            if gone and wish.replaces is None:
                answer, _ = self._service.swap("booking", gone[0], held.ref, wish, self.now)
            else:
                answer, _ = self._service.put("booking", held.ref, wish, self.now)
        except Overlap:
            assert clashes, f"{held.ref} was refused and nobody is there"
            self.refused += 1
            return
        assert not clashes, f"{held.ref} was let in where somebody is"
        (code,) = [each.pin for each in answer.credentials if each.pin and not each.duress]
        for each in gone:
            del self.calendar.held[each]
        assert held.code in {"", code}, "the code stays"
        self.calendar.held[held.ref] = replace(held, code=code)

    def _book(self, ref: str) -> None:
        held, wish = self._wanted(ref)
        if held.times:
            self._put(held, wish)

    def _move(self, _ref: str) -> None:
        if old := self._any():
            held, wish = self._wanted(old.ref, old.code)
            # A reservation stays what it is: staff have another PIN besides.
            if held.times and held.renter == old.renter:
                self._put(held, wish)

    def _cancel(self, _ref: str) -> None:
        if old := self._any():
            self._service.put("booking", old.ref, self._wish(old, state="cancelled"), self.now)
            del self.calendar.held[old.ref]

    def _suspend(self, _ref: str) -> None:
        if old := self._any():
            self._service.put("booking", old.ref, self._wish(old, state="suspended"), self.now)
            self.calendar.suspend(old.ref)

    def _swap(self, ref: str) -> None:
        """Somebody else gets their place."""
        if old := self._any():
            held = replace(old, ref=ref, code="", suspended=False)
            self._put(held, self._wish(held), (old.ref,))

    def _replace(self, ref: str) -> None:
        """A move that got a new number: the code goes over."""
        old = self._any()
        if old and not old.suspended:
            held, wish = self._wanted(ref, old.code)
            if held.times and held.renter == old.renter:
                self._put(held, replace(wish, replaces=old.ref), (old.ref,))

    def _close(self, ref: str) -> None:
        if self.calendar.closed and self._chance.random() < 0.4:
            gone = self._chance.choice(sorted(self.calendar.closed))
            self._service.remove_closure(STAFF, gone, self.now)
            del self.calendar.closed[gone]
            return
        room = self._chance.choice(sorted(DOORS))
        start = self.now + 60 * self._chance.randrange(0, 15 * 1_440)
        end = start + 60 * self._chance.choice([10, 300, 2_000])
        reason = self._chance.choice(["room_closed", "room_not_ready"])
        self._service.put_closure(STAFF, ref, Closing(room, start, end, reason), self.now)  # type: ignore[arg-type]
        self.calendar.closed[ref] = room, start, end

    def _any(self) -> Held | None:
        return self.calendar.held[self._chance.choice(sorted(self.calendar.held))] if self.calendar.held else None


@pytest.fixture(scope="module")
def keyring(tmp_path_factory):
    folder = tmp_path_factory.mktemp("keys")
    make_keys(folder)
    return Keyring.load(folder)


def installed_at(service: Service, keyring: Keyring, door: str) -> Installed:
    """What the door would decide by, through its gate."""
    key = keyring.list_key.verify_key
    data = open_envelope(service.list_of(door), "zs-list-1", {key.thumbprint: key}, max_bytes=LIMITS.envelope_bytes)
    return Installed(parse(data.payload))


def test_every_code_opens_when_the_calendar_says(tmp_path, keyring):
    """R002-01, R002-08, R002-21, R004-16, R004-18: 0 wrong instants, 0 at which a room opens for two parties."""
    wrong, two, compared, opened, refused = [], [], 0, 0, 0
    for seed in range(-(-INSTANTS // PER_CALENDAR)):
        chance = random.Random(seed)
        halls = make_halls(chance)
        sessions = open_database(f"sqlite:///{tmp_path}/{seed}.db")
        service = Service(sessions, keyring, Randomness(chance.randrange, chance.randbytes), cheap_verifier)
        service.bench.when_lists_are_wanted(lambda _now: None)
        month = Month(service, halls, STARTS[seed % len(STARTS)], chance)
        service.apply(read_town(town_of(halls)), month.now)
        month.live()
        service.lists.build(month.now)
        answers, codes = month.calendar.answers(), {each.code for each in month.calendar.held.values()}
        lists = {
            door: installed_at(service, keyring, door) for door in ("front", *sorted(set().union(*DOORS.values())))
        }
        edges = [edge for made in lists.values() for grant in made.list.grants for window in grant.windows
                 for edge in window] or [month.now]  # fmt: skip
        for _ in range(PER_CALENDAR):
            # Crowded around the edges, where mistakes are.
            at = chance.choice(edges) + chance.choice([-31, -1, 0, 1, 30, chance.randrange(-9_000, 9_000)])
            at = min(max(at, month.now), month.now + 20 * DAY_S)
            door = chance.choice(sorted(lists))
            made = lists[door]
            said = {
                code for code in codes
                if decide(made, PinPresented(cheap_verifier(code, made.list.pin_kdf)), Moment(at, True, 0)).granted
            }  # fmt: skip
            if said != answers.may_enter(door, at):
                wrong.append((seed, door, at, said ^ answers.may_enter(door, at)))
            if len(answers.parties(door, said)) > 1:
                two.append((seed, door, at))
            compared, opened = compared + 1, opened + len(said)
        refused += month.refused
        sessions.kw["bind"].dispose()
    assert compared >= INSTANTS
    assert opened > compared // 10, "a comparison of closed doors proves little"
    assert refused
    assert wrong == []
    assert two == []


def test_the_clock_on_the_wall():
    """The oracle's own: a time that is skipped is an hour on, one that comes twice is the first."""
    brussels, sydney = date(2027, 3, 28), date(2027, 4, 4)
    assert instant("Europe/Brussels", brussels, "02:30") == instant("Europe/Brussels", brussels, "03:30")
    assert datetime.fromtimestamp(instant("Australia/Sydney", sydney, "02:30"), UTC).hour == 15
