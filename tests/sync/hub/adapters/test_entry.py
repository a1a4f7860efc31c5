"""Refs from foreign identifiers, and what an entry may not carry in."""

import re
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.formats.errors import Refused
from sync.hub.adapters.entry import Entry, as_ref, window
from sync.hub.api.bodies import REF
from tests.sync.hub.conftest import NOW, ROOM_A

WHEN = datetime(2026, 7, 17, 14, tzinfo=UTC)


def entry(**changes) -> Entry:
    members = {"where": "row 2", "ref": "W-12", "state": "active", "rooms": (ROOM_A,), "windows": ((NOW, NOW + 60),)}
    return Entry(**(members | {"holder": "h-1"} | changes))


def test_a_ref_stays_what_it_is_where_it_can():
    assert as_ref("MOR-2026-004711") == "MOR-2026-004711"
    assert as_ref("17@planner.example", is_uid=True) == "17~40planner.example"
    assert as_ref("é{1}") == "~C3~A9~7B1~7D"


def test_what_is_too_long_or_looks_like_a_person_becomes_a_digest():
    for name in ("x" * 101, "0470 12 34 56", "0470123456", "85.07.30-033.28", "an@example.org", ""):
        assert re.fullmatch(r"h-[0-9a-f]{32}", as_ref(name))


@given(st.text(max_size=150), st.text(max_size=150))
def test_every_name_gives_a_good_ref_and_different_names_different_ones(one, other):
    assert re.fullmatch(REF, as_ref(one))
    assert (as_ref(one) == as_ref(other)) == (one == other)


@pytest.mark.parametrize("changes", [{"ref": "0470123456"}, {"holder": "an@example.org"}])
def test_personal_data_stays_out(changes):
    with pytest.raises(Refused, match="personal_data_refused"):
        entry(**changes).wish(1, "csv")


@pytest.mark.parametrize("holder", ["", " x", "x" * 101, "Véronique"])
def test_a_holder_is_a_plain_reference(holder):
    with pytest.raises(Refused, match="bad_request"):
        entry(holder=holder).wish(1, "csv")


def test_a_wish_tells_source_and_sequence():
    wish = entry(sequence=4, correlation={"event": "e"}).wish(7, "cleaning")
    assert wish.revision == 7
    assert wish.correlation == {"event": "e", "sequence": "4", "source": "cleaning"}


def test_windows_are_whole_minutes_that_go_forward():
    assert window(WHEN, WHEN.replace(hour=15)) == (int(WHEN.timestamp()), int(WHEN.timestamp()) + 3600)
    for start, end in ((WHEN, WHEN), (WHEN.replace(second=1), WHEN.replace(hour=15))):
        with pytest.raises(Refused, match="bad_request"):
            window(start, end)


def test_a_time_the_clocks_go_over_keeps_its_length():
    """Two times of one zone compare as the wall clock shows them: 02:15 comes before 03:00 also when it is 03:15."""
    brussels = ZoneInfo("Europe/Brussels")
    start, end = (datetime(2026, 3, 29, *clock, tzinfo=brussels) for clock in ((2, 15), (3, 0)))
    begins, ends = window(start, end)
    assert ends - begins == 45 * 60
