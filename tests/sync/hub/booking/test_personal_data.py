"""What looks like a person and what does not."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.formats.errors import Refused
from sync.hub.booking.personal_data import refuse_person, refuse_personal_data


@given(
    st.dates(date(1920, 1, 1), date(2026, 1, 1)), st.integers(1, 997), st.sampled_from(["", *" ./_-"]), st.booleans()
)
def test_every_register_number_is_refused(born, serial, mark, written_out):
    first = f"{born:%y%m%d}{serial:03d}"
    check = 97 - int(("2" if born.year >= 2000 else "") + first) % 97
    number = f"{first}{check:02d}"
    if written_out:
        number = mark.join((number[:2], number[2:4], number[4:6], number[6:9], number[9:]))
    elif mark:
        number = f"{number[:2]}.{number[2:4]}.{number[4:6]}-{number[6:9]}{mark}{number[9:]}"
    with pytest.raises(Refused) as refused:
        refuse_personal_data([("holder.ref", f"x {number}")])
    assert refused.value.where == "holder.ref"
    assert number not in str(refused.value)


@pytest.mark.parametrize("text", ["a@b.be", "+32 470 12 34 56", "0032470123456", "03/444.18.16", "0470123456"])
def test_addresses_are_refused(text):
    with pytest.raises(Refused, match="personal_data_refused"):
        refuse_personal_data([("ref", text)])


@pytest.mark.parametrize(
    "text", ["MOR-2026-004711", "h_7f3c9a", "D-2026-1234", "85073003327", "2026071712345", "V1234567", "zaal A"]
)
def test_references_come_in(text):
    refuse_personal_data([("ref", text)])


@pytest.mark.parametrize("text", ["Jan Janssens", "Kerkstraat 12", "h_7f a@b.be", "a@b.be"])
def test_a_holder_is_one_word_that_reaches_nobody(text):
    with pytest.raises(Refused, match="personal_data_refused") as refused:
        refuse_person("holder.ref", text)
    assert text not in str(refused.value)
    refuse_person("holder.ref", "h_7f3c9a")


@pytest.mark.parametrize("piece", ['"', "a@", "0.", " +1-"])
def test_a_long_text_takes_time_in_proportion(piece):
    """It would be hours where a search takes the square of the length, and the hub would answer nobody meanwhile."""
    refuse_personal_data([("holder.ref", piece * 200_000)])
