"""The USB number pad: raw `struct input_event` in, symbols out; and what the driver asks of the kernel.

Whether a real grab keeps a second reader out is a bench procedure (docs/bench.md): it needs a kernel with uinput.
"""

import errno
import fcntl
import struct
from itertools import pairwise
from types import SimpleNamespace

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hal import keypad_usb
from hal.errors import DeviceLost, DeviceMissing
from hal.keypad_usb import EVENT, FLOOD_PRESSES, Decoder, Settings
from hal.ports import KEYPAD_SYMBOLS

PAD = dict(zip("7894561230#*", (71, 72, 73, 75, 76, 77, 79, 80, 81, 82, 96, 55), strict=True))
DEVICE = "/dev/input/by-path/platform-usb-0:1.2:1.0-event-kbd"
GOOD = {"device": DEVICE, "vendor": 0x046D, "product": 0xC31C}
RIGHT = msgspec.convert(GOOD, Settings)


def event(kind: int, code: int, value: int, at_us: int = 0) -> bytes:
    return EVENT.pack(*divmod(at_us, 1_000_000), kind, code, value)


def press(code: int, at_us: int = 0) -> bytes:
    """As a real pad sends it: scan code, key, report; and the same on release."""
    down = event(4, 4, code) + event(1, code, 1, at_us) + event(0, 0, 0)
    return down + event(4, 4, code) + event(1, code, 0, at_us) + event(0, 0, 0)


def typed(codes: list[int]) -> str:
    return "".join(Decoder().feed(b"".join(press(code, 100_000 * place) for place, code in enumerate(codes))))


def test_both_rows_of_digits_and_every_enter_and_clear():
    assert typed([PAD[symbol] for symbol in KEYPAD_SYMBOLS]) == KEYPAD_SYMBOLS
    assert typed([11, *range(2, 11)]) == "0123456789"
    assert typed([28, 96, 1, 14, 55, 111]) == "##****"


def test_a_shifted_digit_is_what_is_printed_above_it():
    decoder = Decoder()
    data = event(1, 42, 1) + press(4, 100) + press(9, 200) + press(2, 300) + event(1, 42, 0) + press(4, 400)
    assert "".join(decoder.feed(data)) == "#*3"
    assert decoder.ignored == 1


def test_a_held_key_is_pressed_once():
    data = event(1, 79, 1) + 40 * event(1, 79, 2) + event(1, 79, 0)
    assert Decoder().feed(data) == ["1"]


def test_letters_are_ignored_and_counted():
    decoder = Decoder()
    assert decoder.feed(press(30) + press(79, 10)) == ["1"]
    assert decoder.ignored == 1


def test_when_the_kernel_lost_events_what_was_typed_is_cleared():
    """A PIN with a digit missing would cost a try."""
    data = press(79) + event(0, 3, 0) + event(1, 80, 1) + event(0, 0, 0) + press(81)
    assert "".join(Decoder().feed(data)) == "1*3"


def test_a_flood_is_a_loss():
    fast = b"".join(press(79, 5_000 * place) for place in range(FLOOD_PRESSES + 1))
    with pytest.raises(DeviceLost, match="keys a second"):
        Decoder().feed(fast)


def test_a_fast_typist_is_no_flood():
    quick = b"".join(press(79, 60_000 * place) for place in range(200))
    assert len(Decoder().feed(quick)) == 200


@given(st.lists(st.sampled_from([*PAD.values(), 30, 42])), st.lists(st.integers(0, 300), max_size=5))
def test_any_split_of_a_stream_gives_the_same_symbols(codes, cuts):
    data = b"".join(press(code, 100_000 * place) for place, code in enumerate(codes))
    edges = [0, *sorted(cut for cut in cuts if cut < len(data)), len(data)]
    split = Decoder()
    pieces = [symbol for start, end in pairwise(edges) for symbol in split.feed(data[start:end])]
    assert pieces == Decoder().feed(data)


@given(st.binary(max_size=2_000))
def test_garbage_gives_symbols_or_a_loss_and_nothing_else(data):
    try:
        symbols = Decoder().feed(data)
    except DeviceLost:
        return
    assert set(symbols) <= set(KEYPAD_SYMBOLS)


@pytest.mark.parametrize(
    "wrong",
    [{"device": "/dev/input/event0"}, {"device": "/dev/input/by-path/../event0"}, {"vendor": 0x10000}, {"grab": False}],
)
def test_settings_are_checked(wrong):
    msgspec.convert(GOOD, Settings)
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(GOOD | wrong, Settings)


def test_a_pad_that_is_not_there_is_missing():
    with pytest.raises(DeviceMissing, match="keypad /dev/input/by-path"):
        keypad_usb.open(RIGHT)


@pytest.fixture
def kernel(monkeypatch):
    """The kernel's side of the three requests: what it is asked, in order, and what it says."""
    asked: list[int] = []
    device = SimpleNamespace(asked=asked, ids=(0x046D, 0xC31C), busy=False)

    def ioctl(_fd: int, request: int, _argument: object) -> bytes:
        asked.append(request)
        if device.busy and request == keypad_usb.EVIOCGRAB:
            raise OSError(errno.EBUSY, "held by somebody else")
        return struct.pack("@HHHH", 3, *device.ids, 0x110)

    monkeypatch.setattr(fcntl, "ioctl", ioctl)
    return device


def test_the_right_device_is_grabbed_with_a_steady_clock(kernel):
    keypad_usb.take(0, RIGHT)
    assert kernel.asked == [0x80084502, 0x40044590, 0x400445A0], "as in linux/input.h"


def test_another_keyboard_in_the_same_socket_is_not_grabbed(kernel):
    kernel.ids = (0x1234, 0x5678)
    with pytest.raises(DeviceMissing, match="another device: 1234:5678"):
        keypad_usb.take(0, RIGHT)
    assert keypad_usb.EVIOCGRAB not in kernel.asked


def test_a_pad_somebody_else_has_grabbed_is_missing(kernel):
    kernel.busy = True
    with pytest.raises(DeviceMissing, match="held by somebody else"):
        keypad_usb.take(0, RIGHT)
