"""CSV: each spelling a spreadsheet may save, each row that cannot be read by its number, the same file twice."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.formats.errors import Refused
from sync.hub.adapters.csv_upload import COLUMNS, read_csv
from sync.hub.adapters.entry import Entry, Rejected
from sync.hub.adapters.places import Places
from tests.sync.hub.adapters.conftest import ROOMS, at
from tests.sync.hub.conftest import NOW, ROOM_A

PLACES = Places(ROOMS, {"Feestzaal": ROOM_A})
FILE = """ref;room;date;start;end;category
W-1;Feestzaal;17/07/2026;14:00;18:00;
W-2;B;2026-07-18;9:30;24:00;cleaning
"""


def read(text: str | bytes) -> list[Entry | Rejected]:
    return read_csv(text.encode() if isinstance(text, str) else text, PLACES)


def rows(*lines: str, header="ref,room,date,start,end") -> list[Entry | Rejected]:
    return read("\n".join([header, *lines]))


def test_a_file_as_a_spreadsheet_saves_it():
    first, second = read(FILE)
    assert isinstance(first, Entry)
    assert isinstance(second, Entry)
    assert (first.where, first.ref, first.rooms, first.kind, first.holder_kind) == (
        "row 2", "W-1", (ROOM_A,), "renter", "association",
    )  # fmt: skip
    assert first.windows == ((at("2026-07-17T14:00"), at("2026-07-17T18:00")),)
    assert second.windows == ((at("2026-07-18T09:30"), at("2026-07-19T00:00")),)
    assert (second.kind, second.holder_kind) == ("cleaning", "staff")


@pytest.mark.parametrize(
    "data",
    [
        FILE.encode(),
        FILE.encode("utf-8-sig"),
        FILE.replace("\n", "\r\n").encode(),
        FILE.replace(";", ",").encode(),
        FILE.replace(";", "\t").encode(),
        FILE.replace("ref;", '"Ref";').encode("windows-1252"),
    ],
)
def test_every_usual_spelling_reads_the_same(data):
    assert read(data) == read(FILE)


def test_a_bad_row_is_named_and_the_others_are_read():
    found = rows(
        "W-1,Feestzaal,17/07/2026,14:00,18:00",
        "W-2,Zolder,17/07/2026,14:00,18:00",
        "W-3,Feestzaal,31/02/2026,14:00,18:00",
        "W-4,Feestzaal,17/07/2026,14:00,13:00",
        "W-5,Feestzaal,17/07/2026,14u,18u",
        ",Feestzaal,17/07/2026,14:00,18:00",
        "W-7,Feestzaal,17/07/2026,14:00,",
        "an@example.org,Feestzaal,17/07/2026,14:00,18:00",
    )
    assert isinstance(found[0], Entry)
    told = [(each.where, each.code) for each in found[1:] if isinstance(each, Rejected)]
    assert told == [
        ("row 3", "unknown_room"),
        ("row 4", "bad_request"),
        ("row 5", "bad_request"),
        ("row 6", "bad_request"),
        ("row 7", "bad_request"),
        ("row 8", "window_required"),
        ("row 9", "bad_request"),
    ]


def test_several_rows_of_one_ref_are_one_reservation():
    (found,) = rows("W-1,Feestzaal,24/07/2026,14:00,18:00", "W-1,Feestzaal,17/07/2026,14:00,18:00")
    assert isinstance(found, Entry)
    assert [start for start, _ in found.windows] == [at("2026-07-17T14:00"), at("2026-07-24T14:00")]


def test_one_bad_row_of_a_reservation_keeps_all_of_it_out():
    found = rows("W-1,Feestzaal,17/07/2026,14:00,18:00", "W-1,B,18/07/2026,14:00,18:00")
    assert {each.where for each in found if isinstance(each, Rejected)} == {"row 2", "row 3"}
    assert len(found) == 2


def test_a_day_without_times_means_the_opening_hours():
    (found,) = rows("W-1,Feestzaal,17/07/2026,,")
    assert isinstance(found, Entry)
    assert found.windows == ((at("2026-07-17T08:00"), at("2026-07-17T22:00")),)
    closed, no_hours = rows("W-1,Feestzaal,19/07/2026,,", "W-2,B,17/07/2026,,")
    assert [each.code for each in (closed, no_hours) if isinstance(each, Rejected)] == ["window_required"] * 2


def test_an_evening_past_midnight_names_the_second_day():
    header = "ref,room,date,start,end,end_date"
    (found,) = rows("W-1,Feestzaal,17/07/2026,20:00,02:00,18/07/2026", header=header)
    assert isinstance(found, Entry)
    assert found.windows == ((at("2026-07-17T20:00"), at("2026-07-18T02:00")),)


@pytest.mark.parametrize(("day", "start"), [("25/10/2026", "02:30"), ("29/03/2026", "02:30")])
def test_a_time_that_a_clock_change_skips_or_repeats_is_asked_about(day, start):
    (found,) = rows(f"W-1,Feestzaal,{day},{start},12:00")
    assert isinstance(found, Rejected)
    assert "clocks change" in found.text


def test_midnight_after_the_last_day_there_is_costs_that_row_alone():
    late, fine = rows("W-1,Feestzaal,31/12/9999,14:00,24:00", "W-2,Feestzaal,17/07/2026,14:00,18:00")
    assert isinstance(late, Rejected)
    assert isinstance(fine, Entry)


def test_times_are_those_of_the_room():
    (found,) = rows("W-1,perth,17/07/2026,14:00,18:00")
    assert isinstance(found, Entry)
    assert found.windows[0][0] == at("2026-07-17T14:00", "Australia/Perth")
    (mixed,) = rows("W-1,Feestzaal|perth,17/07/2026,14:00,18:00")
    assert isinstance(mixed, Rejected)


def test_a_cancellation_needs_neither_room_nor_date():
    (found,) = rows("W-1,,,,,cancelled", header="ref,room,date,start,end,state")
    assert isinstance(found, Entry)
    assert (found.state, found.rooms, found.windows) == ("cancelled", (), ())


def test_a_moved_reservation_under_a_new_ref_keeps_the_code(intake, hub_places, service):
    header = "ref,room,date,start,end,replaces"

    def upload(*lines: str) -> list[str]:
        return [each.result for each in intake.take(read_csv("\n".join([header, *lines]).encode(), hub_places()), NOW)]

    assert upload("W-1,Feestzaal,15/07/2026,14:00,18:00,") == ["created"]
    before = {code.pin for code in service.reveal("booking", "W-1", NOW).credentials if code.pin}
    moved = "W-2,Feestzaal,15/07/2026,16:00,20:00,W-1"
    assert upload(moved) == ["created"]
    assert {code.pin for code in service.reveal("booking", "W-2", NOW).credentials if code.pin} == before
    assert upload(moved) == ["unchanged"]


@pytest.mark.parametrize("column", ["naam", "email", "", "telefoon"])
def test_an_unknown_column_stops_the_file(column):
    with pytest.raises(Refused, match="row 1"):
        rows(header=f"ref,room,date,{column}")


@pytest.mark.parametrize("data", [b"", b"ref,room\n", b"ref,room,date,ref\n", b'ref,room,date\n"open'])
def test_what_is_no_such_table_is_refused_whole(data):
    with pytest.raises(Refused) as refused:
        read(data)
    assert refused.value.code == "bad_file"


def test_too_many_rows_are_refused():
    with pytest.raises(Refused, match="at most 5000 rows"):
        rows(*["W-1,Feestzaal,17/07/2026,14:00,18:00"] * 5_001)


@given(st.lists(st.lists(st.text(max_size=12), min_size=1, max_size=12), max_size=5))
def test_whatever_stands_in_the_cells_is_an_entry_or_a_named_row(cells):
    lines = [";".join(each.replace(";", "").replace('"', "") for each in row) for row in cells]
    with suppress(Refused):  # no table at all
        assert all(each.where.startswith("row ") for each in read("\n".join([";".join(COLUMNS), *lines])))


def test_the_same_file_again_changes_nothing(intake, hub_places):
    def upload():
        return [each.result for each in intake.take(read_csv(FILE.encode(), hub_places()), NOW)]

    assert upload() == ["created", "created"]
    assert upload() == ["unchanged", "unchanged"]
