"""What the camera sees, as presentations: one text is one presentation until it was unseen for 3 s, also when two are
held up in turn. So a phone that is held still is judged once, not ten times a second."""

from __future__ import annotations

GAP_MS = 3_000
MAX_SEEN = 8  # more codes at once before one camera are noise


class Presentations:
    """The texts in view. Times are monotonic milliseconds."""

    def __init__(self) -> None:
        self._seen: dict[str, int] = {}

    def begins(self, text: str, now_ms: int) -> bool:
        """Take one reading; whether it begins a presentation."""
        self._seen = {seen: ms for seen, ms in self._seen.items() if now_ms - ms < GAP_MS}
        known = text in self._seen
        if not known and len(self._seen) >= MAX_SEEN:
            return False
        self._seen[text] = now_ms
        return not known
