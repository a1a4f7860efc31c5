"""From entries to reservations, the same way for every adapter: one report line per item, nothing half done.

    report = Intake(service, sessions, "planning", source="cleaning").take(entries, now)

An entry that says what already holds changes nothing, so a file may be sent again and a feed polled for ever. One that
is older than what holds (`sequence`) is left out. Each other one gets the next revision and goes through the same
`Service.put` as a call of the API, with the same checks.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from typing import Literal, cast

from sqlalchemy import select
from sqlalchemy.orm import selectinload

from controller.formats.code_list import Language, Window
from controller.formats.errors import Refused
from sync.hub.adapters.entry import Entry, HolderKind, Rejected, rejected
from sync.hub.booking.reservations import Method
from sync.hub.service import Service
from sync.hub.store.database import Sessions, reading
from sync.hub.store.models import Grant, Reservation

Result = Literal["created", "changed", "unchanged", "older", "over", "refused"]


@dataclass(frozen=True)
class Outcome:
    """What became of one item: `over` where nothing is left to do because its time has passed, or it was cancelled
    before it came; `older` where a newer version had overtaken it; `code` and `text` say why something was refused."""

    where: str
    ref: str | None
    result: Result
    code: str | None = None
    text: str | None = None


@dataclass(frozen=True)
class Intake:
    """Writes as `client`; `source` is the adapter's name, kept with each reservation."""

    service: Service
    sessions: Sessions
    client: str
    source: str

    def take(self, items: Iterable[Entry | Rejected], now: int) -> list[Outcome]:
        """Apply each item at `now` (UTC seconds), in order. What is refused stands in no other's way."""
        items = list(items)
        replaced = {item.replaces for item in items if isinstance(item, Entry)}
        held = self.held({ref for ref in replaced | {item.ref for item in items} if ref is not None})
        return [self._take(item, held, now) for item in items]

    def pseudonym(self, name: str) -> str:
        """A name for a name, which only this hub can make."""
        return self.service.pseudonym(name)

    def cancel(self, reservation: Reservation, where: str, now: int) -> Outcome:
        """Cancel what the other side no longer has."""
        return self._take(replace(entry_of(reservation, where), state="cancelled"), {reservation.ref: reservation}, now)

    def held(self, refs: Collection[str] | None = None) -> dict[str, Reservation]:
        """The reservations of the client by ref: those asked for, or all of them."""
        with reading(self.sessions).begin() as session:
            query = select(Reservation).options(selectinload(Reservation.grant).selectinload(Grant.bookings))
            query = query.where(Reservation.client == self.client)
            found = session.scalars(query if refs is None else query.where(Reservation.ref.in_(refs)))
            return {reservation.ref: reservation for reservation in found}

    def _take(self, item: Entry | Rejected, held: dict[str, Reservation], now: int) -> Outcome:
        if isinstance(item, Rejected):
            return Outcome(item.where, item.ref, "refused", item.code, item.text)
        try:
            if item.replaces not in held:
                item = replace(item, replaces=None)  # never heard of: there is no place or code to take over
            return Outcome(item.where, item.ref, self._apply(item, held.get(item.ref), now))
        except Refused as refused:
            line = rejected(item.where, item.ref, refused)
            return Outcome(line.where, line.ref, "refused", line.code, line.text)

    def _apply(self, entry: Entry, holds: Reservation | None, now: int) -> Result:
        if holds is None:
            if entry.state == "cancelled" or _last_end(entry.windows) <= now:
                return "over"
            wish = replace(entry.wish(1, self.source), replaces=entry.replaces)
            self.service.put(self.client, entry.ref, wish, now)
            return "created"
        if entry.sequence is not None and entry.sequence < (entry_of(holds, entry.where).sequence or 0):
            return "older"
        booked = held_windows(holds)
        if entry.state != "cancelled" and _last_end(entry.windows) <= now:
            if _last_end(booked) <= now:
                return "over"
            # Every time that was still to come has been called off. It may get new ones, so it is not cancelled.
            entry = replace(entry, state="suspended", windows=booked)
        wish = entry.wish(holds.revision, self.source)
        # What was replaced was so when this one came, and not once more with every change.
        same = holds.digest in (wish.digest, replace(wish, replaces=entry.replaces).digest)
        if same or entry.state == holds.grant.state == "cancelled":
            return "unchanged"
        self.service.put(self.client, entry.ref, replace(wish, revision=holds.revision + 1), now)
        return "changed"


def entry_of(reservation: Reservation, where: str) -> Entry:
    """A reservation as the entry that would ask for it."""
    correlation = dict(reservation.correlation)
    sequence = correlation.pop("sequence", None)
    correlation.pop("source", None)
    grant = reservation.grant
    return Entry(
        where=where,
        ref=reservation.ref,
        state=grant.state,
        rooms=tuple(dict.fromkeys(booking.room for booking in grant.bookings)),
        windows=held_windows(reservation),
        holder=reservation.holder["ref"],
        holder_kind=cast(HolderKind, reservation.holder["kind"]),
        kind=grant.kind,
        language=cast(Language, reservation.language),
        methods=tuple(cast(Method, method) for method in grant.methods),
        sequence=int(sequence) if sequence is not None and sequence.isdecimal() else None,
        correlation=correlation,
    )


def held_windows(reservation: Reservation) -> tuple[Window, ...]:
    """The booked times that hold for a reservation."""
    return tuple(sorted({(booking.start, booking.until) for booking in reservation.grant.bookings}))


def _last_end(windows: Iterable[Window]) -> int:
    return max((until for _, until in windows), default=0)
