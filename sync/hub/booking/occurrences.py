"""From what people book to instants: weekly evenings, whole days, years of office hours, in the room's own time zone.

Pure. Local times in, whole UTC seconds out. A local time that a clock change skips counts as the one it becomes (02:30
is 03:30 that night); one that happens twice is the first of the two. So 20:00 stays 20:00 over both changes, in either
hemisphere (R002-21). Booked time that the clocks go over (its end would not come after its start) keeps its length.

    Series("2026-09-07T20:00", "2026-09-07T22:00", "FREQ=WEEKLY;COUNT=30", ("2026-12-28",)).windows(room)
    Days(("2026-07-17",)).windows(room)                                 # the room's opening hours, or Refused
    Hours("2026-09-01", "2027-06-30", {"mon": [("08:00", "18:00")]}).windows(room)
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Literal, get_args
from zoneinfo import ZoneInfo

from dateutil.rrule import rrulestr

from controller.formats.code_list import Window
from controller.formats.errors import Refused

Weekday = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
WEEKDAYS: tuple[Weekday, ...] = get_args(Weekday)
WeeklyHours = Mapping[Any, Sequence[Sequence[str]]]
"""`mon`… to pairs of opening and closing time."""

MAX_WINDOWS = 400
"""Windows of one reservation (R004-19)."""

MAX_LONG_WINDOWS = 750
"""Windows of a long-term reservation: every day of 24 months."""

LONGEST_MONTHS = dict(enumerate((31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31), 1))
_UNTIL_DAY = re.compile(r"UNTIL=[0-9]{8}(?=;|$)")
_UNTIL_UTC = re.compile(r"UNTIL=([0-9]{8}T[0-9]{6})Z")
FREQUENCIES = ("FREQ=DAILY", "FREQ=WEEKLY", "FREQ=MONTHLY", "FREQ=YEARLY")


def names_a_day(months: Iterable[int], days: Iterable[int]) -> bool:
    """Whether any of these days of the month (negative: from its end) is in any of these months; none given means
    all. A rule that names 30 February would be looked for until the year 9999."""
    within, wanted = list(months) or list(LONGEST_MONTHS), list(days) or [1]
    return any(1 <= abs(day) <= LONGEST_MONTHS.get(month, 0) for month in within for day in wanted)


def _numbers(part: str | None) -> list[int]:
    return [int(number) for number in part.split(",")] if part else []


@dataclass(frozen=True)
class LocalRoom:
    """What a room lends to its bookings: its zone and when it is open."""

    zone: str
    opening_hours: WeeklyHours


@dataclass(frozen=True)
class Series:
    """A window (local date-times) repeated by an RFC 5545 rule; `exdates` (local dates) are left out."""

    start: str
    end: str
    rrule: str
    exdates: tuple[str, ...] = ()

    def windows(self, room: LocalRoom) -> list[Window]:
        """Raises Refused `bad_request`."""
        start, end = _local(self.start, "series.start"), _local(self.end, "series.end")
        if not start < end:
            raise Refused("bad_request", "series.end", "a window ends after it starts")
        left_out = {_date(each, "series.exdates") for each in self.exdates}
        occurrences = [each for each in self._starts(start, room.zone) if each.date() not in left_out]
        # The end keeps its local time too: an evening that goes on over a clock change is an hour longer or shorter.
        return [_window(each, each + (end - start), room.zone) for each in occurrences]

    def _starts(self, start: datetime, zone: str) -> list[datetime]:
        rule = self.rrule.upper().removeprefix("RRULE:")
        if not rule.startswith(FREQUENCIES) or "\n" in rule or not rule.isascii():
            raise Refused("bad_request", "series.rrule", "starts with FREQ=DAILY, WEEKLY, MONTHLY or YEARLY")
        if "COUNT=" not in rule and "UNTIL=" not in rule:
            raise Refused("bad_request", "series.rrule", "ends: give COUNT or UNTIL")
        try:
            parts = dict(part.split("=", 1) for part in rule.split(";"))
            if not names_a_day(_numbers(parts.get("BYMONTH")), _numbers(parts.get("BYMONTHDAY"))):
                raise Refused("bad_request", "series.rrule", "names no day that there is")
            rule = _UNTIL_DAY.sub(r"\g<0>T235959", rule)  # a day is meant with its evening
            repeated = rrulestr(_UNTIL_UTC.sub(lambda until: _local_until(until[1], zone), rule), dtstart=start)
            found = list(itertools.islice(repeated, MAX_WINDOWS + len(self.exdates) + 1))
        except (ValueError, TypeError, OverflowError):
            raise Refused("bad_request", "series.rrule", "is not a rule of RFC 5545") from None
        if len(found) > MAX_WINDOWS + len(self.exdates):
            raise Refused("bad_request", "series.rrule", f"gives more than {MAX_WINDOWS} windows")
        if any(each.second for each in found):
            raise Refused("bad_request", "series.rrule", "windows start and end on whole minutes")
        return found


@dataclass(frozen=True)
class Days:
    """Whole days, meaning the room's opening hours; never 00:00 to 24:00 in silence (R000-03)."""

    dates: tuple[str, ...]

    def windows(self, room: LocalRoom) -> list[Window]:
        """Raises Refused `bad_request`; `window_required` where the room has no opening hours that day."""
        found: list[Window] = []
        for text in self.dates:
            day = _date(text, "dates")
            hours = list(_of_day(day, room.opening_hours, room.zone))
            if not hours:
                raise Refused("window_required", "dates", f"the room has no opening hours on {day}; give start and end")
            found += hours
        return found


