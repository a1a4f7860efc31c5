"""The pure decoder of the serial QR scanner."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hal.errors import DeviceMissing
from hal.ports import SCANNED_CHARS
from hal.qr_serial import Decoder, Settings, open


@pytest.mark.parametrize(
    ("data", "texts", "ignored"),
    [
        (b"ZS1:A\r", ["ZS1:A"], 0),
        (b"ZS1:A\r\nZS1:B\n", ["ZS1:A", "ZS1:B"], 0),
        (b"\r\n\r\n", [], 0),
        (b"ZS1:\xc3\xa9\rZS1:B\r", ["ZS1:B"], 1),
        (b"\x00\x01\x02\r", [], 1),
        (b"no end", [], 0),
    ],
)
def test_bytes_become_texts(data, texts, ignored):
    decoder = Decoder()
    assert decoder.feed(data) == texts
    assert decoder.ignored == ignored


@given(st.lists(st.binary(max_size=40)))
def test_any_split_of_a_stream_gives_the_same_texts(chunks):
    split = Decoder()
    assert Decoder().feed(b"".join(chunks)) == [text for chunk in chunks for text in split.feed(chunk)]


@given(st.binary(max_size=5_000))
def test_only_short_printable_texts_come_out(data):
    for text in Decoder().feed(data):
        assert 0 < len(text) <= SCANNED_CHARS
        assert text.isascii()
        assert text.isprintable()


def test_a_device_that_is_not_there_is_missing(tmp_path):
    with pytest.raises(DeviceMissing, match="scanner on"):
        open(Settings(device=str(tmp_path / "nothing")))
