"""Which further looks a live picture gets, so that each picture's cost stays bounded.

    attention = Attention()
    texts, look = reader.read_by(frame, attention.looks(frame))
    attention.took(texts, look)                                     # in turn: one picture, its outcome, the next

Nobody there, as nearly always: one picture in `EMPTY_EVERY` is enlarged, so that a code is found even if we are wrong.
Somebody there: every picture gets one look, the next picture the next one. A hand that holds still for half a second
has then been given every look twice, at a third of the price.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import cv2
import numpy as np

from controller.camera.reader import LOOKS, Look

if TYPE_CHECKING:
    from hal.ports import Frame

CELLS: Final = (40, 30)
"""The picture as coarse as this, columns and rows, tells whether somebody stands there."""
CHANGED_GREY: Final = 20
CHANGED_SHARE: Final = 0.02
"""A telephone at half a metre covers 4 % of the picture; noise averages out in a cell."""
LEARN: Final = 1 / 256
"""Of each picture into the memory of the empty scene: at 15 pictures a second, what stays for a quarter of a minute is
part of the scene, be it a lamp switched on or a chair put down."""
UNKNOWN_FRAMES: Final = 8
"""Before that many pictures nothing is known about the scene, so it counts as occupied."""
EMPTY_EVERY: Final = 3
LINGER_FRAMES: Final = 15
"""After a text was read the scene counts as occupied for this long: a code must not seem to come and go."""


class Attention:
    """Remembers the empty scene, whose turn it is, and which look read something last."""

    def __init__(self) -> None:
        self._scene: np.ndarray[tuple[int, ...], np.dtype[np.float32]] | None = None
        self._frames = 0
        self._turn = 0
        self._found: Look | None = None
        self._read_at = -LINGER_FRAMES

    def looks(self, frame: Frame) -> tuple[Look, ...]:
        """The looks this picture may get, beside the one at the picture as it is."""
        self._frames += 1
        occupied = self._occupied(frame)
        # What read the last picture reads the next one too.
        if self._found is not None:
            return (self._found, *(look for look in self._next() if look is not self._found))
        if occupied:
            return self._next()
        return (Look.ENLARGED,) if self._frames % EMPTY_EVERY == 0 else ()

    def took(self, texts: list[str], look: Look | None) -> None:
        """What came of it."""
        self._found = look
        if texts:
            self._read_at = self._frames

    def _next(self) -> tuple[Look, ...]:
        self._turn += 1
        return (LOOKS[self._turn % len(LOOKS)],)

    def _occupied(self, frame: Frame) -> bool:
        try:
            coarse = cv2.resize(frame, CELLS, interpolation=cv2.INTER_AREA).astype(np.float32)
        except cv2.error:  # no picture a camera gives; the reader finds nothing in it either
            return False
        if self._scene is None:
            self._scene = coarse
        changed = float((np.abs(coarse - self._scene) > CHANGED_GREY).mean())
        self._scene += (coarse - self._scene) * LEARN
        lately = self._frames - self._read_at < LINGER_FRAMES
        return lately or self._frames <= UNKNOWN_FRAMES or changed > CHANGED_SHARE
