"""A door while it is brought into service: `commission` at work between the door's events and its effects.

While it runs, keys and codes are answers and open nothing, for nobody; leaf and exit button go on being recorded. What
may begin it: `#2` and a facility code at a keypad, or the terminal of a unit that is not in service. The only thing it
moves is the lock, for a second, after a record, and never while the door is locked down.
"""

from __future__ import annotations

from controller.answer import Answer
from controller.commission import Answer as Given
from controller.commission import Commission, Outcome, Wired, shortcomings, steps
from controller.decide import Verdict
from controller.door_events import (
    CommissionAsked,
    Effect,
    Event,
    ExitPressed,
    Guidance,
    Kept,
    KeyPressed,
    LeafMoved,
    Now,
    QrRead,
    Release,
    Show,
)
from controller.draft import Draft
from controller.formats.event import CredentialKind
from controller.journal import Journal

PULSE_S = 1
RESULT_MS = 15_000
"""How long what came of it stays on the screen."""


class Commissioning:
    """At rest until somebody begins. `wired` is what the door has."""

    def __init__(self, wired: Wired, journal: Journal, answer: Answer) -> None:
        self._steps = steps(wired)
        self._journal = journal
        self._answer = answer
        self._run: Commission | None = None
        self._answers: dict[str, Given] = {}
        self._by: Verdict | None = None  # whose code began it; None for the terminal
        self._result: tuple[str, int] | None = None  # what came of the last run, until when it is shown

    @property
    def running(self) -> bool:
        return self._run is not None

    @property
    def answers(self) -> dict[str, Given]:
        """What was answered so far in the run at hand, or in the last one."""
        return self._answers

    @property
    def deadline_ms(self) -> int | None:
        """The monotonic instant at which waiting is over."""
        if self._run is not None:
            return self._run.deadline_ms
        return None if self._result is None else self._result[1]

    def guidance(self) -> Guidance | None:
        """What the person at the door is asked for now, or what came of it; None while nothing is going on."""
        total = len(self._steps)
        if self._run is not None and self._run.step is not None:
            step, done = self._run.step, len(self._run.answers)
            return Guidance(step.text, step.kind, self._run.left, self._run.typed, done + 1, total)
        return None if self._result is None else Guidance(self._result[0], "over", "", "", total, total)

    def begin(self, now: Now, by: Verdict | None, kept: Kept) -> list[Effect]:
        """Begin; `kept` goes with the record (a PIN's try that is given back)."""
        self._run, self._by, self._result = Commission(self._steps, now.mono_ms), by, None
        self._answers = self._run.answers
        return [self._journal.record([self._draft("begun", {})], kept), *self._answer.give(Show("granted"), now)]

    def asked(self, event: CommissionAsked, now: Now, *, locked_down: bool) -> list[Effect]:
        """The terminal: begin, press, give up. Nothing of it counts on a unit in service where nobody at the keypad
        has begun."""
        match event.do:
            case "begin" if not self.running and not self._journal.memory.in_service and not locked_down:
                return self.begin(now, None, {})
            case "press" if self._run is not None and event.symbol is not None:
                return self._after(self._run.press(event.symbol, now.mono_ms), now, locked_down)
            case "abandon" if self._run is not None:
                self._run.abandon()
                return self._after("failed", now, locked_down)
        return []

    def takes(self, event: Event, now: Now, *, locked_down: bool) -> list[Effect] | None:
        """What a key or a code means while this runs; None for everything that is the door's own."""
        run = self._run
        if run is None:
            return None
        match event:
            case KeyPressed():
                return self._after(run.press(event.symbol, now.mono_ms, event.reader), now, locked_down)
            # Inside it is the door's own unless it is asked for: who leaves meanwhile is written down.
            case QrRead(text, inside) if not inside or run.awaits_qr(inside):
                return self._after(run.qr(text, now.mono_ms, inside), now, locked_down)
        return None

    def sees(self, event: Event, now: Now) -> list[Effect]:
        """What is the door's own to record, seen here as well; and time."""
        run = self._run
        if run is None:
            if self._result is not None and now.mono_ms >= self._result[1]:
                self._result = None
            return []
        match event:
            case LeafMoved():
                return self._after(run.leaf_moved(event.open, now.mono_ms), now, True)
            case ExitPressed():
                return self._after(run.exit_pressed(now.mono_ms), now, True)
        return self._after(run.time_over(now.mono_ms), now, True)

    def _after(self, outcome: Outcome, now: Now, locked_down: bool) -> list[Effect]:
        """The effects of an answer; the last one ends the run."""
        effects: list[Effect] = []
        if outcome == "pulse" and not locked_down:
            self._journal.memory.pulse_at_ms = now.utc_ms
            effects += [self._journal.record([self._draft("relay", {})]), Release(PULSE_S)]
        elif outcome in {"failed", "refused", "pulse"}:
            effects += self._answer.give(Show("fault"), now)
        elif outcome == "passed":
            effects += self._answer.give(Show("granted"), now)
        return effects + self._ended(now)

    def _ended(self, now: Now) -> list[Effect]:
        run = self._run
        if run is None or not run.over:
            return []
        self._run = None
        kept: Kept = {}
        if run.abandoned:
            # What was before stays: somebody who walked away has decided nothing.
            result, detail = "abandoned", dict[str, str | int | bool | None]()
        else:
            short = shortcomings(run.answers)
            result, detail = "failed" if short else "passed", {**run.answers, "short": " ".join(short)[:200]}
            kept = self._journal.memory.set_in_service(not short)
        self._result = (result, now.mono_ms + RESULT_MS)
        signal = Show("granted" if result == "passed" else "fault")
        return [self._journal.record([self._draft(result, detail)], kept), *self._answer.give(signal, now)]

    def _draft(self, result: str, detail: dict[str, str | int | bool | None]) -> Draft:
        """The record of `result`, by whoever began."""
        by = self._by
        told = {"by": "terminal" if by is None else "keypad", **detail}
        if by is None:
            return Draft("commissioning", result, detail=told)
        via: CredentialKind | None = by.via
        return Draft("commissioning", result, by.grant, by.credential, via, told)
