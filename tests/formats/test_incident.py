"""Incident numbers: short, the same for everybody, and about nothing but the record's place."""

import re

from hypothesis import given
from hypothesis import strategies as st

from controller.formats.incident import as_written, incident_number

LOG = "00112233445566aa"


def test_a_fixed_place_has_a_fixed_number():
    assert incident_number("hall-1", LOG, 17) == "989-131-060"


@given(st.integers(1, (1 << 53) - 1))
def test_it_can_be_read_out_and_written_down_again(seq: int):
    number = incident_number("hall-1", LOG, seq)
    assert re.fullmatch(r"\d{3}-\d{3}-\d{3}", number)
    assert as_written(number.replace("-", " ")) == as_written(number.replace("-", "")) == number


def test_door_log_and_number_all_count():
    places = [("hall-1", LOG, 1), ("hall-1", LOG, 2), ("hall-2", LOG, 1), ("hall-1", "f" * 16, 1)]
    assert len({incident_number(*place) for place in places}) == len(places)


def test_anything_else_is_no_number():
    for text in ("", "12345678", "1234567890", "12-34a-678", "١٢٣٤٥٦٧٨٩"):
        assert as_written(text) is None
