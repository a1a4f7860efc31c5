"""The contract of `hal.ports.Keypad`, over every driver that loads here; the serial one over a real pty."""

import selectors

import msgspec
import pytest

from hal import catalog
from hal.errors import DeviceLost
from hal.pins import Board
from hal.ports import KEYPAD_SYMBOLS
from simulator.keypad_line import KeypadLine


@pytest.fixture
def far_end(tmp_path):
    line = KeypadLine(tmp_path / "keypad")
    yield line
    line.close()


@pytest.fixture(params=sorted(catalog.DRIVERS["keypad"]))
def open_keypad(request, far_end, tmp_path):
    if request.param != "serial":
        pytest.skip(f"keypad driver {request.param!r}: no far end for it here")
    driver = catalog.driver("keypad", request.param)
    opened = []

    def open_again():
        opened.append(driver.open(msgspec.convert({"device": str(tmp_path / "keypad")}, driver.Settings), Board()))
        return opened[-1]

    yield open_again
    for keypad in opened:
        keypad.close()


def read_some(keypad, count: int) -> list[str]:
    symbols: list[str] = []
    with selectors.DefaultSelector() as selector:
        selector.register(keypad.fileno(), selectors.EVENT_READ)
        while len(symbols) < count:
            assert selector.select(5.0), f"only {symbols} arrived"
            symbols += keypad.read()
    return symbols


def test_reading_never_waits(open_keypad):
    assert open_keypad().read() == []


def test_gives_every_symbol_once_in_order(open_keypad, far_end):
    keypad = open_keypad()
    far_end.press(KEYPAD_SYMBOLS, 0)
    assert read_some(keypad, len(KEYPAD_SYMBOLS)) == list(KEYPAD_SYMBOLS)
    assert keypad.read() == []


def test_drops_what_was_typed_before_it_was_opened(open_keypad, far_end):
    far_end.press("482913", 0)
    keypad = open_keypad()
    far_end.press("7", 0)
    assert read_some(keypad, 1) == ["7"]


def test_unplugging_is_a_loss_and_reopening_heals(open_keypad, far_end):
    keypad = open_keypad()
    far_end.plug(False)
    with selectors.DefaultSelector() as selector:
        selector.register(keypad.fileno(), selectors.EVENT_READ)
        assert selector.select(5.0), "a loss must wake the loop"
    with pytest.raises(DeviceLost):
        keypad.read()
    keypad.close()
    far_end.plug(True)
    again = open_keypad()
    far_end.press("5", 0)
    assert read_some(again, 1) == ["5"]


def test_close_may_be_repeated(open_keypad):
    keypad = open_keypad()
    keypad.close()
    keypad.close()
