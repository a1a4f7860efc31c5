"""The board names its pin factory and never falls back."""

from importlib.metadata import EntryPoint

import lgpio
import pytest
from gpiozero import Device, DigitalOutputDevice
from gpiozero.pins.mock import MockFactory

from hal import pins
from hal.errors import BoardFault, DriverUnavailable
from hal.pins import GROUP, Board


def test_the_named_factory_is_opened_once_and_at_first_use():
    board = Board("mock")
    factory = board.factory()
    assert isinstance(factory, MockFactory)
    assert board.factory() is factory
    board.close()
    board.close()


def test_gpiozeros_own_choice_is_left_alone():
    board = Board("mock")
    board.factory()
    assert Device.pin_factory is None
    board.close()


def test_a_door_that_names_none_gets_the_kernels_interface():
    assert Board().factory_name == "lgpio"


def test_a_factory_whose_library_is_missing_is_not_replaced_by_another(monkeypatch):
    absent = EntryPoint("rpigpio", "no_such_library:Factory", GROUP)
    present = EntryPoint("mock", "gpiozero.pins.mock:MockFactory", GROUP)
    monkeypatch.setattr(pins, "entry_points", lambda group: [absent, present])
    with pytest.raises(DriverUnavailable, match="'rpigpio' needs a library"):
        Board("rpigpio").factory()


def test_closing_the_board_frees_its_lines():
    """Closing a device of gpiozero alone does not."""
    board = Board("mock")
    factory = board.factory()
    DigitalOutputDevice(17, pin_factory=factory)
    assert factory.pins
    board.close()
    assert not factory.pins


def test_an_unknown_factory_names_those_that_are_installed():
    with pytest.raises(BoardFault, match=r"no pin factory 'guess'; installed: .*lgpio"):
        Board("guess").factory()


def test_an_lgpio_stub_is_refused(monkeypatch):
    monkeypatch.setattr(lgpio, "LGPIO_PY_VERSION", 0x00000002)
    with pytest.raises(DriverUnavailable, match=r"0\.2\.2"):
        Board("lgpio").factory()


def test_a_header_that_cannot_be_opened_is_a_board_fault(monkeypatch):
    monkeypatch.setenv("ZS_VIRTUAL_PINS", "/nonexistent/pins.sock")
    with pytest.raises(BoardFault, match="virtual"):
        Board("virtual").factory()
