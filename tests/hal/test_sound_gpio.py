"""What is particular to the buzzer."""

import pytest

from hal.ports import SOUNDS, SoundName
from hal.sound_gpio import RHYTHMS, GpioSound, Settings
from tests.hal.bench import MockBench, eventually


@pytest.fixture
def mock():
    bench = MockBench()
    yield bench
    bench.board.close()


def beeps(name: SoundName) -> int:
    return sum(on for on, _ in RHYTHMS[name].steps)


def test_every_sound_has_its_own_rhythm_and_ends():
    assert set(RHYTHMS) == set(SOUNDS)
    assert len(set(RHYTHMS.values())) == len(SOUNDS)
    assert not any(rhythm.forever for rhythm in RHYTHMS.values())


def test_answers_differ_in_the_number_of_beeps():
    """So that they can be told apart without a sense of length; only the click shares its number, and lasts 1/28."""
    assert [beeps("granted"), beeps("wait"), beeps("refused"), beeps("fault")] == [1, 2, 3, 5]
    assert max(ms for _, ms in RHYTHMS["granted"].steps) >= 10 * max(ms for _, ms in RHYTHMS["key"].steps)


def test_two_clicks_in_a_row_are_two_clicks(mock):
    sound = GpioSound(Settings(pin=27), mock.board)
    sound.play("key")
    assert eventually(lambda: mock.high(27))
    sound.play("key")
    assert eventually(lambda: mock.levels(27).count(True) == 2)
    sound.close()


def test_refused_is_three_beeps(mock):
    sound = GpioSound(Settings(pin=27), mock.board)
    sound.play("refused")
    assert eventually(lambda: mock.levels(27).count(True) == 3 and not mock.high(27))
    sound.close()


def test_a_buzzer_to_the_supply_is_silent_at_a_high_level(mock):
    sound = GpioSound(Settings(pin=27, active_low=True), mock.board)
    assert mock.high(27)
    sound.play("granted")
    assert eventually(lambda: not mock.high(27))
    sound.close()
