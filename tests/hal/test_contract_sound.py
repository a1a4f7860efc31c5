"""The contract of `hal.ports.Sound`, over every driver and every pin factory that loads here."""

from time import sleep

import msgspec
import pytest

from hal import catalog
from hal.ports import SOUNDS
from tests.hal.bench import eventually

LINE = 27


@pytest.fixture(params=sorted(catalog.DRIVERS["sound"]))
def sound(request, bench):
    driver = catalog.driver("sound", request.param)
    sound = driver.open(msgspec.convert({"pin": LINE}, driver.Settings), bench.board)
    yield sound
    sound.close()


def test_is_silent_when_opened(sound, bench):
    assert not any(bench.levels(LINE))


@pytest.mark.parametrize("name", [name for name in SOUNDS if name != "silence"])
def test_every_sound_is_heard_and_ends_by_itself(sound, bench, name):
    sound.play(name)
    assert eventually(lambda: any(bench.levels(LINE)))
    sleep(0.5)
    assert eventually(lambda: not bench.high(LINE))


def test_silence_ends_a_sound(sound, bench):
    sound.play("granted")
    assert eventually(lambda: bench.high(LINE))
    sound.play("silence")
    assert eventually(lambda: not bench.high(LINE))


def test_the_newest_sound_wins(sound, bench):
    for name in [*SOUNDS, "granted"]:
        sound.play(name)
    assert eventually(lambda: bench.high(LINE))


def test_an_unknown_sound_is_refused(sound):
    with pytest.raises(ValueError, match="polka"):
        sound.play("polka")


def test_close_is_silent_and_may_be_repeated(sound, bench):
    sound.play("granted")
    assert eventually(lambda: bench.high(LINE))
    sound.close()
    sound.close()
    assert eventually(lambda: not bench.high(LINE))
