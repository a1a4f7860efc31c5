"""What a client of the API may read of the records: usage facts, figures, subject access, exports.

    records = ClientRecords(service, sessions)
    records.usage(caller, "R-1")
    made = records.export(caller, Wanted("complaint 17", "public_task", door="hall-1", from_ms=…, until_ms=…), now)
    for line in made.lines: …

As everywhere in the API, what is not the client's own does not exist. Many services may share an entrance, so an export
names only those who came for a room the client may know of. Whatever names somebody is written down first.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from typing import Any

from controller.formats.errors import Refused
from sync.hub.audit.aggregates import Figure, span
from sync.hub.audit.export import FOREVER_MS, Selection, export
from sync.hub.audit.readings import Basis, Reading, Readings
from sync.hub.audit.retention import Retention
from sync.hub.audit.subject_access import subject_access
from sync.hub.records.log_store import LogStore
from sync.hub.records.visits import UsageFacts, Visits
from sync.hub.store import questions
from sync.hub.store.database import Sessions
from sync.hub.town.clients import Caller, ClientDesk

RIGHT_OF_ACCESS = "right of access (Article 15 GDPR)"


@dataclass(frozen=True)
class Wanted:
    """An export that is asked for: of a door, of what one reservation did, or of both; UTC milliseconds, half-open.
    `log` chooses where a door has several."""

    purpose: str
    basis: Basis
    door: str | None = None
    log: str | None = None
    reservation: str | None = None
    from_ms: int = 0
    until_ms: int = FOREVER_MS


@dataclass(frozen=True)
class Export:
    """A log that proves itself, line by line."""

    door: str
    log: str
    lines: Iterator[bytes]


@dataclass(frozen=True)
class ClientRecords:
    """The records in the hub's database, as a client may see them."""

    clients: ClientDesk
    sessions: Sessions

    def usage(self, caller: Caller, ref: str) -> list[UsageFacts]:
        """The usage facts of an own reservation, oldest first. Raises Refused `not_found`."""
        return Visits(self.sessions).of_grants([self._grant(caller, ref)])

    def figures(self, caller: Caller, month: str, now: int) -> list[Figure]:
        """A month (`YYYY-MM`) that is over, of the rooms the client may know of. Raises Refused `bad_request` for one
        that is not: who asks every hour would see single visits in what is added."""
        if span(month)[1] > now:
            raise Refused("bad_request", "month", "figures are told a day after the month is over")
        rooms = self.clients.bench.look(lambda session: session.scalars(questions.visible_rooms(caller)).all())
        return Retention(self.sessions).figures(month, rooms, now)

    def subject(self, caller: Caller, ref: str, now: int) -> dict[str, Any]:
        """Everything that is known of an own reservation. Raises Refused `not_found`."""
        self._grant(caller, ref)
        about = f"{caller.id}/{ref}"
        self._note(caller, "subject", about, RIGHT_OF_ACCESS, "legal_obligation", now)
        return subject_access(self.sessions, Retention(self.sessions).months, reservation=about)

    def export(self, caller: Caller, wanted: Wanted, now: int) -> Export:
        """The log that holds what is wanted, or the part of it. Raises Refused `not_found`, `bad_request` when there
        are several."""
        store = LogStore(self.sessions)
        grants = None if wanted.reservation is None else frozenset({self._grant(caller, wanted.reservation)})
        door, log = self._log(caller, wanted, grants, store)
        known = self._known(caller, door, wanted, store) if grants is None else grants
        lines = export(store, door, log, Selection(wanted.from_ms, wanted.until_ms, grants, known=known))
        try:
            first = next(lines)
        except Refused as refused:
            raise Refused("not_found", "door", refused.text) from None
        parts = [f"door {door}", f"log {log}"]
        if wanted.reservation is not None:
            parts.append(f"reservation {caller.id}/{wanted.reservation}")
        if wanted.from_ms or wanted.until_ms < FOREVER_MS:
            parts.append(f"from {wanted.from_ms // 1000} until {wanted.until_ms // 1000}")
        self._note(caller, "export", ", ".join(parts), wanted.purpose, wanted.basis, now)
        return Export(door, log, chain([first], lines))

    def _grant(self, caller: Caller, ref: str) -> str:
        """Of an own reservation. Raises Refused `not_found`."""
        return self.clients.bench.look(lambda session: questions.reservation_of(session, caller.id, ref).grant_id)

    def _log(self, caller: Caller, wanted: Wanted, grants: frozenset[str] | None, store: LogStore) -> tuple[str, str]:
        """Door and log. Raises Refused `not_found`, `bad_request`."""
        doors = set(self.clients.doors_of(caller))
        if wanted.door is not None:
            doors &= {wanted.door}
        if grants is None:
            logs = {(door, log) for door in doors for log in store.logs(door)}
        else:
            told = [each for each in store.of_grants(grants) if wanted.from_ms <= each.event.at < wanted.until_ms]
            logs = {(each.door, each.log) for each in told if each.door in doors}
        found = sorted(each for each in logs if wanted.log in {None, each[1]})
        if not found:
            raise Refused("not_found", "door", "there is no such door, or it has no record that was asked for")
        if len(found) > 1:
            choice = ", ".join(f"{door} {log}" for door, log in found)
            raise Refused("bad_request", "log", f"one file is one log; choose by door and log: {choice}")
        return found[0]

    def _known(self, caller: Caller, door: str, wanted: Wanted, store: LogStore) -> frozenset[str]:
        """Those who came by this door, at that time, for a room the client may know of."""
        records = store.during(wanted.from_ms, wanted.until_ms, [door])
        named = {each.opening.grant for each in records if each.opening is not None}
        return frozenset(self.clients.known_grants(caller, named))

    def _note(self, caller: Caller, action: str, about: str, purpose: str, basis: Basis, now: int) -> None:
        Readings(self.sessions).note(Reading(now, f"client {caller.id}", action, about, purpose, basis))
