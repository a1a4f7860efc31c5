"""Light and buzzer as one."""

import pytest

from controller.signals import SOUNDS, Signals
from hal.errors import HardwareFault
from hal.ports import SIGNALS


class Port:
    """A lamp or buzzer that notes what it is told, until it breaks."""

    def __init__(self) -> None:
        self.told: list[str] = []
        self.works = True

    def show(self, what: str) -> None:
        if not self.works:
            raise HardwareFault("I/O error")
        self.told.append(what)

    play = show

    def close(self) -> None:
        self.told.append("closed")


@pytest.mark.parametrize("signal", SIGNALS)
def test_what_is_shown_as_an_answer_is_heard_too(signal):
    light, sound = Port(), Port()
    Signals(light, sound).show(signal)
    assert light.told == [signal]
    assert sound.told == ([SOUNDS[signal]] if signal not in {"idle", "off"} else [])


def test_a_click_is_heard_and_not_seen():
    light, sound = Port(), Port()
    Signals(light, sound).click()
    assert (light.told, sound.told) == ([], ["key"])


def test_silenced_it_still_shows():
    light, sound = Port(), Port()
    signals = Signals(light, sound)
    signals.silence(True)
    signals.show("fault")
    signals.click()
    assert (light.told, sound.told) == (["fault"], ["silence"])
    signals.silence(False)
    signals.click()
    assert sound.told == ["silence", "key"]


def test_one_that_breaks_is_told_and_stops_nothing():
    light, sound = Port(), Port()
    signals = Signals(light, sound)
    light.works = False
    signals.show("granted")
    assert signals.broken
    assert sound.told == ["granted"]


def test_neither_has_to_be_there():
    signals = Signals(None, None)
    signals.show("granted")
    signals.click()
    signals.close()
    assert not signals.broken


def test_closing_closes_both():
    light, sound = Port(), Port()
    Signals(light, sound).close()
    assert (light.told, sound.told) == (["closed"], ["closed"])


def test_one_that_works_again_is_no_longer_broken():
    light, sound = Port(), Port()
    signals = Signals(light, sound)
    light.works = False
    signals.show("granted")
    light.works = True
    signals.click()
    assert signals.broken, "the buzzer says nothing about the lamp"
    signals.show("idle")
    assert not signals.broken
