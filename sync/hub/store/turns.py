"""Taking turns, first come first served: for the threads of a hub that write to one SQLite file.

SQLite has one writer at a time and no queue: who finds it locked sleeps up to a tenth of a second and tries again. A
thread that writes in a row leaves gaps of microseconds, which sleepers miss until they give up after ten seconds:
"database is locked", although nobody held it for long. So the threads of a process queue here first. Other processes
(a command beside the hub that serves) still wait the way SQLite does.
"""

from __future__ import annotations

import threading
from collections import deque


class Turns:
    """A lock that is handed over to whoever has waited longest."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._taken = False
        self._waiting: deque[threading.Event] = deque()

    def take(self, wait_s: float) -> bool:
        """Wait for a turn, at most so long. Whether it came."""
        mine = threading.Event()
        with self._guard:
            if not self._taken:
                self._taken = True
                return True
            self._waiting.append(mine)
        if mine.wait(wait_s):
            return True
        with self._guard:
            if mine.is_set():
                return True  # it came at the last moment
            self._waiting.remove(mine)
        return False

    def leave(self) -> None:
        """The turn is over."""
        with self._guard:
            if self._waiting:
                self._waiting.popleft().set()
            else:
                self._taken = False
