"""The Pi camera driver against a stand-in for picamera2 that only knows the calls the driver makes."""

import sys
from types import SimpleNamespace

import numpy as np
import pytest

from hal import camera_picamera2
from hal.camera_picamera2 import Settings, focus
from hal.errors import DeviceLost, DeviceMissing, DriverUnavailable


class Device:
    """One camera: 640 x 480 in YUV 4:2:0, so 720 rows of which the first 480 are grey."""

    last: "Device"

    def __init__(self, number: int) -> None:
        if number == 1:
            raise IndexError("list index out of range")
        self.camera_controls = {"AfMode": (0, 2, 0)}
        self.calls: list[str] = []
        self.controls: dict[str, object] = {}
        self.pictures = 3
        Device.last = self

    def create_video_configuration(self, **wanted: object) -> dict[str, object]:
        return wanted

    def configure(self, configuration: dict[str, object]) -> None:
        self.configuration = configuration

    def set_controls(self, controls: dict[str, object]) -> None:
        self.controls = controls

    def start(self) -> None:
        self.calls.append("start")

    def capture_array(self, stream: str) -> np.ndarray:
        assert stream == "main"
        self.pictures -= 1
        if self.pictures < 0:
            raise RuntimeError("camera frontend has timed out")
        planes = np.zeros((720, 640), np.uint8)
        planes[:480] = 7
        return planes

    def stop(self) -> None:
        self.calls.append("stop")

    def close(self) -> None:
        self.calls.append("close")


@pytest.fixture
def picamera2(monkeypatch):
    monkeypatch.setitem(sys.modules, "picamera2", SimpleNamespace(Picamera2=Device))


def read_on(camera) -> None:
    for _ in range(10):
        camera.read(0.5)


def test_gives_the_grey_plane_and_gives_the_device_back(picamera2):
    camera = camera_picamera2.open(Settings())
    frame = camera.read(5.0)
    assert frame is not None
    assert frame.shape == (480, 640)
    assert (frame == 7).all()
    with pytest.raises(DeviceLost, match="timed out"):
        read_on(camera)
    camera.close()
    assert Device.last.calls == ["start", "stop", "close"]


def test_a_focusable_lens_is_set_to_the_distance(picamera2):
    camera_picamera2.open(Settings(distance_cm=20)).close()
    assert Device.last.controls == {"AfMode": 0, "LensPosition": 5.0}
    assert focus(None) == {"AfMode": 2}


def test_a_port_without_a_camera_is_missing(picamera2):
    with pytest.raises(DeviceMissing, match="Pi camera 1"):
        camera_picamera2.open(Settings(number=1))


def test_without_the_library_the_driver_says_which_package(monkeypatch):
    monkeypatch.setitem(sys.modules, "picamera2", None)
    with pytest.raises(DriverUnavailable, match="python3-picamera2"):
        camera_picamera2.open(Settings())
