"""The Raspberry Pi camera through picamera2, which Debian's package `python3-picamera2` brings: no wheel installs it.

Pictures are taken in YUV 4:2:0, whose first plane is the grey picture: nothing is converted, and no colour is kept.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

import msgspec

from hal.camera_taker import FrameTaker
from hal.errors import DeviceMissing, DriverUnavailable, translated
from hal.pins import Board
from hal.ports import Camera

if TYPE_CHECKING:
    from hal.ports import Frame

CONTINUOUS_AUTOFOCUS: Final = 2
MANUAL_FOCUS: Final = 0


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`number`: which camera port. `distance_cm`: where a focusable lens (Camera Module 3) is set to, in front of the
    camera; None lets it search, which costs a second when somebody comes."""

    number: Literal[0, 1] = 0
    width: Annotated[int, msgspec.Meta(ge=160, le=1920, multiple_of=64)] = 640
    height: Annotated[int, msgspec.Meta(ge=120, le=1080)] = 480
    frames_per_s: Annotated[int, msgspec.Meta(ge=1, le=60)] = 15
    distance_cm: Annotated[int, msgspec.Meta(ge=8, le=200)] | None = 20


def open(settings: Settings, _board: Board | None = None) -> Camera:
    """Start the camera. Raises `DriverUnavailable` without picamera2, `DeviceMissing` without a camera."""
    try:
        from picamera2 import Picamera2
    except ImportError as cause:
        raise DriverUnavailable(
            f"camera driver 'picamera2' needs the system package python3-picamera2: {cause}"
        ) from None
    with translated(DeviceMissing, f"Pi camera {settings.number}"):
        device = Picamera2(settings.number)
        device.configure(
            device.create_video_configuration(
                main={"size": (settings.width, settings.height), "format": "YUV420"},
                controls={"FrameRate": settings.frames_per_s},
                buffer_count=3,
            )
        )
        if "AfMode" in device.camera_controls:
            device.set_controls(focus(settings.distance_cm))
        device.start()

    def next_frame() -> Frame:
        planes: Frame = device.capture_array("main")
        return planes[: settings.height, : settings.width].copy()

    def release() -> None:
        device.stop()
        device.close()

    return FrameTaker(next_frame, release)


def focus(distance_cm: int | None) -> dict[str, Any]:
    """libcamera's controls for a lens set to a distance (in dioptres, 1/m), or left to search."""
    if distance_cm is None:
        return {"AfMode": CONTINUOUS_AUTOFOCUS}
    return {"AfMode": MANUAL_FOCUS, "LensPosition": 100 / distance_cm}
