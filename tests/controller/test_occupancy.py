"""What the screen says about the room's bookings."""

from hypothesis import given
from hypothesis import strategies as st

from controller.occupancy import Occupancy
from tests.controller.worlds import code_list, grant


def occupancy(*windows, **fields) -> Occupancy:
    return Occupancy(code_list(grant(windows=tuple(windows), **fields)))


def test_touching_bookings_are_one():
    rented = occupancy((100, 200), (200, 300), (400, 500))
    assert rented.until_s(99) is None
    assert rented.until_s(100) == rented.until_s(200) == 300
    assert rented.until_s(300) is None
    assert rented.next_s(300) == 400
    assert rented.next_s(400) is None


def test_only_active_renters_occupy():
    assert occupancy((100, 200), kind="cleaning").until_s(150) is None
    assert occupancy((100, 200), active=False).next_s(0) is None


@given(st.lists(st.tuples(st.integers(0, 60), st.integers(1, 20)), max_size=8), st.integers(0, 90))
def test_it_is_what_looking_at_every_window_says(spans, now_s):
    grants = [grant(id=f"g{n}", pin="", windows=((start, start + length),)) for n, (start, length) in enumerate(spans)]
    rented = Occupancy(code_list(*grants))
    covered = {second for start, length in spans for second in range(start, start + length)}
    until_s = rented.until_s(now_s)
    assert (until_s is not None) == (now_s in covered)
    if until_s is not None:
        assert until_s not in covered
        assert set(range(now_s, until_s)) <= covered
