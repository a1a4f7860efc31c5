"""The picture in front of the camera."""

import cv2
import numpy as np
import pytest
import segno
import zxingcpp

from simulator.stream import HEIGHT, WIDTH, Stream, decode_picture, scene


def seen(jpeg: bytes) -> np.ndarray:
    frame = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_GRAYSCALE)
    assert frame is not None
    return frame


@pytest.mark.parametrize(
    ("rows", "columns"), [(1, 1), (29, 29), (239, 100), (240, 240), (480, 640), (3000, 200), (9, 4000)]
)
def test_any_size_fits_the_frame(rows, columns):
    frame = seen(scene(np.full((rows, columns, 3), 255, np.uint8)))
    assert frame.shape == (HEIGHT, WIDTH)
    assert frame.max() > 200


def test_a_tiny_qr_code_is_held_close_enough_to_read(tmp_path):
    text = "ZS1:" + "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567ABCDEFGHIJKLMNOPQRSTUVWX"
    path = tmp_path / "pass.png"
    segno.make(text, version=3, error="m").save(str(path), scale=1)
    frame = seen(scene(decode_picture(path.read_bytes())))
    assert [code.text for code in zxingcpp.read_barcodes(frame)] == [text]


@pytest.mark.parametrize("data", [b"", b"not a picture", b"\x89PNG\r\n\x1a\n"])
def test_what_is_no_picture_is_refused(data):
    with pytest.raises(ValueError, match="not a picture"):
        decode_picture(data)


@pytest.mark.parametrize(("seconds", "showing"), [(None, True), (60, True), (0, False)])
def test_a_picture_is_taken_away_in_time(seconds, showing):
    stream = Stream()
    stream.show(np.full((300, 300, 3), 255, np.uint8), seconds)
    assert stream.showing is showing
    stream.hide()
    assert stream.showing is False
    stream.close()
