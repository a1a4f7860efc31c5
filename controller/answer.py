"""What the door shows a person, and for how long."""

from __future__ import annotations

from controller.door_events import Effect, Now, Show

SHOWN_MS = 5_000  # how long an answer stays before the door looks idle again


class Answer:
    """`shown` now; `at_s` is the UTC second of the answer, 0 while idle; `until_ms` the monotonic end of it."""

    def __init__(self) -> None:
        self.shown, self.at_s = Show("idle"), 0
        self.until_ms: int | None = None

    def give(self, show: Show, now: Now) -> list[Effect]:
        """Show an answer in the place of whatever is shown."""
        self.shown, self.at_s = show, max(0, now.utc_s)
        self.until_ms = now.mono_ms + SHOWN_MS
        return [show]

    def time_over(self, now: Now) -> list[Effect]:
        """Back to idle when the answer has been seen."""
        if self.until_ms is None or now.mono_ms < self.until_ms:
            return []
        self.shown, self.at_s, self.until_ms = Show("idle"), 0, None
        return [self.shown]
