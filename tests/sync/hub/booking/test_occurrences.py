"""Local time to instants: both clock changes, both hemispheres, exceptions, days and long rentals."""

import calendar
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from controller.formats.errors import Refused
from sync.hub.booking.occurrences import MAX_WINDOWS, Days, Hours, LocalRoom, Series, names_a_day

HALL = LocalRoom("Europe/Brussels", {"fri": [["08:00", "12:00"], ["13:00", "24:00"]]})
WEEKDAYS_8_TO_18 = {day: [["08:00", "18:00"]] for day in ("mon", "tue", "wed", "thu", "fri")}


def local(instant: int, zone: str) -> str:
    return datetime.fromtimestamp(instant, UTC).astimezone(ZoneInfo(zone)).isoformat()


def test_a_day_that_no_month_has_is_known_before_it_is_looked_for():
    for month in range(1, 13):
        _, last = calendar.monthrange(2028, month)  # a leap year
        assert [names_a_day([month], [day]) for day in (1, last, -last)] == [True, True, True]
        assert [names_a_day([month], [day]) for day in (0, last + 1, -last - 1)] == [False, False, False]
    assert names_a_day([], [31])
    assert names_a_day([2], [])
    assert names_a_day([2, 3], [30])


@pytest.mark.parametrize(
    ("zone", "offsets"),
    [("Europe/Brussels", {"+01:00", "+02:00"}), ("Australia/Hobart", {"+10:00", "+11:00"})],
)
def test_twenty_hundred_stays_twenty_hundred_over_a_year(zone, offsets):
    """R002-21: 52 weekly occurrences over both clock changes, in both hemispheres."""
    found = Series("2026-01-05T20:00", "2026-01-05T22:00", "FREQ=WEEKLY;COUNT=52").windows(LocalRoom(zone, {}))
    assert len(found) == 52
    assert {local(start, zone)[11:16] for start, _ in found} == {"20:00"}
    assert {local(until, zone)[11:16] for _, until in found} == {"22:00"}
    assert {local(start, zone)[-6:] for start, _ in found} == offsets


def test_the_two_nights_of_the_clock_change():
    """R002-26: 29 March and 25 October 2026 in Brussels."""
    spring = Series("2026-03-28T23:00", "2026-03-29T03:00", "FREQ=DAILY;COUNT=1").windows(HALL)
    autumn = Series("2026-10-24T23:00", "2026-10-25T03:00", "FREQ=DAILY;COUNT=1").windows(HALL)
    assert [(until - start) / 3600 for start, until in spring + autumn] == [3, 5]
    skipped = Series("2026-03-29T02:30", "2026-03-29T04:00", "FREQ=DAILY;COUNT=1").windows(HALL)
    assert local(skipped[0][0], "Europe/Brussels") == "2026-03-29T03:30:00+02:00"
    doubled = Series("2026-10-25T02:30", "2026-10-25T04:00", "FREQ=DAILY;COUNT=1").windows(HALL)
    assert local(doubled[0][0], "Europe/Brussels") == "2026-10-25T02:30:00+02:00"


@pytest.mark.parametrize(("start", "end"), [("02:30", "03:30"), ("02:15", "03:00"), ("02:00", "02:45")])
def test_booked_time_that_the_clocks_go_over_keeps_its_length(start, end):
    ((begins, ends),) = Series(f"2026-03-29T{start}", f"2026-03-29T{end}", "FREQ=DAILY;COUNT=1").windows(HALL)
    minutes = [int(each[:2]) * 60 + int(each[3:]) for each in (start, end)]
    assert ends - begins == 60 * (minutes[1] - minutes[0])


