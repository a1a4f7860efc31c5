"""The bucket of PIN tries."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.pin_tries import PinTries


def test_tries_are_spent_and_come_back_one_by_one():
    tries = PinTries(3, 0, capacity=3, refill_s=10)
    assert [tries.take(0), tries.take(0), tries.take(0)] == [2, 1, 0]
    assert tries.next_back_ms(0) == 10_000
    assert tries.left(9_999) == 0
    assert tries.left(10_000) == 1
    assert tries.left(30_000) == 3
    assert tries.left(10**9) == 3
    assert tries.next_back_ms(10**9) is None


def test_an_empty_bucket_cannot_be_spent():
    with pytest.raises(ValueError, match="no PIN try"):
        PinTries(0, 0, capacity=3, refill_s=10).take(0)


def test_a_full_bucket_saves_no_time_up():
    tries = PinTries(3, 0, capacity=3, refill_s=10)
    tries.take(9_999_999)
    assert tries.left(10_009_998) == 2
    assert tries.left(10_009_999) == 3


def test_a_restart_gives_nothing():
    tries = PinTries(5, 0, capacity=5, refill_s=10)
    left = tries.take(0)
    for start_ms in range(0, 90_000, 9_000):
        left = PinTries(left, start_ms, capacity=5, refill_s=10).left(start_ms + 8_999)
    assert left == 4


@pytest.mark.parametrize(("kept", "left"), [(99, 5), (-3, 0)])
def test_what_was_kept_is_held_to_the_bucket(kept: int, left: int):
    assert PinTries(kept, 0, capacity=5, refill_s=10).left(0) == left


def test_a_larger_or_faster_bucket_does_not_come_filled():
    tries = PinTries(1, 0, capacity=5, refill_s=1_000)
    assert tries.change_policy(999_000, capacity=10, refill_s=1) == 1
    assert tries.left(999_999) == 1
    assert tries.left(1_000_000) == 2
    assert tries.change_policy(1_000_000, capacity=1, refill_s=1) == 1


def test_the_same_policy_again_costs_no_waiting_time():
    tries = PinTries(1, 0, capacity=5, refill_s=10)
    tries.change_policy(9_000, capacity=5, refill_s=10)
    assert tries.left(10_000) == 2


def test_a_try_given_back_never_overfills():
    tries = PinTries(5, 0, capacity=5, refill_s=10)
    tries.take(0)
    assert tries.give_back(10_000) == 5


@given(st.integers(1, 20), st.integers(1, 100), st.lists(st.integers(0, 50_000), max_size=200))
def test_nobody_gets_more_than_the_bucket_and_its_refill(capacity: int, refill_s: int, gaps: list[int]):
    tries, now_ms, spent = PinTries(capacity, 0, capacity, refill_s), 0, 0
    for gap in gaps:
        now_ms += gap
        if tries.left(now_ms):
            tries.take(now_ms)
            spent += 1
    assert spent <= capacity + now_ms // (refill_s * 1000)
