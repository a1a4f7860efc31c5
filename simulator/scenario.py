"""Stories as text: what people and weather do, and which events must come of it. Run by the same world, with nobody
else in it.

    # A cancelled booking stops opening.
    doors 1
    09:00     book party room-1 10:00-12:00
    10:05     pin door-1 party
    10:05:05  push door-1
    10:06     close door-1
    10:30     cancel party
    10:31     pin door-1 party
    => 10:05:01 door-1 granted party
    => 10:05:05 door-1 in party
    => 10:06:00 door-1 closed
    => 10:31:01 door-1 refused unknown_code

A line that begins with a time is done at that time (UTC, `d2 09:00` is the second day; the first begins at 07:00). The
`=>` lines are the events that must happen, in this order, at these times (two seconds either way, or as many as `~60`
behind the time allows), and no others but `boot`, `list` and `clock`, which need not be named. A name behind the kind
is a reason, or the booking it belongs to.

| verb | arguments |
|---|---|
| `book` | REF ROOM FROM-TO [kind] [offline_ok] [once] [weekly=TIMES] |
| `cancel` `suspend` `resume` | REF |
| `pin` `sign-out` `attend` | DOOR REF-or-digits |
| `qr` | DOOR REF-or-text |
| `push` `leave` `button` `close` | DOOR |
| `cut` `mend` `power-off` `power-on` `kill` `forget` (the card, at the next cut) `full` `well` (the disk) | DOOR |
| `ntp` `rtc` | DOOR right, gone, or +1h, -30m, +1y |
| `hub-clock` | right, +1h, … |
| `hub` | away, back, backup, restore |
| `broker` | stop, start, forget |
| `rotate` | list, ten (list keys in a row), stolen (the list key, revoked), root (an offline key), roots (all three) |
| `waiting` `delivered` | DOOR: fails unless records wait at it, or the hub has signed for every one |
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from controller.formats.errors import Refused
from controller.formats.event import Event
from simulator.hub_store import HubStore
from simulator.world import START_MS, World

DAY_MS = 86_400_000
WEEK_S = 7 * 86_400
FIRST_MIDNIGHT_MS = START_MS - START_MS % DAY_MS
TOLERANCE_S = 2
UNNAMED = {"boot", "list", "clock"}
TIME = r"(?:d(?P<day>\d+)\s+)?(?P<h>\d\d):(?P<m>\d\d)(?::(?P<s>\d\d))?(?:~(?P<about>\d+))?"
UNITS_MS = {"s": 1_000, "m": 60_000, "h": 3_600_000, "d": DAY_MS, "y": 365 * DAY_MS}


@dataclass(frozen=True)
class Action:
    """One line that is done: its number in the file, world time, verb and arguments."""

    line: int
    at_ms: int
    verb: str
    arguments: tuple[str, ...]


@dataclass(frozen=True)
class Expected:
    """One line that must happen."""

    line: int
    at_ms: int
    door: str
    kind: str
    name: str | None
    about_s: int


@dataclass(frozen=True)
class Scenario:
    """A story: how many doors, what is done, what must come of it."""

    doors: int
    actions: tuple[Action, ...]
    expected: tuple[Expected, ...]


@dataclass(frozen=True)
class Happened:
    """An event as the story tells it."""

    at_ms: int
    door: str
    kind: str
    names: frozenset[str]

    def __str__(self) -> str:
        return f"{clock(self.at_ms)} {self.door} {self.kind} {' '.join(sorted(self.names))}".rstrip()


def parse(text: str) -> Scenario:
    """A scenario's text. Raises Refused naming the line."""
    doors, actions, expected = 1, [], []
    for number, raw in enumerate(text.splitlines(), 1):
        line = raw.split("#", 1)[0].strip() if not raw.strip().startswith("=>") else raw.strip()
        if not line:
            continue
        if line.startswith("doors "):
            doors = int(line.split()[1])
        elif line.startswith("=>"):
            at_ms, about_s, rest = _time(line[2:].strip(), number)
            if len(rest) not in {2, 3}:
                raise Refused("bad_scenario", f"line {number}", "wants: => TIME DOOR KIND [NAME]")
            expected.append(Expected(number, at_ms, rest[0], rest[1], rest[2] if len(rest) == 3 else None, about_s))
        else:
            at_ms, _, rest = _time(line, number)
            if not rest:
                raise Refused("bad_scenario", f"line {number}", "a time and nothing to do")
            actions.append(Action(number, at_ms, rest[0], tuple(rest[1:])))
    return Scenario(doors, tuple(actions), tuple(expected))


