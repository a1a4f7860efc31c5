"""What is particular to the OpenCV camera: which sources it takes."""

import msgspec
import pytest

from hal import camera_opencv, camera_taker
from hal.camera_opencv import Settings
from hal.errors import DeviceLost, DeviceMissing
from simulator.stream import Stream


@pytest.mark.parametrize("source", ["0", "/dev/video0", "/dev/v4l/by-id/usb-cam_1.0-video", "http://127.0.0.1:8080/x"])
def test_devices_and_loopback_streams_are_taken(source):
    assert msgspec.convert({"source": source}, Settings).source == source


@pytest.mark.parametrize(
    "source",
    [
        "",
        "100",
        "/etc/passwd",
        "picture.png",
        "http://10.0.0.5/stream",
        "http://127.0.0.1.example.org/",
        "http://127.0.0.1@example.org/",
        "https://127.0.0.1/",
        "rtsp://127.0.0.1/",
        "concat:/dev/zero",
        "http://127.0.0.1/\n",
    ],
)
def test_nothing_else_is_opened(source):
    with pytest.raises(msgspec.ValidationError, match="source"):
        msgspec.convert({"source": source}, Settings)


def test_a_camera_that_is_not_there_is_missing():
    with pytest.raises(DeviceMissing):
        camera_opencv.open(Settings(source="/dev/video99"))


def read_twice(camera) -> None:
    """Without waiting: of two reads in a row at least one finds no picture."""
    camera.read(0)
    camera.read(0)


def test_a_silent_camera_counts_as_lost(monkeypatch):
    stream = Stream()
    camera = camera_opencv.open(Settings(source=stream.url))
    assert camera.read(5.0) is not None
    monkeypatch.setattr(camera_taker, "SILENCE_S", -1.0)
    with pytest.raises(DeviceLost, match="silent"):
        read_twice(camera)
    camera.close()
    stream.close()
