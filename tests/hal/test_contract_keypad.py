"""The contract of `hal.ports.Keypad`, over every driver; their far ends are in `tests.hal.keypads`."""

import selectors

import msgspec
import pytest

from hal import catalog
from hal.errors import DeviceLost
from hal.ports import KEYPAD_SYMBOLS
from tests.hal.keypads import far_end_of


@pytest.fixture(params=sorted(catalog.DRIVERS["keypad"]))
def name(request):
    return request.param


@pytest.fixture
def far_end(name, tmp_path, monkeypatch):
    with far_end_of(name, tmp_path, monkeypatch) as made:
        yield made


@pytest.fixture
def open_keypad(name, far_end):
    driver = catalog.driver("keypad", name)
    opened = []

    def open_again():
        opened.append(driver.open(msgspec.convert(far_end.settings, driver.Settings), far_end.board))
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
    far_end.press(KEYPAD_SYMBOLS)
    assert read_some(keypad, len(KEYPAD_SYMBOLS)) == list(KEYPAD_SYMBOLS)
    assert keypad.read() == []


def test_drops_what_was_typed_before_it_was_opened(open_keypad, far_end, name):
    if name in {"wiegand", "usb"}:
        pytest.skip(f"{name}: the kernel keeps nothing for a device nobody has open")
    far_end.press("482")
    keypad = open_keypad()
    far_end.press("7")
    assert read_some(keypad, 1) == ["7"]


def test_unplugging_is_a_loss_and_reopening_heals(open_keypad, far_end, name):
    if not far_end.unpluggable:
        pytest.skip(f"{name}: bare wires tell nothing about a keypad that is gone; `doctor` asks for a key")
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
    far_end.press("5")
    assert read_some(again, 1) == ["5"]


def test_close_may_be_repeated(open_keypad):
    keypad = open_keypad()
    keypad.close()
    keypad.close()
