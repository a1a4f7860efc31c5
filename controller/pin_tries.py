"""The PIN tries of a door: one token bucket over all its keypads (X-11).

Every PIN that does not open costs one. Tries come back with time that was really spent running: a reboot or a power
cut gives nothing back, because only the count is kept, never a time.
"""

from __future__ import annotations


class PinTries:
    """`left` tries now, `capacity` at most, one back every `refill_s`. Times are monotonic milliseconds."""

    def __init__(self, left: int, now_ms: int, capacity: int, refill_s: int) -> None:
        self._left = max(0, min(left, capacity))
        self._since_ms = now_ms
        self._capacity = capacity
        self._refill_ms = refill_s * 1000

    def left(self, now_ms: int) -> int:
        """Tries left, after those that came back until now."""
        if self._left >= self._capacity:
            self._since_ms = now_ms
            return self._left
        back = (now_ms - self._since_ms) // self._refill_ms
        if back > 0:
            self._left = min(self._capacity, self._left + back)
            self._since_ms += back * self._refill_ms
        return self._left

    def take(self, now_ms: int) -> int:
        """Spend one; how many are left. The caller makes that durable before it compares anything."""
        if self.left(now_ms) < 1:
            raise ValueError("no PIN try left to take")
        self._left -= 1
        return self._left

    def give_back(self, now_ms: int) -> int:
        """Return the try of a PIN that opened."""
        self._left = min(self._capacity, self.left(now_ms) + 1)
        return self._left

    def change_policy(self, now_ms: int, capacity: int, refill_s: int) -> int:
        """Apply a new list's bucket; a larger one does not come filled, nor does a faster one pay for time that was
        waited under the slower. How many are left."""
        self._left = min(self.left(now_ms), capacity)
        if refill_s * 1000 != self._refill_ms:
            self._since_ms = now_ms
        self._capacity, self._refill_ms = capacity, refill_s * 1000
        return self._left

    def next_back_ms(self, now_ms: int) -> int | None:
        """When the next try comes back, None while the bucket is full."""
        return None if self.left(now_ms) >= self._capacity else self._since_ms + self._refill_ms
