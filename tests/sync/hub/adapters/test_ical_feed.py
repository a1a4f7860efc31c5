"""Calendars: series in their own zone, changed and cancelled occurrences, all-day events, attendees, broken input."""

import hashlib
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.formats.errors import Refused
from sync.hub.adapters.entry import Entry, Rejected
from sync.hub.adapters.ical_feed import Plan, read_feed
from sync.hub.adapters.places import Places
from tests.sync.hub.adapters.conftest import ROOMS, at
from tests.sync.hub.conftest import ROOM_A

PLACES = Places(ROOMS, {"Feestzaal": ROOM_A})
JULY = at("2026-07-01T00:00")
HOUR = 3_600


def calendar(*events: str) -> bytes:
    lines = ["BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//test//EN"]
    for event in events:
        lines += ["BEGIN:VEVENT", *(line.strip() for line in event.strip().splitlines()), "END:VEVENT"]
    return "\r\n".join([*lines, "END:VCALENDAR", ""]).encode()


def event(*lines: str, uid="17@planner", location="Feestzaal") -> str:
    where = [f"LOCATION:{location}"] if location else []
    return "\n".join([f"UID:{uid}", "DTSTAMP:20260701T000000Z", *where, *lines])


def read(*events: str, now=JULY, **plan) -> list[Entry | Rejected]:
    keyed = Plan(**{"pseudonym": lambda text: hashlib.sha256(text.encode()).hexdigest()} | plan)
    return read_feed(calendar(*events), PLACES, keyed, now)


def one(*events: str, **plan) -> Entry:
    (found,) = read(*events, **plan)
    assert isinstance(found, Entry), found
    return found


def starts(entry: Entry) -> list[int]:
    return [start for start, _ in entry.windows]


AFTERNOON = ("DTSTART;TZID=Europe/Brussels:20260717T140000", "DTEND;TZID=Europe/Brussels:20260717T180000")
WEEKLY = (*AFTERNOON, "RRULE:FREQ=WEEKLY;COUNT=4")


def test_an_event_becomes_an_entry():
    entry = one(event(*AFTERNOON, "SEQUENCE:3", "SUMMARY:Anna Peeters, 0470 12 34 56"))
    assert (entry.ref, entry.sequence, entry.state, entry.kind) == ("17~40planner", 3, "active", "cleaning")
    assert entry.rooms == (ROOM_A,)
    assert entry.windows == ((at("2026-07-17T14:00"), at("2026-07-17T18:00")),)
    assert "Anna" not in repr(entry)


@pytest.mark.parametrize(
    "lines",
    [
        ("DTSTART:20260717T120000Z", "DTEND:20260717T160000Z"),
        ("DTSTART:20260717T140000", "DURATION:PT4H"),
        ("DTSTART;TZID=Romance Standard Time:20260717T140000", "DURATION:PT4H"),
    ],
)
def test_utc_local_and_windows_zones_mean_the_same(lines):
    assert one(event(*lines)).windows == ((at("2026-07-17T14:00"), at("2026-07-17T18:00")),)


@pytest.mark.parametrize(
    ("status", "state"), [("CONFIRMED", "active"), ("TENTATIVE", "pending"), ("CANCELLED", "cancelled")]
)
def test_status_becomes_state(status, state):
    assert one(event(*AFTERNOON, f"STATUS:{status}")).state == state


def test_a_cancellation_needs_no_room():
    assert one(event(*AFTERNOON, "STATUS:CANCELLED", location="")).state == "cancelled"


def test_a_series_is_one_entry_with_a_window_each_week():
    assert starts(one(event(*WEEKLY))) == [at(f"2026-07-{day}T14:00") for day in (17, 24, 31)] + [
        at("2026-08-07T14:00")
    ]


def test_a_series_keeps_its_hour_over_the_clock_change():
    autumn = (
        "DTSTART;TZID=Europe/Brussels:20261020T200000",
        "DURATION:PT2H",
        "RRULE:FREQ=WEEKLY;UNTIL=20261103T190000Z",
    )
    found = one(event(*autumn), now=at("2026-10-01T00:00"))
    assert starts(found) == [at("2026-10-20T20:00"), at("2026-10-27T20:00"), at("2026-11-03T20:00")]
    assert starts(found)[1] - starts(found)[0] == 7 * 24 * HOUR + HOUR


