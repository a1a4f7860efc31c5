"""The contract of `hal.ports.Camera`, over every driver that loads here; OpenCV over a real MJPEG stream."""

from time import sleep

import msgspec
import numpy as np
import pytest

from hal import catalog
from hal.errors import DeviceLost, DeviceMissing
from hal.pins import Board
from simulator.stream import FRAMES_PER_S, Stream

WHITE = np.full((200, 300, 3), 255, np.uint8)


@pytest.fixture
def stream():
    stream = Stream()
    yield stream
    stream.close()


@pytest.fixture(params=sorted(catalog.DRIVERS["camera"]))
def open_camera(request, stream):
    if request.param != "opencv":
        pytest.skip(f"camera driver {request.param!r}: needs picamera2 and a camera on the ribbon: docs/bench.md")
    driver = catalog.driver("camera", request.param)
    opened = []

    def open_again():
        opened.append(driver.open(msgspec.convert({"source": stream.url}, driver.Settings), Board()))
        return opened[-1]

    yield open_again
    for camera in opened:
        camera.close()


def brightest(camera) -> int:
    frame = camera.read(5.0)
    assert frame is not None
    return int(frame.max())


def read_on(camera) -> None:
    """Read until something breaks, for at most 10 s."""
    for _ in range(50):
        camera.read(0.2)


def test_gives_grey_pictures(open_camera):
    frame = open_camera().read(5.0)
    assert frame is not None
    assert frame.dtype == np.uint8
    assert frame.shape == (480, 640)


def test_gives_no_picture_twice(open_camera):
    camera = open_camera()
    first = camera.read(5.0)
    assert first is not None
    assert camera.read(0) is not first


def test_gives_the_newest_picture_not_a_backlog(open_camera, stream):
    camera = open_camera()
    assert brightest(camera) < 200
    sleep(10 / FRAMES_PER_S)  # a backlog of empty scenes would build up now
    stream.show(WHITE)
    seen = [brightest(camera) for _ in range(6)]
    assert max(seen) > 200


def test_a_lost_camera_is_a_loss_and_reopening_heals(open_camera, stream):
    camera = open_camera()
    assert camera.read(5.0) is not None
    stream.plug(False)
    with pytest.raises(DeviceLost):
        read_on(camera)
    camera.close()
    with pytest.raises(DeviceMissing):
        open_camera()
    stream.plug(True)
    assert open_camera().read(5.0) is not None


def test_close_may_be_repeated(open_camera):
    camera = open_camera()
    camera.close()
    camera.close()
