"""A camera through OpenCV: a V4L2 device, or an MJPEG stream on this machine.

Streams are read from loopback only: nothing on the network may put a picture before this door.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated, Final

import cv2
import msgspec

from hal.camera_taker import SILENCE_S, FrameTaker
from hal.errors import DeviceMissing, translated
from hal.pins import Board
from hal.ports import Camera

if TYPE_CHECKING:
    from hal.ports import Frame

SOURCE: Final = re.compile(r"\d{1,2}|/dev/[\w./-]{1,200}|http://(127\.0\.0\.1|localhost)(:\d{1,5})?(/[\w./-]{0,200})?")
OPEN_TIMEOUT_MS: Final = 5_000


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`source`: V4L2 index (`"0"`), device path, or `http://127.0.0.1:port/path`. Size and rate are wishes to a device.

    640 x 480 is enough: a pass on a telephone at 20 cm has 4 pixels a module.
    """

    source: str
    width: Annotated[int, msgspec.Meta(ge=160, le=1920)] = 640
    height: Annotated[int, msgspec.Meta(ge=120, le=1080)] = 480
    frames_per_s: Annotated[int, msgspec.Meta(ge=1, le=60)] = 15

    def __post_init__(self) -> None:
        if not SOURCE.fullmatch(self.source):
            raise ValueError("source is a device number, a path under /dev or an http address on 127.0.0.1")


def open(settings: Settings, _board: Board | None = None) -> Camera:
    """Open the camera; MAY take `OPEN_TIMEOUT_MS`. Raises `DeviceMissing`."""
    with translated(DeviceMissing, f"camera {settings.source}"):
        capture = _capture(settings)
    if not capture.isOpened():
        raise DeviceMissing(f"camera {settings.source} cannot be opened")

    def next_frame() -> Frame | None:
        arrived, picture = capture.read()
        if not arrived:
            return None
        grey = picture if picture.ndim == 2 else cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY)
        return grey.astype("uint8", copy=False)

    return FrameTaker(next_frame, capture.release)


def _capture(settings: Settings) -> cv2.VideoCapture:
    if settings.source.startswith("http://"):
        opening = [cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, OPEN_TIMEOUT_MS]
        # OpenCV alone would wait 30 s for a stream that is silent.
        reading = [cv2.CAP_PROP_READ_TIMEOUT_MSEC, int(SILENCE_S * 1000)]
        return cv2.VideoCapture(settings.source, cv2.CAP_FFMPEG, opening + reading)
    device = int(settings.source) if settings.source.isdigit() else settings.source
    capture = cv2.VideoCapture(device, cv2.CAP_V4L2)
    capture.set(cv2.CAP_PROP_FRAME_WIDTH, settings.width)
    capture.set(cv2.CAP_PROP_FRAME_HEIGHT, settings.height)
    capture.set(cv2.CAP_PROP_FPS, settings.frames_per_s)
    return capture
