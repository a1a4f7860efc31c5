"""What a hub does beside its work, in a thread of its own: visits are followed, what is due is forgotten.

    chores = Chores(sessions)
    chores.start()
    …
    chores.stop()

Neither may keep the link or the API waiting, so both are done a little at a time, in transactions of their own. Several
hub processes may do them at once: each step looks again within its own transaction.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

from sync.hub.audit.retention import Retention
from sync.hub.records.visits import Visits
from sync.hub.store.database import Sessions

EVERY_S = 30.0
PURGE_EVERY_S = 86_400

log = logging.getLogger(__name__)


class Chores:
    """`clock` gives UTC seconds."""

    def __init__(self, sessions: Sessions, clock: Callable[[], float] = time.time) -> None:
        self._visits = Visits(sessions)
        self._retention = Retention(sessions)
        self._clock = clock
        self._purged_at: int | None = None
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._work, name="hub-chores")

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Finish the step at hand."""
        self._stopping.set()
        self._thread.join()

    def turn(self) -> None:
        """Do what is due. A chore that fails stays due, and does not keep the other waiting."""
        for chore in (self._follow, self._forget):
            try:
                chore(int(self._clock()))
            except Exception:
                # Whatever it is must not end this thread: nobody would be forgotten any more.
                log.exception("a chore failed; it stays due")

    def _follow(self, now: int) -> None:
        """Follow visits, a page and then as long a rest as it took: who writes without a pause keeps every other writer
        of the database waiting, the link among them."""
        started_s = time.monotonic()
        while self._visits.follow(now) and not self._stopping.wait(time.monotonic() - started_s):
            started_s = time.monotonic()

    def _forget(self, now: int) -> None:
        # Also when it was done in a future that the clock has come back from.
        if self._purged_at is None or not self._purged_at <= now < self._purged_at + PURGE_EVERY_S:
            gone = self._retention.purge(now)
            log.info("%d records no longer say who it was, %d reservations forgotten", gone.openings, gone.reservations)
            self._purged_at = now

    def _work(self) -> None:
        while not self._stopping.wait(EVERY_S):
            self.turn()
