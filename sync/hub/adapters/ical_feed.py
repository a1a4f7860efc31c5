"""iCalendar feeds in: what planning tools and calendars publish (RFC 5545) becomes entries.

    UID → ref · SEQUENCE → sequence · STATUS → state · LOCATION → room · DTSTART, DTEND, RRULE, RDATE, EXDATE and
    RECURRENCE-ID → windows · nothing else is read: no summary, no description, no names.

A series is one reservation with many windows, so it keeps one code. Occurrences are expanded in the event's own zone:
20:00 stays 20:00 when the clocks change. All-day events mean the room's opening hours.

With `per_attendee` each attendee gets a reservation of their own, and so a code of their own (R004-25). The address is
not kept: ref and holder hold a name for it that only this hub can make.
"""

from __future__ import annotations

import itertools
import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta, tzinfo
from typing import Any, cast
from zoneinfo import ZoneInfo

from dateutil.rrule import rrulestr
from icalendar import Calendar, Component

from controller.formats.code_list import Kind, Window
from controller.formats.errors import Refused
from sync.hub.adapters.entry import Entry, Rejected, as_ref, rejected, window
from sync.hub.adapters.places import Places
from sync.hub.booking.occurrences import names_a_day
from sync.hub.issuing.issuer import GrantState

EVENTS_MAX = 5_000
EVENT = "event"
"""The correlation that tells which event a reservation comes from."""

ROOM_SEPARATOR = "|"
DAY_S = 86_400
STATES: Mapping[str, GrantState] = {
    "": "active",
    "CONFIRMED": "active",
    "TENTATIVE": "pending",
    "CANCELLED": "cancelled",
}
FREQUENCIES = ("DAILY", "WEEKLY", "MONTHLY", "YEARLY")
ENDS = frozenset({"UNTIL", "COUNT"})
RULE_PARTS = ENDS | {"FREQ", "INTERVAL", "WKST", "BYDAY", "BYMONTHDAY", "BYMONTH", "BYSETPOS"}
OCCURRENCES_MAX = 20_000
"""Where the search for occurrences ends: a daily event of fifty years."""


@dataclass(frozen=True)
class Plan:
    """How a feed is read: grants of which kind, at most how many days ahead, for each attendee or for the event.
    `pseudonym` makes a name of an attendee's address that only this hub can make (X-05); without one nobody finds an
    attendee again."""

    kind: Kind = "cleaning"
    ahead_days: int = 92
    per_attendee: bool = False
    pseudonym: Callable[[str], str] = lambda _address: secrets.token_hex(8)


@dataclass(frozen=True)
class Span:
    """From when to when windows are taken over, UTC seconds; whole days, so that a feed reads the same all day."""

    start: int
    until: int

    def keeps(self, found: Window) -> bool:
        return found[1] > self.start and found[0] < self.until


def read_feed(data: bytes, places: Places, plan: Plan, now: int) -> list[Entry | Rejected]:
    """The entries of a calendar, by UID. Raises Refused `bad_feed` for what is no calendar, or one without a single
    event: a broken export must not look like a town without plans."""
    try:
        calendar = Calendar.from_ical(data)
    except (ValueError, IndexError, KeyError, UnicodeDecodeError) as error:
        raise Refused("bad_feed", "calendar", f"cannot be read: {error}") from None
    events: dict[str, list[Component]] = {}
    for event in itertools.islice(calendar.walk("VEVENT"), EVENTS_MAX + 1):
        events.setdefault(str(event.get("UID", "")), []).append(event)
    if not events:
        raise Refused("bad_feed", "calendar", "holds no event")
    if sum(map(len, events.values())) > EVENTS_MAX:
        raise Refused("bad_feed", "calendar", f"holds more than {EVENTS_MAX} events")
    today = now - now % DAY_S
    span = Span(today - DAY_S, today + plan.ahead_days * DAY_S)
    return [item for uid, parts in events.items() for item in _event(uid, parts, places, plan, span)]


def _event(uid: str, parts: Sequence[Component], places: Places, plan: Plan, span: Span) -> Iterator[Entry | Rejected]:
    where = f"event {uid or '(without UID)'}"
    try:
        if not uid:
            raise Refused("bad_request", "UID", "an event needs one")
        entry = _entry(uid, _newest(parts), places, plan, span)
        people = _attendees(parts) if plan.per_attendee else []
        yield from (_personal(entry, uid, plan.pseudonym(f"attendee {address}")[:16]) for address in people)
        if not people:
            yield entry
    except Refused as refused:
        yield rejected(where, as_ref(uid, is_uid=True) if uid else None, refused)
    except (ValueError, TypeError, AttributeError, OverflowError) as error:
        # The calendar library hands broken properties on as they are; what they break in is not known beforehand.
        yield Rejected(where, as_ref(uid, is_uid=True) if uid else None, "bad_request", f"cannot be read: {error}")


