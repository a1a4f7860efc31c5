"""The contract of `hal.ports.Sound`, over every driver and every pin factory that loads here."""

from time import sleep

import msgspec
import pytest

from hal import catalog, osdp_front
from hal.ports import SOUNDS
from tests.hal.bench import RecordedFront, eventually

SETTINGS = {"gpio": {"pin": 27}, "osdp": {"device": "/dev/osdp-sound"}}


@pytest.fixture(params=sorted(catalog.DRIVERS["sound"]))
def name(request):
    return request.param


@pytest.fixture
def heard(name, bench, monkeypatch):
    """Every level the buzzer has had; of an OSDP keypad what it was ordered to."""
    front = RecordedFront()
    monkeypatch.setitem(osdp_front._fronts, "/dev/osdp-sound", front)
    return (lambda: list(front.ordered)) if name == "osdp" else (lambda: list(bench.levels(27)))


@pytest.fixture
def sound(name, bench, heard):
    driver = catalog.driver("sound", name)
    sound = driver.open(msgspec.convert(SETTINGS[name], driver.Settings), bench.board)
    yield sound
    sound.close()


def test_is_silent_when_opened(sound, heard):
    assert not any(heard())


@pytest.mark.parametrize("sound_name", [name for name in SOUNDS if name != "silence"])
def test_every_sound_is_heard_and_ends_by_itself(sound, heard, sound_name):
    sound.play(sound_name)
    assert eventually(lambda: any(heard()))
    sleep(0.5)
    assert eventually(lambda: not any(heard()[-1:]))


def test_silence_ends_a_sound(sound, heard):
    sound.play("granted")
    assert eventually(lambda: any(heard()[-1:]))
    sound.play("silence")
    assert eventually(lambda: not any(heard()[-1:]))


def test_the_newest_sound_wins(sound, heard):
    for name in [*SOUNDS, "granted"]:
        sound.play(name)
    assert eventually(lambda: any(heard()[-1:]))


def test_an_unknown_sound_is_refused(sound):
    with pytest.raises(ValueError, match="polka"):
        sound.play("polka")


def test_close_is_silent_and_may_be_repeated(sound, heard):
    sound.play("granted")
    assert eventually(lambda: any(heard()[-1:]))
    sound.close()
    sound.close()
    assert eventually(lambda: not any(heard()[-1:]))
