"""PINs: uniform, never obvious, two digits apart, and an answer when there are no more."""

import random
import secrets

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.formats.errors import Refused
from sync.hub.booking.codes import draw_pin, is_obvious, pin_rule


@pytest.mark.parametrize(
    "pin",
    [
        "000000",
        "123456",
        "654321",
        "121212",
        "123123",
        "135791",
        "170726",
        "260717",
        "071726",
        "123490",
        "17072026",
        "20260717",
    ],
)
def test_obvious_pins(pin):
    assert is_obvious(pin)


@pytest.mark.parametrize("pin", ["482913", "905372", "4829135", "83920561"])
def test_pins_that_may_be_given_out(pin):
    assert not is_obvious(pin)


@given(st.sets(st.integers(0, 999_999).map("{:06d}".format), max_size=200), st.integers())
def test_a_new_pin_is_two_digits_from_every_other(alive, seed):
    pin = draw_pin(6, alive, random.Random(seed).randrange)
    assert all(sum(a != b for a, b in zip(pin, other, strict=True)) >= 2 for other in alive)
    assert len(pin) == 6
    assert not is_obvious(pin)


def test_every_digit_is_about_as_frequent_at_every_place():
    chance = random.Random(20260717).randrange
    drawn = [draw_pin(8, set(), chance) for _ in range(20_000)]
    for place in (2, 3, 4, 5, 6, 7):
        counts = [sum(pin[place] == digit for pin in drawn) for digit in "0123456789"]
        chi_square = sum((count - 2_000) ** 2 / 2_000 for count in counts)
        assert chi_square < 45  # 9 degrees of freedom; by chance alone once in a million


def test_exhaustion_is_an_answer():
    with pytest.raises(Refused) as refused:
        draw_pin(6, {"482913"}, lambda n: 482_914)
    assert refused.value.code == "pin_space_low"
    assert len(draw_pin(7, set(), secrets.randbelow)) == 7


def test_pin_rule_carries_1_17_and_172_live_codes():
    assert [pin_rule(live, 10)[0] for live in (1, 2, 17, 18, 172)] == [6, 7, 7, 8, 8]
    for live in (1, 2, 17, 172):
        digits, refill_s = pin_rule(live, 10)
        assert (10 + 86_400 / refill_s) * live / 10**digits <= 1e-4
        assert 30 <= refill_s <= 1_800
    with pytest.raises(Refused, match="pin_space_low"):
        pin_rule(173, 10)
