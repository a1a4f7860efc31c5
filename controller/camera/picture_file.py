"""A picture from a file, for `zaalsleutel qr read`. The camera process never touches one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

import cv2
import numpy as np

from controller.formats.errors import Refused

if TYPE_CHECKING:
    from hal.ports import Frame

FILE_BYTES_MAX: Final = 64 << 20


def load(path: Path) -> Frame:
    """A file as a grey picture. Raises Refused `unreadable`, `too_large` or `not_an_image`."""
    try:
        with path.open("rb") as file:
            data = file.read(FILE_BYTES_MAX + 1)
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        reason = error.strerror if isinstance(error, OSError) else error
        raise Refused("unreadable", str(path), f"cannot be read: {reason}") from None
    if len(data) > FILE_BYTES_MAX:
        raise Refused("too_large", str(path), f"over {FILE_BYTES_MAX} bytes")
    return decode(data, str(path))


def decode(data: bytes, where: str) -> Frame:
    """The bytes of an image file as a grey picture. Raises Refused `not_an_image`."""
    try:
        picture = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_GRAYSCALE)
    except cv2.error:  # among others: more pixels than OpenCV's limit
        picture = None
    if picture is None:
        raise Refused("not_an_image", where, "not an image, or not one of a supported kind and size")
    return picture.astype(np.uint8, copy=False)
