"""What is particular to the two-colour light."""

import pytest

from hal.errors import DeviceMissing
from hal.light_gpio import RHYTHMS
from hal.light_two_colour import COLOURS, Settings, TwoColourLight, rhythm_in_colour
from hal.lock_gpio import GpioLock
from hal.lock_gpio import Settings as LockSettings
from hal.ports import SIGNALS
from tests.hal.bench import MockBench, eventually


@pytest.fixture
def mock():
    bench = MockBench()
    yield bench
    bench.board.close()


@pytest.mark.parametrize("signal", SIGNALS)
def test_nothing_is_told_by_colour_alone(signal):
    in_colour = rhythm_in_colour(signal)
    as_one_led = [(colour != "dark", length_ms) for colour, length_ms in in_colour.steps]
    assert as_one_led == list(RHYTHMS[signal].steps)
    assert in_colour.forever == RHYTHMS[signal].forever
    assert {colour for colour, _ in in_colour.steps} <= {"dark", COLOURS[signal]}


@pytest.mark.parametrize(("signal", "green", "red"), [("granted", True, False), ("wait", True, True)])
def test_colours_come_out_on_their_lines(mock, signal, green, red):
    light = TwoColourLight(Settings(green=22, red=27), mock.board)
    light.show(signal)
    assert eventually(lambda: (mock.high(22), mock.high(27)) == (green, red))
    light.close()


def test_refused_is_red_only(mock):
    light = TwoColourLight(Settings(green=22, red=27), mock.board)
    light.show("refused")
    assert eventually(lambda: mock.levels(27).count(True) == 3)
    assert not any(mock.levels(22))
    light.close()


def test_when_one_line_is_taken_the_other_is_given_back(mock):
    lock = GpioLock(LockSettings(pin=27), mock.board)
    with pytest.raises(DeviceMissing, match="red LED on GPIO 27"):
        TwoColourLight(Settings(green=22, red=27), mock.board)
    TwoColourLight(Settings(green=22, red=26), mock.board).close()
    lock.close()
