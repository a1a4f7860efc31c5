"""The number a refused person reads out over the telephone, chosen so that it tells nothing about the code.

Equal refusals within a minute are one record, different ones are several. A number that always named the newest record
would so tell a guesser that the third PIN was refused for another reason than the first two. Hence: one number a
minute, whatever is refused in it.
"""

from __future__ import annotations

from controller.formats.incident import incident_number
from controller.throttle import QUIET_MS


class Incidents:
    """`number` is that of the newest refusal, None before the first."""

    def __init__(self, door: str) -> None:
        self._door = door
        self._since_ms = 0
        self.number: str | None = None

    def refused(self, log: str, seq: int, now_ms: int) -> None:
        """Something was refused; `seq` is the newest record of `log`."""
        if self.number is None or now_ms - self._since_ms >= QUIET_MS:
            self.number, self._since_ms = incident_number(self._door, log, seq), now_ms
