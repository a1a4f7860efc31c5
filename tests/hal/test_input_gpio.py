"""What is particular to a switch on a GPIO line."""

import msgspec
import pytest

from hal.errors import DeviceLost, DeviceMissing
from hal.input_gpio import GpioContact, Settings
from tests.hal.bench import MockBench, eventually


@pytest.fixture
def mock():
    bench = MockBench()
    yield bench
    bench.board.close()


@pytest.mark.parametrize(
    ("pull", "active", "at_rest"),
    [("up", "low", False), ("up", "high", True), ("down", "high", False), ("down", "low", True)],
)
def test_pull_and_active_level_are_independent(mock, pull, active, at_rest):
    contact = GpioContact(Settings(pin=23, pull=pull, active=active, debounce_ms=1), mock.board)
    assert contact.active is at_rest
    mock.drive(23, pull == "down")
    assert eventually(lambda: contact.active is not at_rest)
    assert contact.read() == [not at_rest]
    contact.close()


def test_a_line_may_be_pulled_by_the_wiring_alone(mock):
    contact = GpioContact(Settings(pin=23, pull="none", active="high", debounce_ms=1), mock.board)
    mock.drive(23, True)
    assert eventually(lambda: contact.active)
    contact.close()


def test_a_door_contact_on_a_cut_wire_reads_open(mock):
    """Pulled up and active high: nothing connected looks like an open leaf, not like a closed one."""
    contact = GpioContact(Settings(pin=23, pull="up", active="high"), mock.board)
    assert contact.active
    contact.close()


def test_a_fixed_pull_that_is_not_asked_for_is_missing(mock):
    with pytest.raises(DeviceMissing, match="GPIO 2"):
        GpioContact(Settings(pin=2, pull="down"), mock.board)


def test_a_line_that_cannot_be_read_any_more_is_lost(mock, monkeypatch):
    contact = GpioContact(Settings(pin=23, debounce_ms=1), mock.board)

    def look() -> bool:
        raise OSError("I/O error")

    monkeypatch.setattr(contact, "_look", look)
    mock.drive(23, False)
    assert eventually(lambda: not contact._watcher.is_alive())
    with pytest.raises(DeviceLost, match="I/O error"):
        contact.read()
    contact.close()


@pytest.mark.parametrize("wrong", [{"pin": 28}, {"pin": 23, "debounce_ms": 0}, {"pin": 23, "debounce_ms": 201}])
def test_settings_out_of_range_are_refused(wrong):
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(wrong, Settings)
