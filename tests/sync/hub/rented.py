"""Room A rented, its door's log made by hand and stored: what reports, visits and retention are tested with."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from controller.formats.encoding import canonical
from controller.formats.event import Event, EventKind, Opening
from sync.hub.records.collector import read_batch
from sync.hub.records.log_store import LogStore
from sync.hub.service import Service
from sync.hub.store.database import Sessions
from tests.sync.hub.conftest import HOUR, NOW, wish
from tests.sync.hub.door_log import DoorLog

DOOR = "a-1"
START, UNTIL = NOW + HOUR, NOW + 3 * HOUR


@dataclass
class Rented:
    """Reservations R-1 (and more) of room A, and the door that writes about them."""

    sessions: Sessions
    service: Service
    log: DoorLog = field(default_factory=lambda: DoorLog(door=DOOR))
    stored: int = 0

    def book(self, ref: str = "R-1", **changes: Any) -> str:
        """A reservation; its grant."""
        answer, _ = self.service.put("booking", ref, wish(start=START, until=UNTIL, **changes), NOW)
        return answer.grant

    def write(
        self, kind: EventKind, at: int, grant: str | None = None, reason: str | None = None, **detail: Any
    ) -> None:
        """One more record at `at` (UTC seconds), in the door's memory so far."""
        seq = len(self.log.events) + 1
        opening = Opening(nonce=f"{seq:032x}", grant=grant, credential="c1") if grant else None
        event = Event(
            door=DOOR,
            log=self.log.log,
            seq=seq,
            at=at * 1000,
            clock="synced",
            kind=kind,
            reason=reason,
            who=opening.commitment() if opening else None,
            credential="pin" if grant else None,
            detail=detail,
        )
        self.log.append(canonical(event), opening)

    def deliver(self) -> None:
        """What is not at the hub yet goes there."""
        first, last = self.stored + 1, len(self.log.events)
        if first <= last:
            batch = read_batch(self.log.batch(first, last), DOOR, self.log.signing.verify_key)
            LogStore(self.sessions).store([batch], NOW)
        self.stored = last