def play(scenario: Scenario) -> list[Happened]:
    """Every event of the story, in order. Raises Refused (a line that cannot be done), Broken (an invariant)."""
    return _Stage(scenario).play()


def differences(scenario: Scenario, happened: list[Happened]) -> list[str]:
    """What should have happened and did not, or the reverse; empty when the story came out as told."""
    told = [each for each in happened if each.kind not in UNNAMED]
    wrong = []
    for place in range(max(len(scenario.expected), len(told))):
        wanted = scenario.expected[place] if place < len(scenario.expected) else None
        came = told[place] if place < len(told) else None
        if wanted is None or came is None or not _fits(wanted, came):
            line = (
                f"line {wanted.line}: {clock(wanted.at_ms)} {wanted.door} {wanted.kind} {wanted.name or ''}"
                if wanted
                else "nothing"
            )
            wrong.append(f"{line.rstrip()} was expected, {came or 'nothing'} came")
            break
    return wrong


def clock(at_ms: int) -> str:
    """World time as a scenario writes it."""
    day, rest = divmod(at_ms - FIRST_MIDNIGHT_MS, DAY_MS)
    second = rest // 1000
    return f"{f'd{day + 1} ' if day else ''}{second // 3600:02}:{second // 60 % 60:02}:{second % 60:02}"


def _fits(wanted: Expected, came: Happened) -> bool:
    return (
        abs(wanted.at_ms - came.at_ms) <= wanted.about_s * 1000
        and (wanted.door, wanted.kind) == (came.door, came.kind)
        and (wanted.name is None or wanted.name in came.names)
    )


def _time(line: str, number: int) -> tuple[int, int, list[str]]:
    found = re.match(TIME, line)
    if found is None:
        raise Refused("bad_scenario", f"line {number}", "begins with no time")
    seconds = int(found["h"]) * 3600 + int(found["m"]) * 60 + int(found["s"] or 0)
    at_ms = FIRST_MIDNIGHT_MS + (int(found["day"] or 1) - 1) * DAY_MS + seconds * 1000
    return at_ms, int(found["about"] or TOLERANCE_S), line[found.end() :].split()


def _offset(word: str) -> int | None:
    if word == "right":
        return 0
    if word == "gone":
        return None
    found = re.fullmatch(r"([+-])(\d+)([smhdy])", word)
    if found is None:
        raise Refused("bad_scenario", word, "wants right, gone or an offset such as +1h")
    return int(f"{found[1]}{found[2]}") * UNITS_MS[found[3]]


