"""One SMS: 160 places of GSM-7 whatever the language and the room is called."""

from datetime import timedelta
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.formats.code_list import Language
from controller.formats.errors import Refused
from sync.hub.artefacts.sheet import Pin
from sync.hub.artefacts.sms import BASIC, EXTENSION, SMS_MAX, as_gsm7, septets, sms
from tests.sync.hub.artefacts.sheets import START, sheet, time

LANGUAGES = get_args(Language)
SEASON = tuple(time(START + timedelta(weeks=week), hours=14) for week in range(400))


def test_the_alphabet_is_that_of_gsm_03_38():
    # 128 codes less the escape; ten more behind it. What a phone sends in one place each, and what not.
    assert len(BASIC) == 127
    assert len(EXTENSION) == 10
    assert septets("Zaal é à Ç Ñ ß Ø @") == 18
    assert septets("€[]") == 6
    assert [septets(text) for text in ("ç", "ê", "œ", "’", "–")] == [None] * 5


def test_the_message_in_dutch():
    assert sms(sheet()) == "Feestzaal: 17/07/2026 14:00-18:00. Uw code: 123 456"


def test_the_message_of_a_night_in_a_series():
    told = sms(sheet(language="fr", times=SEASON[:3], rooms=("Salle des fêtes",)))
    assert told == "Salle des fetes: 17/07/2026 14:00-18/07 04:00 (+2). Votre code: 123 456"


@given(
    st.sampled_from(LANGUAGES),
    st.lists(st.text(min_size=1, max_size=200), min_size=1, max_size=3),
    st.sampled_from([SEASON, SEASON[:1]]),
    st.sampled_from([(Pin("123456"),), (Pin("12345678", ("A",)), Pin("87654321", ("B",)))]),
)
def test_it_fits_and_keeps_date_times_and_pin_whatever_the_room_is_called(language, rooms, times, pins):
    told = sms(sheet(language=language, rooms=tuple(rooms), times=times, pins=pins))
    places = septets(told)
    assert places is not None
    assert places <= SMS_MAX
    assert "17/07/2026 14:00-18/07 04:00" in told
    assert told.endswith("123 456" if len(pins) == 1 else "1234 5678 / 8765 4321")


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_longest_room_name_is_shortened_and_says_so(language):
    told = sms(sheet(language=language, rooms=("Polyvalente zaal op de tweede verdieping " * 5,), times=SEASON))
    assert SMS_MAX - 1 <= (septets(told) or 0) <= SMS_MAX
    assert told.startswith("Polyvalente zaal op de tweede verdieping")
    assert "..: 17/07/2026" in told


@given(st.text(max_size=300))
def test_everything_can_be_written_in_the_alphabet(text):
    assert septets(as_gsm7(text)) is not None


def test_accents_the_alphabet_lacks_are_dropped_and_others_kept():
    assert as_gsm7("Hôtel français, Œuvre – “été” l’été") == 'Hotel francais, OEuvre - "été" l\'été'


def test_a_qr_code_is_no_text():
    with pytest.raises(Refused, match="not_found"):
        sms(sheet(pins=()))
