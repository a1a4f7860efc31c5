"""The matrix: the pure decoder against bounce and ghosts, and the driver on wires that can ghost."""

from itertools import combinations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hal.errors import DeviceMissing
from hal.keypad_matrix import Decoder, MatrixKeypad, Settings, ghosted
from hal.lock_gpio import GpioLock
from hal.lock_gpio import Settings as LockSettings
from tests.hal.bench import eventually
from tests.hal.keypads import MatrixPad

LAYOUT = ("123", "456", "789", "*0#")
AT = {symbol: (row, column) for row, keys in enumerate(LAYOUT) for column, symbol in enumerate(keys)}
DEBOUNCE_S = 0.02
SCAN_S = 0.005


def seen(*pictures: tuple[str, int]) -> str:
    """The symbols from pictures, each a set of keys and for how many scans it stands."""
    decoder, at_s, symbols = Decoder(LAYOUT, DEBOUNCE_S), 0.0, []
    for keys, scans in pictures:
        for _ in range(scans):
            symbols += decoder.scanned(frozenset(AT[key] for key in keys), at_s)
            at_s += SCAN_S
    return "".join(symbols)


@given(st.text("0123456789*#", max_size=12))
def test_keys_come_out_as_typed(typed):
    pictures = [picture for key in typed for picture in ((key, 8), ("", 8))]
    assert seen(*pictures) == typed


@given(st.lists(st.integers(1, 3), max_size=20).filter(lambda bounces: len(bounces) % 2 == 0))
def test_bounce_is_one_press(bounces):
    """Down and up in turn, each too short to count, on the way down and on the way up."""
    bouncing = [(("5", "")[place % 2], scans) for place, scans in enumerate(bounces)]
    assert seen(*bouncing, ("5", 10), *reversed(bouncing), ("", 10)) == "5"


def test_the_next_key_may_go_down_before_the_last_is_up():
    assert seen(("1", 8), ("12", 8), ("2", 8), ("", 8)) == "12"


def test_a_glitch_is_no_press():
    assert seen(("5", 3), ("", 10)) == ""


@pytest.mark.parametrize("corners", ["1254", "1397", "580*"])
def test_three_corners_of_a_rectangle_are_ambiguous_until_it_is_plain_again(corners):
    """What the wires show is all four; the fourth was never pressed and never comes out."""
    first, second, third, ghost = corners
    if not ghosted(frozenset(AT[key] for key in corners)):
        pytest.skip("no rectangle")
    typed = seen((first, 8), (first + second, 8), (corners, 8), (second + third, 8), ("", 8))
    assert ghost not in typed
    assert typed == first + second + third


@given(st.sets(st.sampled_from(sorted(AT.values()))))
def test_a_ghost_needs_a_rectangle(down):
    rectangle = any(
        {(a, c), (a, d), (b, c), (b, d)} <= down
        for a, b in combinations(range(4), 2)
        for c, d in combinations(range(3), 2)
    )
    assert ghosted(frozenset(down)) == rectangle


def test_letters_of_a_wide_keypad_mean_nothing():
    layout = ("123.", "456.", "789.", "*0#.")
    decoder = Decoder(layout, 0)
    assert decoder.scanned(frozenset({(0, 3)}), 0) == []
    assert not decoder.at_rest


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"layout": ["123", "456", "789"]}, "a text for each row"),
        ({"layout": ["123", "456", "789", "*0A"]}, "not A"),
        ({"layout": ["123", "456", "789", "*01"]}, "each key once"),
        ({"rows": [5, 6, 13, 28]}, "rows"),
    ],
)
def test_settings_are_checked(wrong, message):
    good = {"rows": [5, 6, 13, 19], "columns": [16, 20, 21]}
    msgspec.convert(good, Settings)
    with pytest.raises(msgspec.ValidationError, match=message):
        msgspec.convert(good | wrong, Settings)


def test_every_line_is_named_for_the_pin_check():
    pins = Settings(rows=(5, 6, 13, 19), columns=(16, 20, 21)).pins()
    assert pins["rows[3]"] == 19
    assert pins["columns[0]"] == 16
    assert len(pins) == 7


@pytest.fixture
def pad(tmp_path):
    pad = MatrixPad(tmp_path)
    yield pad
    pad.close()


def test_at_rest_nothing_moves_on_the_lines(pad):
    keypad = MatrixKeypad(msgspec.convert(pad.settings, Settings), pad.board)
    pad.press("5")
    assert eventually(lambda: all(not pad.outside.high(row) for row in pad.rows))
    before = [len(pad.outside.history(line)) for line in (*pad.rows, *pad.columns)]
    assert eventually(lambda: keypad.read() == ["5"])
    assert [len(pad.outside.history(line)) for line in (*pad.rows, *pad.columns)] == before
    keypad.close()


def test_a_line_in_use_is_missing_and_the_others_are_given_back(pad):
    lock = GpioLock(LockSettings(pin=pad.columns[0]), pad.board)
    with pytest.raises(DeviceMissing, match="keypad matrix"):
        MatrixKeypad(msgspec.convert(pad.settings, Settings), pad.board)
    lock.close()
    MatrixKeypad(msgspec.convert(pad.settings, Settings), pad.board).close()
