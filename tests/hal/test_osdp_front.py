"""Light and buzzer of an OSDP keypad, on libosdp's own peripheral device behind a pty."""

import time
from functools import partial

import msgspec
import osdp
import pytest

from hal import keypad_osdp, light_osdp, sound_osdp
from hal.osdp_front import Front, Lamp, Tone, front_of
from tests.hal.bench import eventually
from tests.hal.keypads import OsdpPad

GREEN, RED, AMBER, BLACK = (
    osdp.CommandLEDColor.Green, osdp.CommandLEDColor.Red, osdp.CommandLEDColor.Amber, osdp.CommandLEDColor.Black,
)  # fmt: skip
BOTH = (osdp.Capability.LEDControl, osdp.Capability.AudibleControl)


@pytest.fixture
def pad(tmp_path):
    pad = OsdpPad(tmp_path, BOTH)
    yield pad
    pad.close()


@pytest.fixture
def keypad(pad):
    keypad = keypad_osdp.open(msgspec.convert(pad.settings, keypad_osdp.Settings))
    yield keypad
    keypad.close()


def colours(pad: OsdpPad) -> list[int]:
    return [order["on_color"] for order in pad.orders if order["command"] == osdp.Command.LED]


def shown(pad: OsdpPad, colour: int) -> bool:
    return colour in colours(pad)


def tones(pad: OsdpPad) -> list[bool]:
    return [order["control_code"] == 2 for order in pad.orders if order["command"] == osdp.Command.Buzzer]


def test_signals_light_the_keypad(pad, keypad):
    light = light_osdp.open(light_osdp.Settings(device=str(pad.link)))
    for signal, colour in (("granted", GREEN), ("wait", AMBER), ("fault", RED), ("refused", RED)):
        pad.orders.clear()
        light.show(signal)  # type: ignore[arg-type]
        assert eventually(partial(shown, pad, colour)), signal
    light.close()
    assert eventually(lambda: colours(pad)[-1:] == [BLACK])
    pad.press("7")
    assert eventually(lambda: keypad.read() == ["7"])


def test_sounds_end_by_themselves_and_the_keypad_goes_on_typing(pad, keypad):
    sound = sound_osdp.open(sound_osdp.Settings(device=str(pad.link)))
    pad.orders.clear()
    sound.play("refused")
    assert eventually(lambda: tones(pad) == [True, False] * 3, 10)
    with pytest.raises(ValueError, match="no sound"):
        sound.play("tune")  # type: ignore[arg-type]
    sound.close()
    pad.press("12")
    assert eventually(lambda: keypad.read()[-1:] == ["2"])


def test_a_keypad_without_a_buzzer_is_never_asked_for_one(tmp_path):
    """A refused command would make libosdp leave the device alone for 300 s."""
    pad = OsdpPad(tmp_path, BOTH[:1])
    keypad = keypad_osdp.open(msgspec.convert(pad.settings, keypad_osdp.Settings))
    light = light_osdp.open(light_osdp.Settings(device=str(pad.link)))
    sound = sound_osdp.open(sound_osdp.Settings(device=str(pad.link)))
    try:
        sound.play("granted")
        light.show("granted")
        assert eventually(lambda: GREEN in colours(pad))
        assert tones(pad) == []
        pad.press("5")
        assert eventually(lambda: keypad.read() == ["5"])
    finally:
        for port in (light, sound, keypad, pad):
            port.close()


def test_what_waited_for_a_keypad_that_was_away_is_its_light_alone():
    front = Front()
    for order in (Tone(True), Lamp("red"), Tone(False), Lamp("green")):
        front.put(order)
    front.came_up()
    assert [front.take() for _ in range(3)] == [Lamp("green"), Tone(False), None]


def test_orders_nobody_takes_do_not_pile_up():
    front = front_of("/dev/nobody")
    for _ in range(1_000):
        front.put(Tone(True))
    assert front is front_of("/dev/nobody")
    taken = 0
    while front.take() is not None:
        taken += 1
    assert taken <= 16 and time.monotonic() > 0
