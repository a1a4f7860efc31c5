"""OSDP against libosdp's own peripheral device: keys, refused keys, silence, oversized events."""

import selectors

import msgspec
import pytest

from hal import keypad_osdp
from hal.errors import DeviceLost, DeviceMissing
from hal.keypad_osdp import DEFAULT_KEY, Settings, read_key, symbols_of
from tests.hal.keypads import OsdpPad


@pytest.fixture
def pad(tmp_path):
    pad = OsdpPad(tmp_path)
    yield pad
    pad.close()


def opened(pad: OsdpPad):
    return keypad_osdp.open(msgspec.convert(pad.settings, Settings))


def read_until_lost(keypad) -> list[str]:
    symbols = []
    with selectors.DefaultSelector() as selector:
        selector.register(keypad.fileno(), selectors.EVENT_READ)
        while selector.select(10.0):
            symbols += keypad.read()
    raise AssertionError(f"never lost, but heard {symbols}")


def test_enter_and_cancel_are_hash_and_star():
    assert "".join(symbols_of(b"12\x0d\x7f#*")) == "12#*#*"
    assert symbols_of(bytes(set(range(256)) - set(b"0123456789#*\x0d\x7f"))) == []


def test_its_line_is_ours_alone(pad):
    keypad = opened(pad)
    with pytest.raises(DeviceMissing, match="exclusively lock"):
        opened(pad)
    keypad.close()


def test_another_key_never_comes_up(pad, monkeypatch):
    monkeypatch.setattr(keypad_osdp, "UP_S", 1.5)
    pad.key_file.write_text("00112233445566778899aabbccddeeff")
    with pytest.raises(DeviceMissing, match="no secure channel"):
        opened(pad)


def test_a_keypad_without_power_is_missing(pad, monkeypatch):
    monkeypatch.setattr(keypad_osdp, "UP_S", 0.5)
    pad.stop()
    with pytest.raises(DeviceMissing, match="no secure channel"):
        opened(pad)


@pytest.mark.slow
def test_silence_is_a_loss_and_opening_anew_does_not_wait(pad):
    """After the 8 s that libosdp waits for an answer; it would then leave the device alone for 300 s."""
    keypad = opened(pad)
    pad.stop()
    with pytest.raises(DeviceLost, match="silent"):
        read_until_lost(keypad)
    keypad.close()
    pad.start()
    again = opened(pad)
    pad.press("5")
    with selectors.DefaultSelector() as selector:
        selector.register(again.fileno(), selectors.EVENT_READ)
        assert selector.select(5.0)
    assert again.read() == ["5"]
    again.close()


def test_an_event_that_is_too_long_is_a_loss_and_never_a_dead_keypad(pad):
    keypad = opened(pad)
    pad.send(b"5" * 65)
    with pytest.raises(DeviceLost):
        read_until_lost(keypad)
    keypad.close()
    pad.stop()
    pad.start()
    opened(pad).close()


def test_no_digit_stays_in_the_library(pad):
    keypad = opened(pad)
    pad.press("12")
    with selectors.DefaultSelector() as selector:
        selector.register(keypad.fileno(), selectors.EVENT_READ)
        assert selector.select(5.0)
    assert all(queue.empty() for queue in keypad._panel.event_queue)
    keypad.close()


@pytest.mark.parametrize(
    ("text", "why"), [("", "0 bytes"), ("00" * 15, "15 bytes"), ("xyz", "ValueError"), (DEFAULT_KEY.hex(), "everybody")]
)
def test_a_key_file_that_is_none_is_refused(tmp_path, text, why):
    path = tmp_path / "osdp.key"
    path.write_text(text)
    with pytest.raises(DeviceMissing, match=why):
        read_key(path)


def test_a_missing_key_file_is_refused(tmp_path):
    with pytest.raises(DeviceMissing, match="FileNotFoundError"):
        read_key(tmp_path / "none")
