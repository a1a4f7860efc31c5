"""The number a refused person reads out over the telephone, chosen so that it tells nothing about the code.

Equal refusals within a minute are one record, different ones are several. A number that always named the newest record
would so tell a guesser that the third PIN was refused for another reason than the first two. Hence: one number a
minute, whatever is refused in it.
"""

from __future__ import annotations

from controller.formats.event import Event
from controller.formats.incident import incident_number
from controller.throttle import QUIET_MS


class Incidents:
    """`number` is that of the newest refusal, None before the first."""

    def __init__(self, door: str) -> None:
        self._door = door
        self._since_ms = 0
        self._newest: tuple[str, int] | None = None
        self.number: str | None = None

    def recorded(self, event: Event) -> None:
        """A record was written. The hub finds refusals by their numbers, so only those give one."""
        if event.kind == "refused":
            self._newest = (event.log, event.seq)

    def refused(self, now_ms: int) -> None:
        """Something was refused; where it is recorded, that is done already."""
        if self._newest is not None and (self.number is None or now_ms - self._since_ms >= QUIET_MS):
            self.number, self._since_ms = incident_number(self._door, *self._newest), now_ms