def _newest(parts: Sequence[Component]) -> list[Component]:
    """The event and its changed occurrences, each in its newest version (highest SEQUENCE, the last one if equal)."""
    chosen: dict[object, Component] = {}
    for part in sorted(parts, key=_sequence):
        chosen[None if "RECURRENCE-ID" not in part else part.decoded("RECURRENCE-ID")] = part
    return sorted(chosen.values(), key=lambda part: "RECURRENCE-ID" in part)


def _entry(uid: str, parts: Sequence[Component], places: Places, plan: Plan, span: Span) -> Entry:
    """Without windows when the event has none in the span: over, further ahead, or called off one by one."""
    first, state = parts[0], _state(parts[0])
    if "RECURRENCE-ID" in first and any(_state(part) != "cancelled" for part in parts):
        state = "active"  # occurrences without their series: each of them speaks for itself
    names = _location(first).split(ROOM_SEPARATOR) if state != "cancelled" else []
    rooms = tuple(places.room(name.strip()) for name in names)
    for part in parts[1:]:
        if _location(part) not in ("", _location(first)):
            raise Refused("bad_request", "LOCATION", "an occurrence in another room has to be an event of its own")
        if part["RECURRENCE-ID"].params.get("RANGE"):
            raise Refused("bad_request", "RECURRENCE-ID", "RANGE is not understood; end the series and begin another")
    windows = {each for each in _windows(parts, rooms, places, span) if span.keeps(each)} if rooms else set()
    return Entry(
        where=f"event {uid}",
        ref=as_ref(uid, is_uid=True),
        state=state,
        rooms=rooms,
        windows=tuple(sorted(windows)),
        holder=as_ref(uid, is_uid=True),
        holder_kind="association" if plan.kind == "renter" else "staff",
        kind=plan.kind,
        sequence=max(map(_sequence, parts)),
        correlation={EVENT: as_ref(uid, is_uid=True)},
    )


def _windows(parts: Sequence[Component], rooms: tuple[str, ...], places: Places, span: Span) -> Iterator[Window]:
    zone = ZoneInfo(places.zone(rooms[0]))
    changed = {_moment(part.decoded("RECURRENCE-ID"), zone) for part in parts if "RECURRENCE-ID" in part}
    for part in parts:
        if _state(part) == "cancelled":
            continue
        start, length = _start_and_length(part)
        if not isinstance(start, datetime):
            yield from places.days(rooms, list(_dates(part, start, length, changed, zone, span)))
            continue
        local_zone = start.tzinfo or zone
        moved = "RECURRENCE-ID" in part
        for wall in _occurrences(part, start.replace(tzinfo=None), local_zone, span):
            if moved or _moment(wall, local_zone) not in changed:
                yield window(wall.replace(tzinfo=local_zone), (wall + length).replace(tzinfo=local_zone))


def _dates(
    part: Component, first: date, length: timedelta, changed: set[datetime], zone: ZoneInfo, span: Span
) -> Iterator[date]:
    """Every day of an all-day event that may reach into the span, without those that other parts have changed. One that
    "never ends" ends in the year 9999."""
    moved = "RECURRENCE-ID" in part
    near = (span.start - 2 * DAY_S, span.until + 2 * DAY_S)  # zones, and opening hours past midnight
    begins, ends = (datetime.fromtimestamp(at, UTC).toordinal() for at in near)
    for wall in _occurrences(part, datetime.combine(first, datetime.min.time()), zone, span):
        if moved or _moment(wall.date(), zone) not in changed:
            day = wall.date().toordinal()
            yield from map(date.fromordinal, range(max(day, begins), min(day + max(length.days, 1), ends)))


def _occurrences(part: Component, first: datetime, zone: tzinfo, span: Span) -> Iterator[datetime]:
    """The local starts of an event, EXDATE left out, at least all those that reach into the span."""
    excluded = [each.dt for each in _listed(part, "EXDATE")]
    days = {each for each in excluded if not isinstance(each, datetime)}
    moments = {_moment(each, zone) for each in excluded if isinstance(each, datetime)}
    added = [_wall(each.dt, zone) for each in _listed(part, "RDATE")]
    for wall in itertools.chain(_repeated(part, first, zone, span), added):
        if wall.date() not in days and _moment(wall, zone) not in moments:
            yield wall


