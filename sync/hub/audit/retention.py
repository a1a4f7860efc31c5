"""What is forgotten, when, and what stays to prove that nothing else is missing (X-06, R004-28).

    retention = Retention(sessions)
    retention.purge(now)                       # forgets what is due; the chain of every log verifies as before
    retention.hold("booking/R-1", reason, by, now)      # a dispute: nothing of it is forgotten until `release`

Some months after it happened (`[retention] months` in town.toml, 3 as the CNIL asks, 1 to 12) a record no longer says
who it was: the nonce, grant id and credential id are destroyed, and what is left is a commitment that nobody can open.
When all of a grant's time lies that far back, the link from reservation to grant goes too, with its visits and
everything else that holds the reference. The figures of the month are worked out before. What the door signed is not
touched until it is 13 months old; then whole batches go, oldest first, and what is left still verifies, from the first
statement that is left.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import BigInteger, ColumnElement, delete, exists, func, select, tuple_, update
from sqlalchemy.orm import Mapped, Session, mapped_column

from controller.formats.errors import Refused
from sync.hub.audit import aggregates
from sync.hub.events.hub_events import HubEvent
from sync.hub.records.log_store import PAGE_RECORDS, LogStore, StoredRecord, erase_openings, forget_chain
from sync.hub.records.visits import Visit
from sync.hub.store.database import Base, Sessions, reading
from sync.hub.store.models import ApiEntry, Credential, GrantBooking, Reservation, RetentionRule

DEFAULT_MONTHS, LEAST_MONTHS, MOST_MONTHS = 3, 1, 12
CHAIN_MONTHS = 13
"""So long the pseudonymous chain is kept (X-06): a year and the month in which somebody may still ask about it."""

PAGE_LINKS = 200
"""Reservations that are forgotten in one transaction."""


class LegalHold(Base):
    """While a row is here nothing of the grant is forgotten."""

    __tablename__ = "legal_holds"
    grant_id: Mapped[str] = mapped_column(primary_key=True)
    reason: Mapped[str]
    by: Mapped[str]
    at: Mapped[int] = mapped_column(BigInteger)


@dataclass(frozen=True)
class Purged:
    """What a purge has forgotten."""

    openings: int
    reservations: int
    visits: int
    records: int


class Retention:
    """Forgetting, for one hub; `months` for once instead of what the town has decided."""

    def __init__(self, sessions: Sessions, months: int | None = None) -> None:
        """Raises Refused `bad_months`."""
        if months is not None and not LEAST_MONTHS <= months <= MOST_MONTHS:
            raise Refused("bad_months", "months", f"{LEAST_MONTHS} to {MOST_MONTHS}")
        self._own_months = months
        self._sessions = sessions
        self._store = LogStore(sessions)

    @property
    def months(self) -> int:
        """After how many months names go."""
        if self._own_months is not None:
            return self._own_months
        with reading(self._sessions).begin() as session:
            rule = session.get(RetentionRule, "town")
            return rule.months if rule is not None else DEFAULT_MONTHS

    def purge(self, now: int) -> Purged:
        """Forget what is due at `now` (UTC seconds). Figures first: afterwards nobody can count."""
        before = months_before(now, self.months)
        self._keep_figures(before)
        openings = self._erase_openings(before)
        reservations, visits = self._forget_links(before)
        records = self._shorten_chains(months_before(now, CHAIN_MONTHS) * 1000)
        return Purged(openings, reservations, visits, records)

    def count(self, months: Collection[str], now: int) -> None:
        """Work out the figures of those of these months of which nothing is forgotten yet."""
        before = months_before(now, self.months)
        whole = {month for month in months if aggregates.span(month)[0] >= before}
        counts = self._counts(whole)
        with self._sessions.begin() as session:
            aggregates.keep(session, whole, counts)

    def figures(self, month: str, rooms: Collection[str], now: int) -> list[aggregates.Figure]:
        """What may be shown of a month of these rooms, storing nothing: worked out anew or, once something of the month
        is forgotten, as it was kept."""
        whole = aggregates.span(month)[0] >= months_before(now, self.months)
        with reading(self._sessions).begin() as session:
            if whole:
                return aggregates.shown(aggregates.counted(session, [month], self._store, rooms))
            return aggregates.figures(session, [month], rooms)

    def hold(self, reservation: str, reason: str, by: str, now: int) -> None:
        """Keep everything of a reservation (`client/ref`). Raises Refused `not_found`."""
        with self._sessions.begin() as session:
            grant = _grant_of(session, reservation)
            session.merge(LegalHold(grant_id=grant, reason=reason, by=by, at=now))

    def release(self, reservation: str) -> None:
        """End a hold; what is due goes with the next purge. Raises Refused `not_found`."""
        with self._sessions.begin() as session:
            held = session.get(LegalHold, _grant_of(session, reservation))
            if held is None:
                raise Refused("not_found", "reservation", f"{reservation} is not on hold")
            session.delete(held)

    def _erase_openings(self, before: int) -> int:
        """By the record's own time, whatever the grant: a key of staff has no end."""
        with reading(self._sessions).begin() as session:
            held = set(session.scalars(select(LegalHold.grant_id)))
        erased = 0
        for page in self._pages():
            due = [
                each.cursor
                for each in page
                if each.event.at // 1000 < before and each.opening is not None and each.opening.grant not in held
            ]
            if due:
                with self._sessions.begin() as session:
                    erase_openings(session, due)
                erased += len(due)
        return erased

    def _pages(self) -> Iterator[list[StoredRecord]]:
        cursor = 0
        while page := self._store.opened_after(cursor, PAGE_RECORDS):
            cursor = page[-1].cursor
            yield page

    def _keep_figures(self, before: int) -> None:
        """The figures of the months that lose visits now. A month that has lost some already keeps what was counted."""
        with reading(self._sessions).begin() as session:
            starts = session.scalars(select(Visit.start).where(Visit.until < before)).all()
            counted = set(session.scalars(select(aggregates.Aggregate.month)))
        months = {datetime.fromtimestamp(start, UTC).strftime("%Y-%m") for start in starts} - counted
        if not months:
            return
        counts = self._counts(months)
        with self._sessions.begin() as session:
            # Another hub process that was quicker may be forgetting already: what it counted before is right.
            others = set(session.scalars(select(aggregates.Aggregate.month)))
            aggregates.keep(session, months - others, counts)

    def _counts(self, months: Collection[str]) -> aggregates.Counts:
        """Without the writers' lock: a month of a town takes a while to read."""
        if not months:
            return aggregates.Counts()
        with reading(self._sessions).begin() as session:
            return aggregates.counted(session, months, self._store)

    def _forget_links(self, before: int) -> tuple[int, int]:
        """Reservations all of whose time is over for so long, a page at a time, so that nobody waits for all of them;
        how many links and visits went."""
        with reading(self._sessions).begin() as session:
            due = list(session.scalars(select(Reservation.grant_id).where(*_over(before))))
        links = visits = 0
        for start in range(0, len(due), PAGE_LINKS):
            with self._sessions.begin() as session:
                gone = _forget_page(session, due[start : start + PAGE_LINKS], before)
            links, visits = links + gone[0], visits + gone[1]
        return links, visits

    def _shorten_chains(self, before_ms: int) -> int:
        with reading(self._sessions).begin() as session:
            held = frozenset(session.scalars(select(LegalHold.grant_id)))
        gone = 0
        for door, log in self._store.all_logs():
            upto = self._store.old_stretch(door, log, before_ms, held)
            if upto:
                with self._sessions.begin() as session:
                    gone += forget_chain(session, door, log, upto)
        return gone


