"""Polling a calendar feed: what is new is taken in, and what did not come wipes nothing.

    poll = Poller("cleaning", plan, intake, Fetcher()).poll(now)

A feed that cannot be fetched or read, or holds no event at all, changes nothing. An event that has left a good feed
keeps its reservation, or is cancelled if the feed's `missing` says so; when more than a quarter went at once, it is a
broken export and not a decision (`feed_shrank`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from controller.formats.errors import Refused
from sync.hub.adapters.entry import Entry, Rejected
from sync.hub.adapters.fetch import Access, Fetcher
from sync.hub.adapters.ical_feed import DAY_S, EVENT, Plan, read_feed
from sync.hub.adapters.intake import Intake, Outcome, held_windows
from sync.hub.adapters.places import Places
from sync.hub.adapters.settings import FeedPlan
from sync.hub.store.models import Reservation

ACCEPT = "text/calendar"
GONE_SHARE = 4
"""At most one in so many events may leave a feed at once."""


@dataclass(frozen=True)
class Poll:
    """One look at a feed. `failure` says why nothing could be taken from it."""

    feed: str
    outcomes: tuple[Outcome, ...] = ()
    failure: str | None = None


@dataclass
class Poller:
    """Looks at one feed again and again. What it remembers between two looks (ETag, last good calendar) only saves
    work: a new process starts without and comes to the same."""

    name: str
    plan: FeedPlan
    intake: Intake
    fetcher: Fetcher
    places: Callable[[], Places]
    _etag: str | None = field(default=None, init=False)
    _calendar: bytes = field(default=b"", init=False)
    _day: int = field(default=-1, init=False)

    def poll(self, now: int) -> Poll:
        """Fetch and take in, at `now` (UTC seconds). Raises nothing that a feed can bring about."""
        try:
            access = Access(self.plan.token_file, self.plan.oauth)
            fetched = self.fetcher.get(self.plan.url, access, etag=self._etag, accept=ACCEPT)
            if fetched.gone:
                raise Refused("upstream_failed", self.plan.url, "there is no feed at this address")
            # The same calendar still reads differently tomorrow: its series reach a day further.
            if fetched.body is None and self._day == now // DAY_S:
                return Poll(self.name)
            calendar = self._calendar if fetched.body is None else fetched.body
            plan = Plan(self.plan.kind, self.plan.ahead_days, self.plan.per_attendee, self.intake.pseudonym)
            items = read_feed(calendar, self.places(), plan, now)
        except Refused as refused:
            return Poll(self.name, failure=str(refused))
        outcomes = (*self.intake.take(items, now), *self._departed(items, now))
        # Remembered only once it has been taken in: whatever was interrupted is fetched in full again.
        self._etag, self._calendar, self._day = fetched.etag, calendar, now // DAY_S
        return Poll(self.name, outcomes)

    def _departed(self, items: Sequence[Entry | Rejected], now: int) -> Iterator[Outcome]:
        """Deal with reservations of this feed whose event, or whose attendee, is no longer in it."""
        refs = {item.ref for item in items}
        read = {item.correlation[EVENT] for item in items if isinstance(item, Entry)}
        present = read | refs
        mine = [each for each in self.intake.held().values() if self._is_mine(each, now)]
        for reservation in mine:
            if reservation.ref not in refs and reservation.correlation[EVENT] in read:
                yield self.intake.cancel(reservation, f"attendee of event {reservation.correlation[EVENT]}", now)
        gone = [each for each in mine if each.correlation[EVENT] not in present]
        if self.plan.missing == "keep":
            return
        allowed = max(1, len({each.correlation[EVENT] for each in mine}) // GONE_SHARE)
        if len({each.correlation[EVENT] for each in gone}) > allowed:
            text = f"{len(gone)} reservations have left the feed at once; nothing was cancelled"
            yield Outcome(f"feed {self.name}", None, "refused", "feed_shrank", text)
            return
        for reservation in gone:
            yield self.intake.cancel(reservation, f"event {reservation.correlation[EVENT]}", now)

    def _is_mine(self, reservation: Reservation, now: int) -> bool:
        told = reservation.correlation
        ends = max((until for _, until in held_windows(reservation)), default=0)
        alive = reservation.grant.state != "cancelled" and ends > now
        return alive and told.get("source") == self.name and EVENT in told
