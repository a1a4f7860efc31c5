"""What a door writes down: records, the memory that is kept with them, and a count of what repeats.

Everything that changes memory goes to disk in one transaction with the record that says why; this is where the two
come together.
"""

from __future__ import annotations

from controller.door_events import Effect, Kept, Now, Record
from controller.draft import Draft
from controller.memory import Memory
from controller.throttle import Throttle


class Journal:
    """`memory` as it stands now."""

    def __init__(self, memory: Memory) -> None:
        self.memory = memory
        self._throttle = Throttle()

    @property
    def deadline_ms(self) -> int | None:
        """The monotonic instant at which a minute of repeats is over."""
        return self._throttle.deadline_ms

    def due(self, now: Now) -> list[Draft]:
        """The counted records of every minute that is over."""
        return self._throttle.due(now.mono_ms)

    def note(self, draft: Draft, now: Now) -> list[Effect]:
        """Record what may repeat at the pace of its cause: one a minute, the rest counted."""
        admitted = self._throttle.admit(draft, now.mono_ms)
        return self.records([admitted] if admitted else [])

    def records(self, records: list[Draft]) -> list[Effect]:
        """Records that change nothing in memory, if there are any."""
        return [self.record(records)] if records else []

    def record(self, records: list[Draft], kept: Kept | None = None, *, opening_door: bool = False) -> Record:
        """Records and what is kept with them. A release's unconfirmed pulse goes with whatever comes next: a write of
        its own would be a third sync on the way in."""
        return Record(tuple(records), {**(kept or {}), "pulse": self.memory.pulse_at_ms}, opening_door)
