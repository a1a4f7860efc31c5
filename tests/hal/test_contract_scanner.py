"""The contract of `hal.ports.Scanner`, over every driver; the serial one over a real pty."""

import selectors

import msgspec
import pytest

from hal import catalog
from hal.errors import DeviceLost
from hal.pins import Board
from hal.ports import SCANNED_CHARS
from simulator.keypad_line import KeypadLine


@pytest.fixture
def far_end(tmp_path):
    line = KeypadLine(tmp_path / "scanner")
    yield line
    line.close()


@pytest.fixture(params=sorted(catalog.DRIVERS["scanner"]))
def open_scanner(request, far_end, tmp_path):
    driver = catalog.driver("scanner", request.param)
    opened = []

    def open_again():
        opened.append(driver.open(msgspec.convert({"device": str(tmp_path / "scanner")}, driver.Settings), Board()))
        return opened[-1]

    yield open_again
    for scanner in opened:
        scanner.close()


def read_some(scanner, count: int) -> list[str]:
    texts: list[str] = []
    with selectors.DefaultSelector() as selector:
        selector.register(scanner.fileno(), selectors.EVENT_READ)
        while len(texts) < count:
            assert selector.select(5.0), f"only {texts} arrived"
            texts += scanner.read()
    return texts


def test_gives_every_reading_once_in_order(open_scanner, far_end):
    scanner = open_scanner()
    assert scanner.read() == []
    far_end.press("ZS1:ABC\r\nhttps://example.org/?a=b\n", 0)
    assert read_some(scanner, 2) == ["ZS1:ABC", "https://example.org/?a=b"]
    assert scanner.read() == []


def test_a_text_without_end_is_cut(open_scanner, far_end):
    scanner = open_scanner()
    far_end.press("A" * 3000 + "\n", 0)
    assert read_some(scanner, 1) == ["A" * SCANNED_CHARS]


def test_drops_what_was_read_before_it_was_opened(open_scanner, far_end):
    far_end.press("ZS1:OLD\r", 0)
    scanner = open_scanner()
    far_end.press("ZS1:NEW\r", 0)
    assert read_some(scanner, 1) == ["ZS1:NEW"]


def test_unplugging_is_a_loss_and_reopening_heals(open_scanner, far_end):
    scanner = open_scanner()
    far_end.plug(False)
    with pytest.raises(DeviceLost):
        scanner.read()
    scanner.close()
    far_end.plug(True)
    again = open_scanner()
    far_end.press("X\r", 0)
    assert read_some(again, 1) == ["X"]


def test_close_may_be_repeated(open_scanner):
    scanner = open_scanner()
    scanner.close()
    scanner.close()
