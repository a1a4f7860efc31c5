"""The pure decoder of the serial keypad, and its settings."""

import os
import select
import tty

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hal.errors import DeviceMissing
from hal.keypad_serial import Decoder, Settings, open
from hal.ports import KEYPAD_SYMBOLS


@pytest.mark.parametrize(
    ("data", "symbols", "ignored"),
    [
        (b"482913#", "482913#", 0),
        (b"*12*", "*12*", 0),
        (b"1\r", "1#", 0),
        (b"1\n", "1#", 0),
        (b"1\r\n2", "1#2", 0),
        (b"\r\r\n\n", "###", 0),
        (b"a1 \x002\xff3", "123", 4),
        ("٣²".encode(), "", 4),
    ],
)
def test_bytes_become_symbols(data, symbols, ignored):
    decoder = Decoder()
    assert "".join(decoder.feed(data)) == symbols
    assert decoder.ignored == ignored


@given(st.lists(st.binary(max_size=8)))
def test_any_split_of_a_stream_gives_the_same_symbols(chunks):
    whole, split = Decoder(), Decoder()
    assert whole.feed(b"".join(chunks)) == [symbol for chunk in chunks for symbol in split.feed(chunk)]
    assert whole.ignored == split.ignored


@given(st.binary())
def test_only_symbols_come_out_and_every_other_byte_is_counted(data):
    decoder = Decoder()
    symbols = decoder.feed(data)
    assert set(symbols) <= set(KEYPAD_SYMBOLS)
    assert len(symbols) + decoder.ignored + data.count(b"\r\n") == len(data)


def test_a_device_that_is_not_there_is_missing(tmp_path):
    with pytest.raises(DeviceMissing, match="keypad on"):
        open(Settings(device=str(tmp_path / "nothing")))


def test_a_line_is_ours_alone_and_starts_empty():
    """What was typed before anybody listened is nobody's code; and no second program takes half of one."""
    far, near = os.openpty()
    tty.setraw(near)
    settings = Settings(device=os.ttyname(near))
    os.write(far, b"48")
    keypad = open(settings)
    with pytest.raises(DeviceMissing, match="keypad on"):
        open(settings)
    os.write(far, b"29")
    assert select.select([keypad.fileno()], [], [], 5)[0]
    assert keypad.read() == ["2", "9"]
    keypad.close()
    os.close(near)
    os.close(far)


@pytest.mark.parametrize("wrong", [{"device": "ttyUSB0"}, {"device": "/dev/ttyUSB0", "baud": 9601}, {}])
def test_settings_are_checked(wrong):
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(wrong, Settings)
