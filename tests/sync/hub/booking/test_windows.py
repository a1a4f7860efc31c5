"""Margins and clipping: a table at the edges, and random calendars in which two renters never both open (R002-01)."""

import itertools

from hypothesis import given
from hypothesis import strategies as st

from sync.hub.booking.windows import Booking, RoomWays, merged, openings

HOUR, MINUTE = 3600, 60
HALL = RoomWays("hall", 15 * MINUTE, 15 * MINUTE, ("hall-1",), ("front",))


def renter(grant: str, start: int, until: int) -> Booking:
    return Booking(grant, "hall", start, until, renter=True)


def at(door: str, bookings: list[Booking], room: RoomWays = HALL) -> dict[str, tuple[tuple[int, int], ...]]:
    found = [opening for opening in openings([room], bookings) if opening.door == door]
    return {grant: merged((o.start, o.until) for o in found if o.grant == grant) for grant in {o.grant for o in found}}


def test_margins_apply_on_both_sides():
    assert at("hall-1", [renter("a", 10 * HOUR, 12 * HOUR)]) == {"a": ((10 * HOUR - 900, 12 * HOUR + 900),)}


def test_a_margin_stops_at_the_neighbours_booked_time_and_meeting_margins_split():
    bookings = [renter("a", 8 * HOUR, 10 * HOUR), renter("b", 10 * HOUR + 20 * MINUTE, 12 * HOUR)]
    middle = 10 * HOUR + 10 * MINUTE
    assert at("hall-1", bookings) == {"a": ((8 * HOUR - 900, middle),), "b": ((middle, 12 * HOUR + 900),)}
    back_to_back = [renter("a", 8 * HOUR, 10 * HOUR), renter("b", 10 * HOUR, 12 * HOUR)]
    assert at("hall-1", back_to_back)["a"][0][1] == at("hall-1", back_to_back)["b"][0][0] == 10 * HOUR


def test_only_the_contested_stretch_is_split():
    lopsided = RoomWays("hall", 60 * MINUTE, 0, ("hall-1",))
    bookings = [renter("a", 8 * HOUR, 10 * HOUR), renter("b", 10 * HOUR + 30 * MINUTE, 12 * HOUR)]
    assert at("hall-1", bookings, lopsided)["b"][0][0] == 10 * HOUR


def test_the_second_window_of_a_grant_gives_way_as_well():
    bookings = [
        renter("a", 8 * HOUR, 9 * HOUR),
        renter("b", 9 * HOUR, 9 * HOUR + 60),
        renter("b", 9 * HOUR + 120, 10 * HOUR),
    ]
    assert at("hall-1", bookings)["b"] == ((9 * HOUR, 10 * HOUR + 900),)


def test_an_entrance_clips_nobody_and_staff_give_way_to_nobody():
    bookings = [
        renter("a", 8 * HOUR, 10 * HOUR),
        renter("b", 10 * HOUR, 12 * HOUR),
        Booking("cleaner", "hall", 10 * HOUR, 11 * HOUR, renter=False),
    ]
    assert at("front", bookings)["a"] == ((8 * HOUR - 900, 10 * HOUR + 900),)
    assert at("hall-1", bookings)["cleaner"] == ((10 * HOUR - 900, 11 * HOUR + 900),)
    assert at("hall-1", bookings)["a"][0][1] == 10 * HOUR


def test_a_room_without_bookings_opens_for_nobody():
    assert openings([HALL], []) == []


def test_clipped_is_told():
    found = openings([HALL], [renter("a", 8 * HOUR, 10 * HOUR), renter("b", 10 * HOUR, 12 * HOUR)])
    assert {(o.door, o.clipped) for o in found} == {("hall-1", True), ("front", False)}


def test_windows_that_touch_become_one():
    assert merged([(20, 30), (10, 20), (31, 40)]) == ((10, 30), (31, 40))


@st.composite
def calendars(draw: st.DrawFn) -> list[Booking]:
    """Renters of one room whose booked times do not overlap, in any order, some of them with several windows."""
    edges = draw(st.lists(st.integers(0, 5_000), min_size=2, max_size=24, unique=True).map(sorted))
    pairs = list(zip(edges[::2], edges[1::2], strict=False))
    grants = draw(st.lists(st.sampled_from("abcd"), min_size=len(pairs), max_size=len(pairs)))
    joins = draw(st.lists(st.booleans(), min_size=len(pairs), max_size=len(pairs)))
    bookings, start = [], None
    for (left, right), grant, touching in zip(pairs, grants, joins, strict=True):
        bookings.append(renter(grant, left if start is None or not touching else start, right))
        start = right
    return draw(st.permutations(bookings))


@given(calendars(), st.integers(0, 7_200), st.integers(0, 7_200))
def test_no_instant_opens_for_two_renters_and_booked_time_always_opens(bookings, before_s, after_s):
    found = at("hall-1", bookings, RoomWays("hall", before_s, after_s, ("hall-1",)))
    stretches = sorted((start, until, grant) for grant, windows in found.items() for start, until in windows)
    for left, right in itertools.pairwise(stretches):
        assert left[1] <= right[0]
    for booking in bookings:
        assert any(start <= booking.start and booking.until <= until for start, until in found[booking.grant])


PARTS = (
    RoomWays("whole", 900, 900, ("a-1", "b-1"), rivals=("A", "B")),
    RoomWays("A", 1_800, 0, ("a-1",), rivals=("whole",)),
    RoomWays("B", 900, 900, ("b-1",), rivals=("whole",)),
)


def test_a_part_clips_the_whole_room_at_every_door_and_not_the_other_part():
    """R002-08: the halves of a room are neighbours of the whole, not of each other."""
    found = openings(
        PARTS,
        [
            Booking("a", "A", 8 * HOUR, 10 * HOUR, renter=True),
            Booking("b", "B", 9 * HOUR, 11 * HOUR, renter=True),
            Booking("w", "whole", 11 * HOUR, 12 * HOUR, renter=True),
        ],
    )
    at_doors = {(o.grant, o.door): (o.start, o.until) for o in found}
    assert at_doors["w", "a-1"] == at_doors["w", "b-1"] == (11 * HOUR, 12 * HOUR + 900)
    assert at_doors["a", "a-1"] == (8 * HOUR - 1_800, 10 * HOUR)
    assert at_doors["b", "b-1"] == (9 * HOUR - 900, 11 * HOUR)


def test_renters_who_share_a_room_do_not_clip_each_other():
    """R002-08: one share group is one party."""
    together = [
        Booking("a", "hall", 8 * HOUR, 10 * HOUR, renter=True, share_group="fair"),
        Booking("b", "hall", 9 * HOUR, 11 * HOUR, renter=True, share_group="fair"),
        Booking("c", "hall", 11 * HOUR, 12 * HOUR, renter=True),
    ]
    assert at("hall-1", together) == {
        "a": ((8 * HOUR - 900, 10 * HOUR + 900),),
        "b": ((9 * HOUR - 900, 11 * HOUR),),
        "c": ((11 * HOUR, 12 * HOUR + 900),),
    }
