"""Wiegand: the pure decoder against whole, damaged and foreign bursts."""

from typing import Literal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hal.errors import DeviceMissing
from hal.keypad_wiegand import SYMBOLS, Decoder, Settings, WiegandKeypad, badge_is_whole
from hal.lock_gpio import GpioLock
from hal.lock_gpio import Settings as LockSettings
from tests.hal.bench import MockBench

GAP_S = 0.025
BIT_S = 0.002


def heard(bursts: list[list[int]], key_bits: Literal[4, 8] = 4) -> tuple[list[str], Decoder]:
    """What comes out of bursts with a pause between them."""
    decoder = Decoder(key_bits, GAP_S)
    symbols, at_s = [], 1.0
    for burst in bursts:
        for bit in burst:
            symbols += decoder.bit(bit, at_s)
            at_s += BIT_S
        at_s += 0.1
    return symbols + decoder.silence(), decoder


def key(symbol: str, key_bits: int = 4) -> list[int]:
    value = SYMBOLS.index(symbol)
    return [int(bit) for bit in (f"{value:04b}" if key_bits == 4 else f"{value ^ 15:04b}{value:04b}")]


def badge(facility_and_number: int, length: int) -> list[int]:
    half = (length - 2) // 2
    data = [int(bit) for bit in f"{facility_and_number:0{2 * half}b}"]
    return [sum(data[:half]) % 2, *data, 1 - sum(data[half:]) % 2]


@given(st.text(SYMBOLS, max_size=12), st.sampled_from([4, 8]))
def test_keys_come_out_as_typed(typed, key_bits):
    symbols, decoder = heard([key(symbol, key_bits) for symbol in typed], key_bits)
    assert "".join(symbols) == typed
    assert decoder.ignored == 0


@given(st.sampled_from(SYMBOLS), st.integers(0, 7), st.sampled_from([4, 8]))
def test_a_lost_bit_is_no_key(symbol, lost, key_bits):
    burst = key(symbol, key_bits)
    del burst[lost % key_bits]
    assert heard([burst, key("7", key_bits)], key_bits)[0] == ["7"]


@given(st.sampled_from(SYMBOLS), st.integers(0, 8), st.integers(0, 1), st.sampled_from([4, 8]))
def test_an_extra_bit_is_no_key(symbol, place, bit, key_bits):
    burst = key(symbol, key_bits)
    burst.insert(place % (key_bits + 1), bit)
    assert heard([burst, key("7", key_bits)], key_bits)[0] == ["7"]


@given(st.sampled_from(SYMBOLS), st.integers(0, 7))
def test_a_flipped_bit_of_eight_is_no_key(symbol, place):
    burst = key(symbol, 8)
    burst[place] ^= 1
    assert heard([burst], 8)[0] == []


@given(st.integers(0, (1 << 24) - 1))
def test_a_badge_is_counted_and_forgotten(number):
    symbols, decoder = heard([badge(number, 26), key("1"), badge(number, 34)])
    assert symbols == ["1"]
    assert (decoder.badges, decoder.ignored) == (2, 0)


@given(st.integers(0, (1 << 24) - 1), st.integers(0, 25))
def test_a_damaged_badge_is_noise(number, place):
    frame = badge(number, 26)
    frame[place] ^= 1
    assert not badge_is_whole(frame)
    assert heard([frame])[1].ignored == 1


@given(st.lists(st.lists(st.integers(0, 1), min_size=1, max_size=300), max_size=6), st.sampled_from([4, 8]))
def test_anything_else_is_ignored_and_counted(bursts, key_bits):
    symbols, decoder = heard(bursts, key_bits)
    assert len(symbols) + decoder.badges + decoder.ignored == len(bursts)
    assert set(symbols) <= set(SYMBOLS)


def test_half_of_an_eight_bit_burst_is_no_four_bit_key():
    assert heard([key("5", 8)[4:]], 8)[0] == []
    assert heard([key("5", 8)], 4)[0] == []


def test_late_edges_keep_their_own_time():
    """The backend delivers in lumps: what counts is when an edge was, not when it arrived."""
    decoder = Decoder(4, GAP_S)
    edges = [(bit, 1.0 + BIT_S * place) for place, bit in enumerate(key("4"))]
    edges += [(bit, 1.2 + BIT_S * place) for place, bit in enumerate(key("2"))]
    symbols = [symbol for edge in edges for symbol in decoder.bit(*edge)] + decoder.silence()
    assert symbols == ["4", "2"]


def test_a_line_in_use_is_missing_and_the_other_is_given_back():
    bench = MockBench()
    lock = GpioLock(LockSettings(pin=17), bench.board)
    with pytest.raises(DeviceMissing, match="D1 on GPIO 17"):
        WiegandKeypad(Settings(d0=5, d1=17), bench.board)
    WiegandKeypad(Settings(d0=5, d1=6), bench.board).close()
    lock.close()
    bench.board.close()


@pytest.mark.parametrize("wrong", [{"d0": 5}, {"d0": 5, "d1": 6, "key_bits": 6}, {"d0": 5, "d1": 28}])
def test_settings_are_checked(wrong):
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(wrong, Settings)
