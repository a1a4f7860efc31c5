"""What an agent may ask for faster than it can be done: verifying a list, verifying steps of trust."""

from __future__ import annotations

from collections.abc import Callable


class Latest:
    """Work of one kind that others can ask for: one piece at a time, and of what waits the newest alone. So whoever
    asks faster than it can be done fills no memory. `begin` has a piece done and calls `done` when that is over."""

    def __init__(self, begin: Callable[[str], None]) -> None:
        self._begin = begin
        self._waiting: str | None = None
        self._busy = False

    def ask(self, body: str) -> None:
        """Do this next."""
        self._waiting = body
        self._next()

    def done(self) -> None:
        """The piece at hand is done."""
        self._busy = False
        self._next()

    def _next(self) -> None:
        if self._busy or self._waiting is None:
            return
        body, self._waiting, self._busy = self._waiting, None, True
        self._begin(body)