@dataclass(frozen=True)
class Hours:
    """A long-term rental: from one local date to another, both included, at weekly hours; all day and night without
    (R004-20)."""

    start: str
    end: str
    weekly: WeeklyHours

    def windows(self, room: LocalRoom) -> list[Window]:
        """Raises Refused `bad_request`."""
        first, last = _date(self.start, "long_term.start"), _date(self.end, "long_term.end")
        if last < first:
            raise Refused("bad_request", "long_term.end", "ends before it starts")
        if not self.weekly:
            midnight = time()
            start, end = datetime.combine(first, midnight), datetime.combine(last + timedelta(days=1), midnight)
            return [_window(start, end, room.zone)]
        days = (first + timedelta(days=ahead) for ahead in range(min((last - first).days, 2 * MAX_LONG_WINDOWS) + 1))
        return [window for day in days for window in _of_day(day, self.weekly, room.zone)]


Pattern = Series | Days | Hours


def instant_of(local: datetime, zone: str) -> int:
    """UTC seconds of a local date-time."""
    return int(local.replace(tzinfo=ZoneInfo(zone), fold=0).astimezone(UTC).timestamp())


def _window(start: datetime, end: datetime, zone: str) -> Window:
    begins, ends = instant_of(start, zone), instant_of(end, zone)
    return begins, ends if ends > begins else begins + int((end - start).total_seconds())


def _local_until(stamp: str, zone: str) -> str:
    """UNTIL as an instant (RFC 5545), in the local time in which the rule is expanded."""
    instant = datetime.strptime(stamp, "%Y%m%dT%H%M%S").replace(tzinfo=UTC)
    return f"UNTIL={instant.astimezone(ZoneInfo(zone)):%Y%m%dT%H%M%S}"


def _of_day(day: date, weekly: WeeklyHours, zone: str) -> Iterator[Window]:
    for opens, closes in weekly.get(WEEKDAYS[day.weekday()], ()):
        start, end = datetime.combine(day, clock_time(opens)), datetime.combine(day, clock_time(closes))
        # 24:00, or past midnight: the next day.
        yield _window(start, end if end > start else end + timedelta(days=1), zone)


def clock_time(text: str) -> time:
    """`08:00`; `24:00` is midnight at the end of the day. Raises Refused `bad_request`."""
    try:
        return datetime.strptime("00:00" if text == "24:00" else text, "%H:%M").time()  # noqa: DTZ007  # a wall clock
    except ValueError:
        raise Refused("bad_request", "hours", "times are written HH:MM") from None


def _local(text: str, where: str) -> datetime:
    try:
        local = datetime.fromisoformat(text)
    except ValueError:
        raise Refused("bad_request", where, "a local date and time as in 2026-09-07T20:00") from None
    if local.tzinfo is not None or local.second or local.microsecond or not 2024 <= local.year < 2100:
        raise Refused("bad_request", where, "the room's own time, without offset, on a whole minute")
    return local


def _date(text: str, where: str) -> date:
    try:
        day = date.fromisoformat(text)
    except ValueError:
        raise Refused("bad_request", where, "a date as in 2026-07-17") from None
    if not 2024 <= day.year < 2100:
        raise Refused("bad_request", where, "not a day from 2024 to 2099")
    return day
