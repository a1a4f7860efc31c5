"""What a sheet says: grouped PINs, times in the room's zone, only what its codes can do."""

from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sync.hub.artefacts.sheet import TIMES_MAX, Pin, grouped
from tests.sync.hub.artefacts.sheets import BRUSSELS, START, sheet, time


@pytest.mark.parametrize(
    ("digits", "told"), [("123456", "123 456"), ("1234567", "123 456 7"), ("12345678", "1234 5678")]
)
def test_a_pin_is_grouped_for_reading_aloud(digits, told):
    assert grouped(digits) == told


@given(st.text("0123456789", min_size=6, max_size=8))
def test_grouping_loses_no_digit(digits):
    assert grouped(digits).replace(" ", "") == digits


def test_times_are_told_with_the_moment_the_door_opens():
    assert sheet().when() == ["vrijdag 17 juli 2026, 14:00 – 18:00 (de deur gaat open vanaf 13:45)"]


def test_a_time_without_margin_says_nothing_about_opening():
    assert sheet(times=(time(early_min=0),)).when() == ["vrijdag 17 juli 2026, 14:00 – 18:00"]


def test_a_night_names_both_days():
    assert sheet(times=(time(hours=12, early_min=0),)).when() == [
        "vrijdag 17 juli 2026, 14:00 – zaterdag 18 juli 2026, 02:00"
    ]


def test_winter_and_summer_are_told_in_local_time():
    winter = time(datetime(2026, 12, 4, 14, 0, tzinfo=BRUSSELS), early_min=0)
    assert winter.start.utcoffset() == timedelta(hours=1)
    assert sheet(times=(winter,)).when() == ["vrijdag 4 december 2026, 14:00 – 18:00"]


def test_a_season_is_counted_beyond_the_first_dozen():
    lines = sheet(times=tuple(time(START + timedelta(weeks=week)) for week in range(30))).when()
    assert len(lines) == TIMES_MAX + 1
    assert lines[-1] == "en nog 18 keer; zie uw reservatie"


def test_two_pins_are_told_apart_by_the_rooms_they_lead_to():
    told = sheet(pins=(Pin("123456", ("Feestzaal",)), Pin("12345678", ("Kelder", "Zolder")))).codes()
    assert told == [("Uw code voor Feestzaal", "123 456"), ("Uw code voor Kelder en Zolder", "1234 5678")]


def test_only_what_the_sheet_holds_is_explained():
    words = sheet().words
    assert sheet(qr=None).at_the_door() == [words.door_pin, words.secret]
    assert sheet(pins=()).at_the_door() == [words.door_qr_only, words.secret]
    assert sheet().at_the_door() == [words.door_pin, words.door_qr, words.secret]


def test_the_rooms_own_leave_instructions_take_the_place_of_the_general_ones():
    assert sheet(leave=("Zet de verwarming op 1.",)).leaving() == ("Zet de verwarming op 1.",)
    assert len(sheet().leaving()) == 3
