"""Takes pictures on a thread and keeps the newest, so a slow reader sees now and not a queue of the past."""

from __future__ import annotations

import threading
from collections.abc import Callable
from time import monotonic
from typing import TYPE_CHECKING, Final

from hal.errors import DeviceLost

if TYPE_CHECKING:
    from hal.ports import Frame

SILENCE_S: Final = 5.0
"""Without a picture for this long the camera counts as lost."""


class FrameTaker:
    """A camera over two calls of its library: `next_frame` waits for a picture and gives None when there are no more,
    `release` gives the device back; both are called on the thread. See `hal.ports.Camera`."""

    def __init__(self, next_frame: Callable[[], Frame | None], release: Callable[[], None]) -> None:
        self._next_frame = next_frame
        self._release = release
        self._news = threading.Condition()
        self._newest: Frame | None = None
        self._heard_s = monotonic()
        self._lost: str | None = None
        self._closing = False
        self._taker = threading.Thread(target=self._take, name="camera", daemon=True)
        self._taker.start()

    def read(self, timeout_s: float) -> Frame | None:
        """The newest picture not yet given, or None after `timeout_s`. Raises `DeviceLost`."""
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
        """Stop taking pictures. A thread stuck in a dead device releases it when its library lets it."""
        self._closing = True
        self._taker.join(timeout=1.0)

    def _take(self) -> None:
        lost = "closed"
        try:
            while not self._closing:
                frame = self._next_frame()
                if frame is None:
                    lost = "no more pictures"
                    return
                with self._news:
                    self._newest, self._heard_s = frame, monotonic()
                    self._news.notify()
        except Exception as cause:  # camera libraries throw what they like; `read` tells the caller
            lost = str(cause)
        finally:
            self._release()
            with self._news:
                self._lost = lost
                self._news.notify()
