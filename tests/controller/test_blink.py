"""A number told by a light can be counted."""

from hypothesis import given
from hypothesis import strategies as st

from controller.blink import AGAIN_MS, BETWEEN_MS, DARK_MS, FLASH_MS, flashes, lit

codes = st.text("123456789", min_size=4, max_size=4)


@given(codes)
def test_groups_of_flashes_are_the_digits(code):
    *on, (round_ms, _) = flashes(code)
    counted, before = [], None
    for from_ms, until_ms in on:
        assert until_ms - from_ms == FLASH_MS
        if before is None or from_ms - before > DARK_MS:
            counted.append(0)
        counted[-1] += 1
        before = until_ms
    assert "".join(map(str, counted)) == code
    assert round_ms - on[-1][1] == AGAIN_MS - DARK_MS or round_ms - on[-1][1] >= BETWEEN_MS


@given(codes, st.integers(0, 200_000))
def test_it_changes_when_it_says_and_not_before(code, passed_ms):
    on, left_ms = lit(code, passed_ms)
    assert left_ms > 0
    assert lit(code, passed_ms + left_ms - 1)[0] is on
