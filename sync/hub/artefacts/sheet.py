"""The sheet: what one holder needs at the door, independent of the form it is handed over in.

    sheet = Sheet(language="nl", rooms=("Feestzaal",), times=(Time(start, until, opens),), pins=(Pin("123456", ()),),
                  qr="ZS1:…", leave=(), help="03 444 18 16")

`grouped("123456")` is how a PIN is written everywhere: in groups one can read aloud (R000-01).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from controller.formats.code_list import Language
from sync.hub.artefacts.words import Words, catalogue, day, joined

TIMES_MAX = 12
"""A series of a whole season does not fit on a sheet; the rest is counted."""

FOUR_BY_FOUR = 8


@dataclass(frozen=True)
class Time:
    """One booked time, in the room's zone, and the moment from which the doors open for it."""

    start: datetime
    until: datetime
    opens: datetime


@dataclass(frozen=True)
class Pin:
    """A PIN and the rooms it leads to; no rooms named where it leads to all of the sheet's."""

    digits: str
    rooms: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Sheet:
    """Everything a sheet says. `leave` are the room's own instructions, the catalogue's if empty; `help` is whom to
    call, empty for nobody."""

    language: Language
    rooms: tuple[str, ...]
    times: tuple[Time, ...]
    pins: tuple[Pin, ...] = ()
    qr: str | None = None
    leave: tuple[str, ...] = ()
    help: str = ""

    @property
    def words(self) -> Words:
        return catalogue(self.language)

    @property
    def title(self) -> str:
        return self.words.title.format(rooms=joined(self.words, self.rooms))

    def when(self) -> list[str]:
        """The booked times in words, the first `TIMES_MAX` of them."""
        lines = [self._time(each) for each in self.times[:TIMES_MAX]]
        left = len(self.times) - TIMES_MAX
        return [*lines, self.words.more.format(count=left)] if left > 0 else lines

    def codes(self) -> list[tuple[str, str]]:
        """(label, grouped PIN) of every PIN."""
        words = self.words
        return [
            (words.pin_for.format(rooms=joined(words, pin.rooms)) if pin.rooms else words.pin, grouped(pin.digits))
            for pin in self.pins
        ]

    def at_the_door(self) -> list[str]:
        """What to do with the codes that are on this sheet."""
        words = self.words
        lines = [words.door_pin] if self.pins else []
        if self.qr is not None:
            lines.append(words.door_qr if self.pins else words.door_qr_only)
        return [*lines, words.secret]

    def leaving(self) -> tuple[str, ...]:
        """How to leave the room (R004-05)."""
        return self.leave or self.words.leave_rules

    def _time(self, time: Time) -> str:
        words = self.words
        until = f"{time.until:%H:%M}"
        if time.until.date() != time.start.date():
            until = f"{day(words, time.until.date())}, {until}"
        told = f"{day(words, time.start.date())}, {time.start:%H:%M} – {until}"
        if time.opens < time.start:
            told += f" ({words.opens.format(time=f'{time.opens:%H:%M}')})"
        return told


def grouped(digits: str) -> str:
    """A PIN in groups of three, one of eight in groups of four: `123 456`, `123 456 7`, `1234 5678`."""
    size = 4 if len(digits) == FOUR_BY_FOUR else 3
    return " ".join(digits[at : at + size] for at in range(0, len(digits), size))