def months_before(now: int, months: int) -> int:
    """The instant so many calendar months earlier; a day that does not exist there becomes the month's last."""
    then = datetime.fromtimestamp(now, UTC)
    year, month = divmod(then.year * 12 + then.month - 1 - months, 12)
    for day in range(then.day, 0, -1):
        try:
            return int(then.replace(year=year, month=month + 1, day=day).timestamp())
        except ValueError:
            continue
    raise AssertionError("every month has a first day")


def forget_after(until: int, months: int) -> int:
    """When what ended at `until` is forgotten, at the latest by the next purge."""
    return months_before(until, -months)


def _grant_of(session: Session, reservation: str) -> str:
    client, _, ref = reservation.partition("/")
    found = session.get(Reservation, (client, ref))
    if found is None:
        raise Refused("not_found", "reservation", f"there is no reservation {reservation}, or no longer")
    return found.grant_id


def _over(before: int) -> tuple[ColumnElement[bool], ...]:
    """What says that a reservation is over for so long. One that was cancelled before it was ever booked has no time:
    what the client last did about it counts."""
    held = exists().where(LegalHold.grant_id == Reservation.grant_id)
    booked = select(func.max(GrantBooking.until)).where(GrantBooking.grant_id == Reservation.grant_id)
    own = ApiEntry.client == Reservation.client, ApiEntry.ref == Reservation.ref
    told = select(func.max(ApiEntry.at)).where(*own)
    return func.coalesce(booked.scalar_subquery(), told.scalar_subquery(), 0) < before, ~held


def _forget_page(session: Session, grants: Collection[str], before: int) -> tuple[int, int]:
    """Those of these that are still due, locked in one order so that two hub processes never wait for each other."""
    columns = select(Reservation.client, Reservation.ref, Reservation.grant_id).where(Reservation.grant_id.in_(grants))
    rows = session.execute(columns.where(*_over(before)).order_by(Reservation.grant_id).with_for_update()).all()
    refs, over = [(client, ref) for client, ref, _ in rows], [grant for *_, grant in rows]
    visits = session.execute(delete(Visit).where(Visit.grant_id.in_(over)))
    session.execute(
        update(HubEvent).where(HubEvent.grant.in_(over)).values(grant=None, reservation=None, credential=None)
    )
    session.execute(delete(ApiEntry).where(tuple_(ApiEntry.client, ApiEntry.ref).in_(refs)))
    # Further people's references rest with their codes.
    session.execute(update(Credential).where(Credential.grant_id.in_(over)).values(holder=None))
    session.execute(delete(Reservation).where(Reservation.grant_id.in_(over)))
    return len(rows), int(visits.rowcount)  # type: ignore[attr-defined]