@pytest.mark.parametrize(
    "exdate",
    [
        "EXDATE;TZID=Europe/Brussels:20260724T140000",
        "EXDATE:20260724T120000Z",
        "EXDATE;VALUE=DATE:20260724",
        "EXDATE;TZID=Europe/Brussels:20260101T140000,20260724T140000",
    ],
)
def test_an_occurrence_left_out(exdate):
    assert at("2026-07-24T14:00") not in starts(one(event(*WEEKLY, exdate)))
    assert len(one(event(*WEEKLY, exdate)).windows) == 3


def test_an_extra_occurrence():
    extra = one(event(*WEEKLY, "RDATE;TZID=Europe/Brussels:20260801T100000"))
    assert at("2026-08-01T10:00") in starts(extra)
    assert len(extra.windows) == 5


def test_a_moved_and_a_cancelled_occurrence():
    moved = event(
        "RECURRENCE-ID;TZID=Europe/Brussels:20260724T140000",
        "DTSTART;TZID=Europe/Brussels:20260725T100000",
        "DTEND;TZID=Europe/Brussels:20260725T110000",
        "SEQUENCE:2",
    )
    cancelled = event("RECURRENCE-ID:20260731T120000Z", "DTSTART:20260731T120000Z", "STATUS:CANCELLED", location="")
    found = one(event(*WEEKLY, "SEQUENCE:1"), moved, cancelled)
    assert starts(found) == [at("2026-07-17T14:00"), at("2026-07-25T10:00"), at("2026-08-07T14:00")]
    assert found.sequence == 2
    assert found.state == "active"


def test_the_newest_of_two_versions_counts_whatever_their_order():
    old = event("RECURRENCE-ID:20260724T120000Z", "DTSTART:20260724T060000Z", "DURATION:PT1H", "SEQUENCE:1")
    new = event("RECURRENCE-ID:20260724T120000Z", "DTSTART:20260724T070000Z", "DURATION:PT1H", "SEQUENCE:2")
    for versions in ((old, new), (new, old)):
        found = starts(one(event(*WEEKLY), *versions))
        assert at("2026-07-24T09:00") in found
        assert at("2026-07-24T08:00") not in found


def test_an_occurrence_without_its_series_speaks_for_itself():
    lonely = event("RECURRENCE-ID:20260724T120000Z", "DTSTART:20260724T060000Z", "DURATION:PT1H")
    assert starts(one(lonely)) == [at("2026-07-24T08:00")]


def test_a_whole_day_event_that_never_ends_is_read_as_far_as_the_feed_reaches(monkeypatch):
    """Some planners write no end as the year 9999: three million days an event."""
    asked: list[int] = []
    days = Places.days

    def counted(places, rooms, found):
        asked.append(len(found))
        return days(places, rooms, found)

    monkeypatch.setattr(Places, "days", counted)
    endless = event("DTSTART;VALUE=DATE:20240101", "DTEND;VALUE=DATE:99991231")
    entry = one(endless, now=at("2026-07-16T12:00"), ahead_days=1)
    assert starts(entry) == [at(f"2026-07-{day}T08:00") for day in (15, 16)]
    assert asked[0] < 10


def test_all_day_events_mean_opening_hours():
    found = one(event("DTSTART;VALUE=DATE:20260717", "DTEND;VALUE=DATE:20260719"))
    assert found.windows == (
        (at("2026-07-17T08:00"), at("2026-07-17T22:00")),
        (at("2026-07-18T08:00"), at("2026-07-18T22:00")),
    )
    (refused,) = read(event("DTSTART;VALUE=DATE:20260717", location="B"))
    assert isinstance(refused, Rejected)
    assert refused.code == "window_required"


def test_an_endless_series_reaches_as_far_as_the_plan_and_no_further():
    endless = (*AFTERNOON, "RRULE:FREQ=DAILY")
    assert len(one(event(*endless), now=at("2026-07-17T02:00"), ahead_days=10).windows) == 10
    morning, evening = at("2026-07-20T02:00"), at("2026-07-20T23:00")
    assert one(event(*endless), now=morning) == one(event(*endless), now=evening)
    assert one(event(*endless), now=morning + 24 * HOUR).windows != one(event(*endless), now=morning).windows


def test_the_last_friday_of_each_month():
    last = one(event(*AFTERNOON, "RRULE:FREQ=MONTHLY;BYDAY=-1FR;COUNT=3"), ahead_days=365)
    assert starts(last) == [at(f"2026-{day}T14:00") for day in ("07-31", "08-28", "09-25")]


