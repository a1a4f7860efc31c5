"""Every adapter of one hub, ready for use: what routes and commands call.

    board = Switchboard(service, sessions, read_adapters(folder))
    outcomes = board.upload("csv", "booking", data, now)
    outcome = board.hook("i-reserve").called(headers, body, now)
    polls = [poller.poll(now) for poller in board.pollers]

Made once per process: pollers remember what they fetched, hooks let their calls queue up.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any, Literal

from controller.formats.errors import Refused
from sync.hub.adapters.csv_upload import read_csv
from sync.hub.adapters.entry import Entry, Rejected
from sync.hub.adapters.fetch import Fetcher
from sync.hub.adapters.hook import Hook
from sync.hub.adapters.ical_feed import Plan, read_feed
from sync.hub.adapters.intake import Intake, Outcome, entry_of
from sync.hub.adapters.oslo import read_oslo, write_oslo
from sync.hub.adapters.places import Places, places_of
from sync.hub.adapters.polling import Poller
from sync.hub.adapters.settings import Adapters
from sync.hub.service import Service
from sync.hub.store.database import Sessions

Format = Literal["csv", "ics", "oslo"]
UPLOADED = Plan(kind="renter", ahead_days=365)


class Switchboard:
    """Feeds, hooks and uploads of one hub."""

    def __init__(self, service: Service, sessions: Sessions, adapters: Adapters) -> None:
        self._service = service
        self._sessions = sessions
        self._adapters = adapters
        self._fetcher = Fetcher()

    def upload(
        self, form: Format, client: str, data: bytes, now: int, *, plan: Plan = UPLOADED, base: str = ""
    ) -> list[Outcome]:
        """Take a file in as `client`, at `now` (UTC seconds); `plan` is for calendars, `base` for the blank nodes of
        OSLO documents. Raises Refused for what is no such file at all."""
        places = places_of(self._sessions)
        items: Sequence[Entry | Rejected]
        match form:
            case "csv":
                items = read_csv(data, places)
            case "ics":
                items = read_feed(data, places, replace(plan, pseudonym=self._service.pseudonym), now)
            case "oslo":
                items = read_oslo(data, places, base)
        return self._intake(client, form).take(items, now)

    def document(self, client: str, base: str) -> dict[str, Any]:
        """All reservations of `client` in the terms of OSLO Zaalreservatie."""
        held = self._intake(client, "oslo").held()
        return write_oslo((entry_of(each, ref) for ref, each in sorted(held.items())), base)

    @cached_property
    def hooks(self) -> dict[str, Hook]:
        """The products that call, by name."""
        return {
            name: Hook(name, plan, self._intake(plan.client, name), self._fetcher, self._places(plan.rooms))
            for name, plan in self._adapters.hooks.items()
        }

    def hook(self, name: str) -> Hook:
        """Raises Refused `not_found`."""
        if name not in self.hooks:
            raise Refused("not_found", "adapter", f"there is no hook {name}")
        return self.hooks[name]

    @cached_property
    def pollers(self) -> list[Poller]:
        """The feeds that are polled."""
        return [
            Poller(name, plan, self._intake(plan.client, name), self._fetcher, self._places(plan.rooms))
            for name, plan in self._adapters.feeds.items()
        ]

    def _places(self, names: Mapping[str, str]) -> Callable[[], Places]:
        return lambda: places_of(self._sessions, names)

    def _intake(self, client: str, source: str) -> Intake:
        return Intake(self._service, self._sessions, client, source)
