"""A camera through OpenCV: a V4L2 device, or an MJPEG stream on this machine.

A thread takes pictures as they come and keeps the newest, so a slow reader sees now and not a queue of the past.
Streams are read from loopback only: nothing on the network may put a picture before this door.
"""

from __future__ import annotations

import re
import threading
from time import monotonic
from typing import TYPE_CHECKING, Annotated, Final

import cv2
import msgspec

from hal.errors import DeviceLost, DeviceMissing, translated
from hal.pins import Board
from hal.ports import Camera

if TYPE_CHECKING:
    from hal.ports import Frame

SOURCE: Final = re.compile(r"\d{1,2}|/dev/[\w./-]{1,200}|http://(127\.0\.0\.1|localhost)(:\d{1,5})?(/[\w./-]{0,200})?")
OPEN_TIMEOUT_MS: Final = 5_000
SILENCE_S: Final = 5.0
"""Without a picture for this long the camera counts as lost; OpenCV alone would wait 30 s."""


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
    return OpenCvCamera(settings)


class OpenCvCamera:
    """See `hal.ports.Camera`."""

    def __init__(self, settings: Settings) -> None:
        with translated(DeviceMissing, f"camera {settings.source}"):
            self._capture = _capture(settings)
        if not self._capture.isOpened():
            raise DeviceMissing(f"camera {settings.source} cannot be opened")
        self._news = threading.Condition()
        self._newest: Frame | None = None
        self._heard_s = monotonic()
        self._lost: str | None = None
        self._closing = False
        self._taker = threading.Thread(target=self._take, name="camera", daemon=True)
        self._taker.start()

    def read(self, timeout_s: float) -> Frame | None:
        """The newest picture not yet given, or None after `timeout_s`."""
        with self._news:
            self._news.wait_for(lambda: self._newest is not None or self._lost is not None, timeout_s)
            frame, self._newest = self._newest, None
            if frame is not None:
                return frame
            if self._lost is not None:
                raise DeviceLost(f"camera lost: {self._lost}")
            if monotonic() - self._heard_s > SILENCE_S:
                raise DeviceLost(f"camera silent for more than {SILENCE_S} s")
            return None

    def close(self) -> None:
        """Stop taking pictures. A thread stuck in a dead device releases it when OpenCV lets it."""
        self._closing = True
        self._taker.join(timeout=1.0)

    def _take(self) -> None:
        lost = "closed"
        try:
            while not self._closing:
                arrived, picture = self._capture.read()
                if not arrived:
                    lost = "no more pictures"
                    return
                grey = picture if picture.ndim == 2 else cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY)
                with self._news:
                    self._newest, self._heard_s = grey.astype("uint8", copy=False), monotonic()
                    self._news.notify()
        except Exception as cause:  # OpenCV throws more than cv2.error; `read` tells the caller
            lost = str(cause)
        finally:
            self._capture.release()
            with self._news:
                self._lost = lost
                self._news.notify()


def _capture(settings: Settings) -> cv2.VideoCapture:
    if settings.source.startswith("http://"):
        opening = [cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, OPEN_TIMEOUT_MS]
        reading = [cv2.CAP_PROP_READ_TIMEOUT_MSEC, int(SILENCE_S * 1000)]
        return cv2.VideoCapture(settings.source, cv2.CAP_FFMPEG, opening + reading)
    device = int(settings.source) if settings.source.isdigit() else settings.source
    capture = cv2.VideoCapture(device, cv2.CAP_V4L2)
    capture.set(cv2.CAP_PROP_FRAME_WIDTH, settings.width)
    capture.set(cv2.CAP_PROP_FRAME_HEIGHT, settings.height)
    capture.set(cv2.CAP_PROP_FPS, settings.frames_per_s)
    return capture