@pytest.mark.parametrize(("until", "evenings"), [("180000Z", 4), ("175959Z", 3), ("200000", 4), ("195959", 3), ("", 4)])
@pytest.mark.parametrize("first", ["2026-01-05", "2026-07-06"])
def test_until_is_inclusive_an_instant_where_it_says_so_and_a_whole_day_without_a_time(until, evenings, first):
    day = datetime.fromisoformat(first)
    if day.month == 1 and until.endswith("Z"):
        until = f"{int(until[:6]) + 10_000}Z"  # Brussels is an hour ahead in winter, two in summer
    rule = f"FREQ=WEEKLY;UNTIL={day + timedelta(days=21):%Y%m%d}{until and 'T' + until}"
    assert len(Series(f"{first}T20:00", f"{first}T22:00", rule).windows(HALL)) == evenings


def test_an_exception_is_left_out_and_until_is_inclusive():
    """R002-21: one evening is cancelled alone."""
    rule = "FREQ=WEEKLY;BYDAY=MO;UNTIL=20260928T180000Z"
    found = Series("2026-09-07T20:00", "2026-09-07T22:00", rule, ("2026-09-14",)).windows(HALL)
    assert [local(start, "Europe/Brussels")[:10] for start, _ in found] == ["2026-09-07", "2026-09-21", "2026-09-28"]


@pytest.mark.parametrize(
    "series",
    [
        Series("2026-09-07T20:00", "2026-09-07T22:00", "FREQ=WEEKLY"),
        Series("2026-09-07T20:00", "2026-09-07T22:00", f"FREQ=DAILY;COUNT={MAX_WINDOWS + 1}"),
        Series("2026-09-07T20:00", "2026-09-07T22:00", "FREQ=SECONDLY;COUNT=3"),
        Series("2026-09-07T20:00", "2026-09-07T22:00", "FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30;COUNT=1"),
        Series("2026-09-07T20:00", "2026-09-07T22:00", "FREQ=WEEKLY;COUNT=x"),
        Series("2026-09-07T20:00", "2026-09-07T22:00", "FREQ=WEEKLY;COUNT=２"),
        Series("2026-09-07T20:00", "2026-09-07T22:00", "FREQ=DAILY;BYSECOND=30;COUNT=2"),
        Series("2026-09-07T20:00", "2026-09-07T22:00", "FREQ=WEEKLY;UNTIL=00010101T000000Z"),
        Series("2026-09-07T20:00+02:00", "2026-09-07T22:00", "FREQ=WEEKLY;COUNT=2"),
        Series("2026-09-07T20:00", "2026-09-07T20:00", "FREQ=WEEKLY;COUNT=2"),
    ],
)
def test_series_that_are_refused(series):
    with pytest.raises(Refused, match="bad_request"):
        series.windows(HALL)


def test_a_season_has_up_to_400_windows():
    """R004-19."""
    found = Series("2026-09-07T20:00", "2026-09-07T22:00", f"FREQ=DAILY;COUNT={MAX_WINDOWS}").windows(HALL)
    assert len(found) == MAX_WINDOWS


def test_a_day_is_the_rooms_opening_hours():
    """R000-03: never 00:00 to 24:00 in silence."""
    found = Days(("2026-07-17",)).windows(HALL)
    assert [(local(a, HALL.zone)[11:16], local(b, HALL.zone)[:16]) for a, b in found] == [
        ("08:00", "2026-07-17T12:00"),
        ("13:00", "2026-07-18T00:00"),
    ]
    with pytest.raises(Refused, match="window_required"):
        Days(("2026-07-18",)).windows(HALL)


def test_long_term_with_weekly_hours():
    """R004-20: Monday to Friday 08-18, no Saturday."""
    found = Hours("2026-09-01", "2027-08-31", WEEKDAYS_8_TO_18).windows(HALL)
    assert len(found) == 261
    assert {datetime.fromtimestamp(start, ZoneInfo(HALL.zone)).weekday() for start, _ in found} == set(range(5))
    (whole,) = Hours("2026-09-01", "2026-10-31", {}).windows(HALL)
    assert (local(whole[0], HALL.zone)[:16], local(whole[1], HALL.zone)[:16]) == (
        "2026-09-01T00:00",
        "2026-11-01T00:00",
    )
    with pytest.raises(Refused, match="bad_request"):
        Hours("2026-09-02", "2026-09-01", {}).windows(HALL)
