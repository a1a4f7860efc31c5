"""How long the lock is released: the door asks in seconds, the driver gets leases of at most 10 s, renewed in time."""

from __future__ import annotations

from hal.ports import LEASE_MAX_S, Lock

LEASE_MAX_MS = int(LEASE_MAX_S * 1000)
RENEW_BEFORE_MS = 5_000


class Lease:
    """Times are monotonic milliseconds. Every method may raise StrikeFault."""

    def __init__(self, lock: Lock) -> None:
        self._lock = lock
        self._release_until_ms = 0
        self._lease_until_ms = 0
        self._holding = False

    def release(self, seconds: int, now_ms: int) -> None:
        """Release for `seconds` from now; a longer release that is on stays."""
        self._release_until_ms = max(self._release_until_ms, now_ms + seconds * 1000)
        self._renew(now_ms)

    def hold(self, on: bool, now_ms: int) -> None:
        """Keep released until told otherwise, or stop; a release that is on runs out by itself."""
        self._holding = on
        if on:
            self._renew(now_ms)
        elif now_ms >= self._release_until_ms:
            self._lock.secure()
        elif self._lease_until_ms > self._release_until_ms:
            self._renew(now_ms)  # what was leased to hold must not outlast the release

    def renew(self, now_ms: int) -> None:
        """Renew what is running low. Called every loop turn."""
        if self._lease_until_ms - now_ms < RENEW_BEFORE_MS and self._wanted_until_ms(now_ms) > self._lease_until_ms:
            self._renew(now_ms)

    def overdue(self, now_ms: int) -> bool:
        """Whether the relay is still on after its time: it does not obey."""
        return self._lock.released and now_ms > self._lease_until_ms + 1_000

    def _wanted_until_ms(self, now_ms: int) -> int:
        return now_ms + LEASE_MAX_MS if self._holding else self._release_until_ms

    def _renew(self, now_ms: int) -> None:
        lease_ms = min(self._wanted_until_ms(now_ms) - now_ms, LEASE_MAX_MS)
        if lease_ms > 0:
            self._lease_until_ms = now_ms + lease_ms
            self._lock.release(lease_ms / 1000)