class _Stage:
    """A world with one story in it."""

    def __init__(self, scenario: Scenario) -> None:
        self._scenario = scenario
        self._happened: list[Happened] = []
        self._world = World(1, scenario.doors, severity=0, populated=False, watch=self)
        self._backup: HubStore | None = None

    def play(self) -> list[Happened]:
        world = self._world
        last_ms = START_MS
        for action in self._scenario.actions:
            world.at(action.at_ms, partial(self._do, action))
            last_ms = max(last_ms, action.at_ms)
        last_ms = max([last_ms, *(each.at_ms for each in self._scenario.expected)])
        world.run((last_ms + 60_000 - START_MS) / DAY_MS)
        return self._happened

    def record(self, ms: int, door: str, event: Event, grant: str | None) -> None:
        """A record was written."""
        refs = (
            {ref for ref, each in self._world.hub.store.reservations.items() if each.grant == grant} if grant else set()
        )
        names = refs | ({event.reason} if event.reason else set())
        self._happened.append(Happened(ms, door, event.kind, frozenset(names)))

    def look(self, world: World) -> None:
        """Only what is recorded counts."""

    def _do(self, action: Action) -> None:
        verbs: dict[str, Callable[..., object]] = {
            "book": self._book,
            "cancel": lambda ref: self._world.hub.set_state(ref, "cancelled"),
            "suspend": lambda ref: self._world.hub.set_state(ref, "suspended"),
            "resume": lambda ref: self._world.hub.set_state(ref, "active"),
            "pin": lambda door, code: self._type(door, self._pin(code)),
            "sign-out": lambda door, code: self._type(door, f"#0{self._pin(code)}"),
            "attend": lambda door, code: self._type(door, f"#1{self._pin(code)}"),
            "qr": lambda door, code: self._world.doors[door].show_qr(self._qr(code)),
            "push": self._push,
            "leave": lambda door: self._world.doors[door].open_leaf(),
            "button": lambda door: self._world.doors[door].exit_button(),
            "close": lambda door: self._world.doors[door].close_leaf(),
            "cut": self._world.broker.cut_cable,
            "mend": self._world.broker.mend_cable,
            "power-off": lambda door: self._world.doors[door].power_off(),
            "power-on": lambda door: self._world.doors[door].power_on(),
            "kill": lambda door: self._world.doors[door].restart_controller(),
            "forget": lambda door: self._world.doors[door].disk.lie(),
            "full": lambda door: setattr(self._world.doors[door].disk, "full", True),
            "well": lambda door: setattr(self._world.doors[door].disk, "full", False),
            "ntp": lambda door, word: self._world.doors[door].clocks.set_ntp(_offset(word)),
            "rtc": lambda door, word: self._world.doors[door].clocks.set_rtc(_offset(word)),
            "hub-clock": lambda word: self._world.set_hub_clock(_offset(word) or 0),
            "hub": self._hub_verb,
            "broker": self._broker_verb,
            "rotate": self._world.weather.rotate,
            "waiting": lambda door: self._check(action, self._unsent(door) > 0),
            "delivered": lambda door: self._check(action, self._unsent(door) == 0),
        }
        where = f"line {action.line}"
        if action.verb not in verbs:
            raise Refused("bad_scenario", where, f"no verb {action.verb}; there are: {', '.join(verbs)}")
        try:
            verbs[action.verb](*action.arguments)
        except (TypeError, KeyError, ValueError) as error:
            raise Refused("bad_scenario", where, f"{action.verb} cannot be done with this: {error}") from None

    def _unsent(self, door: str) -> int:
        unit = self._world.doors[door].unit
        if unit is None:
            raise ValueError("it has no power")
        return unit.log.end.seq - unit.log.acknowledged.seq

    def _check(self, action: Action, holds: bool) -> None:
        if not holds:
            raise Refused("not_so", f"line {action.line}", f"{action.verb} {' '.join(action.arguments)} does not hold")

    def _book(self, ref: str, room: str, span: str, *more: str) -> None:
        start, end = (_time(part, 0)[0] for part in span.split("-"))
        today_ms = self._world.now_ms - self._world.now_ms % DAY_MS - FIRST_MIDNIGHT_MS
        booked = ((start + today_ms) // 1000, (end + today_ms) // 1000)
        weeks = max((int(word.removeprefix("weekly=")) for word in more if word.startswith("weekly=")), default=1)
        kinds = [word for word in more if word not in {"offline_ok", "once"} and not word.startswith("weekly=")]
        self._world.hub.reserve(
            ref,
            room,
            kinds[0] if kinds else "renter",  # type: ignore[arg-type]
            booked,
            further=tuple((booked[0] + week * WEEK_S, booked[1] + week * WEEK_S) for week in range(1, weeks)),
            offline_ok="offline_ok" in more,
            max_uses=1 if "once" in more else None,
        )

    def _type(self, door: str, keys: str) -> None:
        for number, key in enumerate(keys):
            self._world.at(self._world.now_ms + number * 100, partial(self._world.doors[door].press, key))

    def _push(self, door: str) -> None:
        if self._world.doors[door].lock.released:
            self._world.doors[door].open_leaf()

    def _pin(self, code: str) -> str:
        return code if code.isdigit() else self._world.hub.store.reservations[code].pin

    def _qr(self, code: str) -> str:
        reservation = self._world.hub.store.reservations.get(code)
        return reservation.qr.text() if reservation and reservation.qr else code

    def _hub_verb(self, word: str) -> None:
        if word == "away":
            self._world.hub.up = self._world.broker.hub_up = False
        elif word == "back":
            self._world.hub.up = True
            self._world.broker.hub_returns()
        elif word == "backup":
            self._backup = self._world.hub.backup()
        elif word == "restore" and self._backup is not None:
            self._world.hub.restore(self._backup, self._world.now_ms)
        else:
            raise ValueError(word)

    def _broker_verb(self, word: str) -> None:
        calls: dict[str, Callable[[], None]] = {
            "stop": self._world.broker.stop,
            "start": self._world.broker.start,
            "forget": lambda: self._world.broker.restart(forget=True),
        }
        calls[word]()
