"""A picture from a file, for `zaalsleutel qr read`. The camera process never touches one."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from controller.formats.errors import Refused

if TYPE_CHECKING:
    from hal.ports import Frame

FILE_BYTES_MAX: Final = 64 << 20
SEEN_THROUGH_PX_MAX: Final = 1 << 24
"""A larger picture's transparency is not looked at: in colour it would take four times the memory, and it is a scan."""


def load(path: Path) -> Frame:
    """A file as a grey picture. Raises Refused `unreadable`, `too_large` or `not_an_image`."""
    try:
        # Not waiting for the writer of a FIFO; once opened, what is written to a pipe is read to its end.
        with open(path, "rb", opener=lambda name, flags: os.open(name, flags | os.O_NONBLOCK)) as file:
            os.set_blocking(file.fileno(), True)
            data = file.read(FILE_BYTES_MAX + 1)
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        reason = error.strerror if isinstance(error, OSError) else error
        raise Refused("unreadable", str(path), f"cannot be read: {reason}") from None
    if len(data) > FILE_BYTES_MAX:
        raise Refused("too_large", str(path), f"over {FILE_BYTES_MAX} bytes")
    return decode(data, str(path))


def decode(data: bytes, where: str) -> Frame:
    """The bytes of an image file as a grey picture (the first of several), what is transparent as on white paper.
    Raises Refused `not_an_image`."""
    encoded = np.frombuffer(data, np.uint8)
    try:
        grey = cv2.imdecode(encoded, cv2.IMREAD_GRAYSCALE)
        if grey is not None and grey.size <= SEEN_THROUGH_PX_MAX:
            grey = _on_white(grey, cv2.imdecode(encoded, cv2.IMREAD_UNCHANGED))
    except cv2.error:  # among others: more pixels than OpenCV's limit
        grey = None
    if grey is None:
        raise Refused("not_an_image", where, "not an image, or not one of a supported kind and size")
    return grey.astype(np.uint8, copy=False)


def _on_white(grey: NDArray[Any], whole: NDArray[Any] | None) -> NDArray[Any]:
    """The picture where it is opaque, white where it is not. QR codes are often saved as black on nothing, and what
    lies under nothing is black too."""
    if whole is None or whole.ndim != 3 or whole.shape[2] != 4 or whole.shape[:2] != grey.shape:
        return grey
    opaque = whole[:, :, 3].astype(np.float32) / np.iinfo(whole.dtype).max
    return np.asarray(255 - opaque * (255 - grey.astype(np.float32)), np.uint8)
