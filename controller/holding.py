"""The posture a door is in and whether its lock is held open for it.

Postures come from a command, a staff keypad, the list, or their own end; `posture` says which one wins.
"""

from __future__ import annotations

from controller import drafts
from controller.decide import Installed, Verdict
from controller.door_events import Effect, Hold, Kept, Now
from controller.journal import Journal
from controller.posture import Posture

ATTENDED_MAX_S = 12 * 3600  # R004-30


class Holding:
    """`on`: the lock is held open until told otherwise."""

    def __init__(self, journal: Journal) -> None:
        self.on = False
        self._journal = journal
        # What a person asked for, and its end by the counter nobody sets: a clock that is set back lengthens nothing.
        self._asked: tuple[Posture, int] | None = None

    def posture(self, now: Now) -> Posture:
        """The posture as it stands at this instant."""
        posture = self._journal.memory.posture
        return Posture("controlled", posture.since_s) if self.over(now) else posture

    def over(self, now: Now) -> bool:
        """Whether an unlocked posture has ended."""
        ends_ms = self._asked_end_ms()
        return self._journal.memory.posture.over(now.utc_s, now.trusted) or (
            ends_ms is not None and now.mono_ms >= ends_ms
        )

    def deadline_ms(self, now: Now) -> int | None:
        """The monotonic instant at which an unlocked posture ends."""
        until_s, asked_ms = self._journal.memory.posture.until_s, self._asked_end_ms()
        if until_s is None:
            return None
        by_clock_ms = now.mono_ms + until_s * 1000 - now.utc_ms
        return by_clock_ms if asked_ms is None else min(by_clock_ms, asked_ms)

    def _asked_end_ms(self) -> int | None:
        posture = self._journal.memory.posture
        if self._asked is None or self._asked[0] != posture or posture.state != "unlocked":
            return None
        return self._asked[1]

    def next_since_s(self, now: Now) -> int:
        """When a posture taken now counts as taken: what was done last is the newest, also where a list dates its
        posture a little ahead of this clock."""
        return max(now.utc_s, self._journal.memory.posture.since_s)

    def turned(self, until_s: int | None, now: Now) -> Posture:
        """What staff at the keypad turn the posture into: unlocked until their window ends (UTC seconds), or an end of
        that."""
        if self.posture(now).state == "unlocked":
            return Posture("controlled", self.next_since_s(now))
        return Posture("unlocked", self.next_since_s(now), min(until_s or now.utc_s, now.utc_s + ATTENDED_MAX_S))

    def listed(self, installed: Installed | None) -> Posture | None:
        """The list's posture where it is newer than the one the door has."""
        given = installed.list.posture if installed else None
        if given is None:
            return None
        posture = Posture(given.state, given.since, given.until)
        return posture if posture.beats(self._journal.memory.posture) else None

    def take(self, posture: Posture, now: Now, by: str, verdict: Verdict | None, kept: Kept) -> list[Effect]:
        """Another posture, in one record with `kept`, and the lock held or let go for it."""
        unlocks = posture.at(now.utc_s, now.trusted).state == "unlocked"
        if posture.until_s is not None and by != "list":
            self._asked = posture, now.mono_ms + posture.until_s * 1000 - now.utc_ms
        kept = self._journal.memory.set_posture(posture) | kept
        record = self._journal.record([drafts.posture(posture, by, verdict)], kept, opening_door=unlocks)
        return [record, *self.hold(unlocks)]

    def hold(self, on: bool) -> list[Effect]:
        """What was asked for last decides, not what the posture was: by the time it is over it reads as controlled."""
        if on == self.on:
            return []
        self.on = on
        return [Hold(on)]
