"""The leaf of the door and who goes by it: what the contact and the exit button say, written down as IN and OUT.

`passage` knows the movements; this adds whose they are, the alarms, and a door without a contact. It only observes:
nothing here can keep anybody in.
"""

from __future__ import annotations

from controller import drafts
from controller.alarms import Alarms
from controller.door_events import Effect, Kept, Now
from controller.draft import Draft
from controller.formats.code_list import Policy
from controller.journal import Journal
from controller.passage import Entrant, Passage, attribution

LEGACY = "legacy_opened"
LEGACY_MS = 10_000  # how long after the badge reader's contact moved an opening is that badge's


class Leaf:
    """`contact`: whether there is a door contact. `handle_sensed`: whether every way out gives an exit signal."""

    def __init__(
        self,
        journal: Journal,
        alarms: Alarms,
        policy: Policy,
        now: Now,
        *,
        contact: bool,
        handle_sensed: bool,
        open: bool,
    ) -> None:
        self.contact = contact
        self._journal = journal
        self._alarms = alarms
        self._legacy_ms: int | None = None
        self._passage = Passage(
            handle_sensed=handle_sensed, leaf_open=open, now_ms=now.mono_ms, held_open_ms=policy.held_open_s * 1000
        )

    @property
    def open(self) -> bool | None:
        """Whether the leaf stands open; None where no contact tells."""
        return self._passage.leaf_open if self.contact else None

    @property
    def deadline_ms(self) -> int | None:
        """The monotonic instant at which something is overdue."""
        return self._passage.deadline_ms

    def time_over(self, now: Now) -> list[Draft]:
        """The records due because nothing happened in time."""
        due = self._passage.time_over(now.mono_ms)
        if any(draft.kind == "held_open" for draft in due):
            due += self._alarms.set("held_open", True)
        return due

    def let_in(self, entrant: Entrant, policy: Policy, now: Now) -> tuple[list[Draft], Kept]:
        """Somebody is released: who counts as gone in already, as the leaf stands open or nothing tells."""
        memory = self._journal.memory
        if not self.contact:
            return [], memory.went_in(entrant, now.utc_s)
        records, kept = [], Kept()
        for gone_in in self._passage.let_in(entrant, now.mono_ms, policy.no_entry_s * 1000):
            records.append(drafts.went_in(gone_in, "open"))
            kept |= memory.went_in(gone_in, now.utc_s)
        return records, kept

    def withdraw(self, grant: str) -> None:
        """The newest release did not happen after all."""
        self._passage.withdraw(grant)

    def badge_read(self, now: Now) -> None:
        """The contact of the badge reader that was there before moved."""
        self._legacy_ms = now.mono_ms

    def opened(self, policy: Policy, now: Now, *, unlocked: bool) -> list[Effect]:
        """The leaf left the frame."""
        entrants, other = self._passage.leaf_opened(now.mono_ms, policy.held_open_s * 1000, unlocked)
        by_legacy = self._legacy_ms is not None and now.mono_ms - self._legacy_ms <= LEGACY_MS
        if other is not None and by_legacy and (other.kind == "forced" or other.detail == {"by": "handle"}):
            other = Draft("opened", detail={"by": "legacy"})
        # Who leaves was inside before whoever comes in by the same opening.
        if other is not None and other.kind == "out":
            other = self._attributed(other, now)
        records, kept = [], Kept()
        for entrant in entrants:
            records.append(drafts.went_in(entrant, "opened"))
            kept |= self._journal.memory.went_in(entrant, now.utc_s)
        if other is not None:
            records.append(other)
        if other is not None and other.kind == "forced":
            records += self._alarms.set("forced", True)
        return [self._journal.record(records, kept)] if records else []

    def closed(self, now: Now) -> list[Effect]:
        """The leaf is back in the frame."""
        closed = self._passage.leaf_closed(now.mono_ms)
        records = [closed] if closed else []
        return self._journal.records(records + self._alarms.set("held_open", False) + self._alarms.set("forced", False))

    def exit_pressed(self, now: Now) -> list[Effect]:
        """The exit button, which opens by itself, said that somebody leaves."""
        begins = self._passage.exit_pressed(now.mono_ms)
        if self.contact or not begins:
            return []
        # No contact will tell whether they went: the button itself is the OUT, as the grant itself is the IN.
        draft = Draft("out", detail={"by": "button", "contact": "none"})
        return [self._journal.record([self._attributed(draft, now)])]

    def _attributed(self, draft: Draft, now: Now) -> Draft:
        return drafts.went_out(draft, *attribution(self._journal.memory.inside, now.utc_s))
