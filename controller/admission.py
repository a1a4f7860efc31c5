"""What comes of a verdict: somebody is let in, the lock is held open for them, or neither; and everything is as it was
when the record that opens the door could not be made.

Whatever may open the door passes here, so that its record always comes first.
"""

from __future__ import annotations

from copy import copy

import msgspec

from controller import drafts
from controller.answer import Answer
from controller.decide import Verdict
from controller.door_events import Effect, Kept, Now, Release, Show
from controller.formats.code_list import Policy
from controller.formats.reasons import Reason
from controller.holding import Holding
from controller.journal import Journal
from controller.leaf import Leaf
from controller.memory import Memory
from controller.passage import Entrant
from controller.pin_tries import PinTries
from controller.posture import Posture

INSIDE_AFTER_S = 4 * 3600  # after this long past the window's end nobody is thought to be inside any more


class _Undo(msgspec.Struct, frozen=True):
    """How things were before the newest record that opens the door, for when it cannot be made."""

    memory: Memory
    holding: bool
    grant: str | None
    gave_back: bool


class Admission:
    """`contact`: whether there is a door contact."""

    def __init__(
        self, journal: Journal, answer: Answer, leaf: Leaf, tries: PinTries, holding: Holding, *, contact: bool
    ) -> None:
        self._journal = journal
        self._answer = answer
        self._leaf = leaf
        self._tries = tries
        self._holding = holding
        self._contact = contact
        self._undo: _Undo | None = None

    def act(self, verdict: Verdict, policy: Policy, now: Now) -> list[Effect]:
        """Let in whom the verdict grants it; tell the others why not."""
        return self.let_in(verdict, policy, now) if verdict.granted else self.refuse(verdict, now)

    def refuse(self, verdict: Verdict, now: Now) -> list[Effect]:
        """Not let in: recorded at the pace of its cause, and told as far as it may be."""
        wait = verdict.reason is Reason.LOCKED_OUT
        show = Show("wait" if wait else "refused", verdict.shown, verdict.opens_at)
        return [*self._journal.note(drafts.refused(verdict), now), *self._answer.give(show, now)]

    def let_in(self, verdict: Verdict, policy: Policy, now: Now) -> list[Effect]:
        """Let in: the record, then the lock. A PIN that opens gets its try back with the record."""
        assert verdict.grant and verdict.credential and verdict.via  # a granted verdict has them
        entrant = Entrant(
            verdict.grant, verdict.credential, verdict.via, (verdict.until_s or now.utc_s) + INSIDE_AFTER_S
        )
        self._note_undo(verdict.grant, verdict.via)
        self._journal.memory.pulse_at_ms = now.utc_ms
        gone_in, kept = self._leaf.let_in(entrant, policy, now)
        records = [drafts.granted(verdict, self._contact), *gone_in]
        if verdict.via == "pin":
            kept |= self.give_back(now)
        return [
            self._journal.record(records, kept, opening_door=True),
            Release(policy.release_s),
            *self._answer.give(Show("granted"), now),
        ]

    def take_posture(self, posture: Posture, now: Now, by: str, verdict: Verdict | None = None) -> list[Effect]:
        """Another posture, which may hold the lock open; `verdict` is on the code that asked for it."""
        self._note_undo(None, verdict.via if verdict else None)
        kept = self.give_back(now) if verdict is not None else {}
        return self._holding.take(posture, now, by, verdict, kept)

    def give_back(self, now: Now) -> Kept:
        """The try that a PIN has cost is there again; what is to be kept of that."""
        self._journal.memory.tries = self._tries.give_back(now.mono_ms)
        return self._journal.memory.changed_tries()

    def _note_undo(self, grant: str | None, via: str | None) -> None:
        """Note how things are before a record that may open the door."""
        self._undo = _Undo(copy(self._journal.memory), self._holding.on, grant, gave_back=via == "pin")

    def not_recorded(self, now: Now) -> list[Effect]:
        """The newest record that opens the door could not be made: nobody was let in, so nobody is awaited, no use
        counts, and the PIN, which did not open, costs its try."""
        undo, self._undo = self._undo, None
        if undo is not None:
            self._journal.memory = undo.memory
            self._holding.on = self._holding.on and undo.holding
            if undo.grant is not None:
                self._leaf.withdraw(undo.grant)
            if undo.gave_back and self._tries.left(now.mono_ms) > 0:
                self._journal.memory.tries = self._tries.take(now.mono_ms)
        return self._answer.give(Show("fault"), now)