def test_what_is_over_has_no_windows():
    assert one(event(*AFTERNOON), now=at("2026-08-01T00:00")).windows == ()


def test_each_attendee_gets_a_reservation_without_an_address():
    people = ("ATTENDEE;CN=An:mailto:an@example.org", "ATTENDEE:mailto:Bea@example.org")
    found = read(event(*AFTERNOON, *people), per_attendee=True)
    assert len({each.ref for each in found}) == 2
    assert len({each.holder for each in found if isinstance(each, Entry)}) == 2
    assert "example.org" not in repr(found).replace("17@planner", "")
    again = read(event(*AFTERNOON, "ATTENDEE:MAILTO:bea@example.org", uid="17@planner"), per_attendee=True)
    assert {each.ref for each in again} < {each.ref for each in found}


@pytest.mark.parametrize(
    ("lines", "code"),
    [
        (("DTEND:20260717T120000Z",), "window_required"),
        (("DTSTART:20260717T120000Z",), "window_required"),
        (("DTSTART:20260717T120000Z", "DTEND:20260717T110000Z"), "bad_request"),
        (("DTSTART:20260717T120030Z", "DTEND:20260717T130000Z"), "bad_request"),
        (("DTSTART:20260717T120000Z", "DTEND;VALUE=DATE:20260718"), "bad_request"),
        (("DTSTART:yesterday", "DTEND:today"), "bad_request"),
        ((*AFTERNOON, "STATUS:MAYBE"), "bad_request"),
        ((*AFTERNOON, "SEQUENCE:new"), "bad_request"),
        ((*AFTERNOON, "RRULE:FREQ=SECONDLY"), "bad_request"),
        ((*AFTERNOON, "RRULE:FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30"), "bad_request"),
        ((*AFTERNOON, "RRULE:FREQ=DAILY;BYSETPOS=2;COUNT=3"), "bad_request"),
        ((*AFTERNOON, "RRULE:FREQ=DAILY;BYHOUR=1,2,3"), "bad_request"),
        ((*AFTERNOON, "RRULE:FREQ=DAILY", "RRULE:FREQ=WEEKLY"), "bad_request"),
    ],
)
def test_a_bad_event_is_named_and_the_others_are_read(lines, code):
    bad, good = read(event(*lines, uid="bad"), event(*AFTERNOON, uid="good"))
    assert isinstance(bad, Rejected)
    assert (bad.where, bad.code) == ("event bad", code)
    assert isinstance(good, Entry)


def test_another_room_for_one_occurrence_is_an_event_of_its_own():
    other = event("RECURRENCE-ID:20260724T120000Z", "DTSTART:20260724T060000Z", "DURATION:PT1H", location="B")
    (found,) = read(event(*WEEKLY), other)
    assert isinstance(found, Rejected)
    assert "LOCATION" in found.text


@pytest.mark.parametrize(
    "data", [b"", b"<html>Service unavailable</html>", calendar(), b"BEGIN:VCALENDAR\r\n", b"\xff\xfe", b"BEGIN:VEVENT"]
)
def test_what_is_no_calendar_or_an_empty_one_is_refused_whole(data):
    with pytest.raises(Refused) as refused:
        read_feed(data, PLACES, Plan(), JULY)
    assert refused.value.code == "bad_feed"


@given(st.integers(0, 180), st.integers(1, 40), st.sets(st.integers(0, 39), max_size=10), st.integers(1, 3))
def test_weekly_series_against_plain_arithmetic(offset, count, left_out, interval):
    """Every occurrence at 20:00 local time, computed day by day instead of by rule."""
    first = date(2026, 6, 1) + timedelta(days=offset)
    days = [first + timedelta(weeks=interval * each) for each in range(count) if each not in left_out]
    exdates = [
        f"EXDATE;TZID=Europe/Brussels:{first + timedelta(weeks=interval * each):%Y%m%d}T200000" for each in left_out
    ]
    rule = f"RRULE:FREQ=WEEKLY;INTERVAL={interval};COUNT={count}"
    start = f"DTSTART;TZID=Europe/Brussels:{first:%Y%m%d}T200000"
    found = one(event(start, "DURATION:PT2H", rule, *exdates), now=at("2026-06-01T00:00"), ahead_days=365)
    horizon = int(datetime(2026, 5, 31, tzinfo=UTC).timestamp()) + 365 * 24 * HOUR
    assert starts(found) == [moment for day in days if (moment := at(f"{day}T20:00")) < horizon]
