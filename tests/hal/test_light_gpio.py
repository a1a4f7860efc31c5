"""What is particular to the one-LED light."""

import pytest

from hal.errors import HardwareFault
from hal.light_gpio import RHYTHMS, GpioLight, Settings
from hal.ports import SIGNALS
from tests.hal.bench import MockBench, eventually


@pytest.fixture
def mock():
    bench = MockBench()
    yield bench
    bench.board.close()


def test_every_signal_has_its_own_rhythm():
    assert set(RHYTHMS) == set(SIGNALS)
    assert len(set(RHYTHMS.values())) == len(SIGNALS)


def test_refused_blinks_three_times_and_ends_dark(mock):
    light = GpioLight(Settings(pin=22), mock.board)
    light.show("refused")
    assert eventually(lambda: mock.levels(22).count(True) == 3 and not mock.high(22))
    light.close()
    assert mock.levels(22).count(True) == 3


def test_granted_is_steady(mock):
    light = GpioLight(Settings(pin=22), mock.board)
    light.show("granted")
    light.show("granted")
    assert eventually(lambda: mock.high(22))
    light.close()
    assert mock.levels(22) == [False, True, False]


def test_a_led_to_the_supply_is_lit_by_a_low_level(mock):
    light = GpioLight(Settings(pin=22, active_low=True), mock.board)
    assert mock.high(22)
    light.show("granted")
    assert eventually(lambda: not mock.high(22))
    light.close()


def test_a_line_that_cannot_be_written_is_told_at_the_next_signal(mock, monkeypatch):
    light = GpioLight(Settings(pin=22), mock.board)

    def write(*_: object) -> None:
        raise OSError("I/O error")

    with monkeypatch.context() as patched:
        patched.setattr(type(light._led), "_write", write)
        light.show("granted")
        assert eventually(lambda: not light._player.playing)
        with pytest.raises(HardwareFault, match="I/O error"):
            light.show("idle")
    light.close()