def _repeated(part: Component, first: datetime, zone: tzinfo, span: Span) -> Iterator[datetime]:
    rule = part.get("RRULE")
    if rule is None or "RECURRENCE-ID" in part:
        yield first
        return
    _check_rule(rule)
    until = rule.get("UNTIL", [None])[0]
    last = _moment(until, zone, end_of_day=True) if until is not None else None
    most = min(int(rule.get("COUNT", [OCCURRENCES_MAX])[0]), OCCURRENCES_MAX)
    # UNTIL is an instant or a day, never a wall clock time, so it is compared here and taken out of the rule.
    plain = type(rule)({name: value for name, value in rule.items() if name not in ENDS})
    for wall in itertools.islice(rrulestr(plain.to_ical().decode(), dtstart=first), most):
        begin = _moment(wall, zone)
        if begin.timestamp() >= span.until or (last is not None and begin > last):
            return
        yield wall


def _check_rule(rule: Any) -> None:
    """Raises Refused for what is no rule of a calendar of rooms, or one that never comes true (30 February): that one
    would be looked for until the year 9999."""
    if isinstance(rule, list) or rule.get("FREQ", [""])[0] not in FREQUENCIES:
        raise Refused("bad_request", "RRULE", "one rule that repeats daily, weekly, monthly or yearly")
    if not set(rule) <= RULE_PARTS:
        raise Refused("bad_request", "RRULE", f"only {', '.join(sorted(RULE_PARTS))} are understood")
    if "BYSETPOS" in rule and rule["FREQ"][0] not in ("MONTHLY", "YEARLY"):
        raise Refused("bad_request", "RRULE", "BYSETPOS goes with FREQ=MONTHLY or YEARLY")
    if not names_a_day(map(int, rule.get("BYMONTH", [])), map(int, rule.get("BYMONTHDAY", []))):
        raise Refused("bad_request", "RRULE", "names no day that there is")


def _start_and_length(part: Component) -> tuple[date | datetime, timedelta]:
    if "DTSTART" not in part:
        raise Refused("window_required", "DTSTART", "an event needs a start")
    start = cast("date | datetime", part.decoded("DTSTART"))
    if "DURATION" in part:
        return start, cast(timedelta, part.decoded("DURATION"))
    if "DTEND" not in part:
        if isinstance(start, datetime):
            raise Refused("window_required", "DTEND", "an event with a time needs an end or a duration")
        return start, timedelta(days=1)
    end = cast("date | datetime", part.decoded("DTEND"))
    if isinstance(start, datetime) != isinstance(end, datetime):
        raise Refused("bad_request", "DTEND", "start and end are both times or both days")
    if isinstance(start, datetime) and isinstance(end, datetime):
        if end.tzinfo is not None and start.tzinfo is not None:
            end = end.astimezone(start.tzinfo)
        # Wall clock from wall clock: an evening over a clock change keeps its hours.
        return start, end.replace(tzinfo=None) - start.replace(tzinfo=None)
    return start, timedelta(days=end.toordinal() - start.toordinal())


def _moment(value: date | datetime, zone: tzinfo, *, end_of_day: bool = False) -> datetime:
    """The instant of a local or absolute time; a day counts from its first moment, or to its last one."""
    wall = _wall(value, zone)
    if end_of_day and not isinstance(value, datetime):
        wall += timedelta(days=1, microseconds=-1)
    return wall.replace(tzinfo=zone).astimezone(UTC)


def _wall(value: date | datetime, zone: tzinfo) -> datetime:
    if not isinstance(value, datetime):
        return datetime.combine(value, datetime.min.time())
    return value.replace(tzinfo=None) if value.tzinfo is None else value.astimezone(zone).replace(tzinfo=None)


def _listed(part: Component, name: str) -> list[Any]:
    """The values of a property that may stand there several times, with several values each."""
    found = part.get(name, [])
    return [value for each in (found if isinstance(found, list) else [found]) for value in each.dts]


def _state(part: Component) -> GrantState:
    status = str(part.get("STATUS", "")).upper()
    if status not in STATES:
        raise Refused("bad_request", "STATUS", f"is {', '.join(filter(None, STATES))} or left out")
    return STATES[status]


def _location(part: Component) -> str:
    return str(part.get("LOCATION", "")).strip()


def _sequence(part: Component) -> int:
    return int(part.get("SEQUENCE", 0))


def _attendees(parts: Sequence[Component]) -> list[str]:
    found = parts[0].get("ATTENDEE", [])
    return sorted({str(each).strip().lower() for each in (found if isinstance(found, list) else [found])})


def _personal(entry: Entry, uid: str, person: str) -> Entry:
    return replace(entry, ref=as_ref(f"{uid}:{person}", is_uid=True), holder=f"a-{person}")
