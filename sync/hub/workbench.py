"""What every desk of the hub works with: the database, keys, chance, and the way to the broker.

bench = Workbench(sessions, keyring, Randomness())
answer = bench.run(now, lambda minter: …)       # one transaction; run again when somebody else was in the way
doors = bench.look(lambda session: …)           # read only: takes no lock
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Protocol, TypeVar

from sqlalchemy import select, update
from sqlalchemy.exc import IntegrityError, OperationalError
from sqlalchemy.orm import Session

from sync.hub.booking.codes import Randomness
from sync.hub.booking.credentials import Minter
from sync.hub.keys.keyring import Keyring
from sync.hub.store.database import Sessions, reading
from sync.hub.store.models import DoorList
from sync.topics import topic

T = TypeVar("T")

TOGETHER = 20
"""Lists that are handed over in one transaction."""

ATTEMPTS = 5
"""Several hub processes on one database may draw the same PIN or create the same row; the later one tries again."""


class Publisher(Protocol):
    """The way to the broker. `publish` neither waits nor raises, and says whether it took the message. One that it did
    not take is due again at once; one that is lost on the way later, because its door stays behind."""

    def publish(self, topic: str, payload: bytes, retain: bool) -> bool: ...


class Workbench:
    """Shared by everything that is done for one hub."""

    def __init__(self, sessions: Sessions, keyring: Keyring, chance: Randomness) -> None:
        self.keyring = keyring
        self.chance = chance
        self._sessions = sessions
        self._reading = reading(sessions)
        self._publisher: Publisher | None = None
        self._lists_wanted: Callable[[int], object] = lambda _now: None

    def when_lists_are_wanted(self, call: Callable[[int], object]) -> None:
        """`call(now)` after every transaction that asked for lists."""
        self._lists_wanted = call

    def attach(self, publisher: Publisher) -> None:
        """From now on lists are handed to `publisher`. Without one they wait in the database."""
        self._publisher = publisher

    def run(self, now: int, work: Callable[[Minter], T]) -> T:
        """The result of `work` in one transaction. It may be run more than once, so it must do nothing but database
        work. Lists it asks for are made after it."""
        failures = 0
        while True:
            try:
                with self._sessions.begin() as session:
                    minter = Minter(session, self.keyring, self.chance, now)
                    done = work(minter)
                break
            except (IntegrityError, OperationalError):
                failures += 1
                if failures == ATTEMPTS:
                    raise
        if minter.asked:
            self._lists_wanted(now)
        return done

    def look(self, question: Callable[[Session], T]) -> T:
        """The answer to a question that changes nothing."""
        with self._reading.begin() as session:
            return question(session)

    def say(self, name: str, payload: bytes, retain: bool) -> bool:
        """Publish something that is no list; whether the link took it."""
        return self._publisher is not None and self._publisher.publish(name, payload, retain)

    def publish(self, doors: Collection[str], now: int) -> None:
        """Hand the current lists of these doors to the link."""
        if self._publisher is None or not doors:
            return
        names = list(doors)
        for start in range(0, len(names), TOGETHER):
            # Locked, so that no older list goes out after a newer one; a few at a time, because each is encrypted here
            # and a whole town's would keep everybody waiting for seconds.
            with self._sessions.begin() as session:
                few = select(DoorList.door, DoorList.envelope).where(DoorList.door.in_(names[start : start + TOGETHER]))
                current = session.execute(few.order_by(DoorList.door).with_for_update())
                taken = [
                    door for door, envelope in current if self._publisher.publish(topic(door, "list"), envelope, True)
                ]
                session.execute(update(DoorList).where(DoorList.door.in_(taken)).values(published_at=now))
