"""Who went through the door: from releases, the exit button and the door contact to IN and OUT (R002-10).

    state     signal       next      recorded
    CLOSED    granted      RELEASED  -
    CLOSED    exit         EXITING   -
    CLOSED    leaf_opened  OPEN      out | forced | opened
    RELEASED  granted      RELEASED  -
    RELEASED  exit         RELEASED  -
    RELEASED  leaf_opened  OPEN      in (and out, when the exit button was pressed too)
    RELEASED  time_over    CLOSED    no_entry
    EXITING   granted      RELEASED  -
    EXITING   exit         EXITING   -
    EXITING   leaf_opened  OPEN      out
    EXITING   time_over    CLOSED    -
    OPEN      granted      OPEN      in
    OPEN      exit         OPEN      -
    OPEN      leaf_closed  CLOSED    closed
    OPEN      time_over    HELD      held_open
    HELD      granted      HELD      in
    HELD      exit         HELD      -
    HELD      leaf_closed  CLOSED    closed

What is not in the table changes nothing. Each who was let in has a time of their own; `time_over` of RELEASED comes
with the last. The state machine only observes: no row can hold a door shut.
"""

from __future__ import annotations

from enum import Enum
from typing import Literal

import msgspec

from controller.draft import Draft
from controller.formats.event import CredentialKind


class State(Enum):
    CLOSED = "CLOSED"
    """Shut, nobody announced."""
    RELEASED = "RELEASED"
    """Shut, somebody was let in and has not come through yet."""
    EXITING = "EXITING"
    """Shut, the exit button was pressed last."""
    OPEN = "OPEN"
    """Open, not for long."""
    HELD = "HELD"
    """Open for so long that it is a fault."""


Signal = Literal["granted", "exit", "leaf_opened", "leaf_closed", "time_over"]

TABLE: dict[tuple[State, Signal], State] = {
    (State.CLOSED, "granted"): State.RELEASED,
    (State.CLOSED, "exit"): State.EXITING,
    (State.CLOSED, "leaf_opened"): State.OPEN,
    (State.RELEASED, "granted"): State.RELEASED,
    (State.RELEASED, "exit"): State.RELEASED,
    (State.RELEASED, "leaf_opened"): State.OPEN,
    (State.RELEASED, "time_over"): State.CLOSED,
    (State.EXITING, "granted"): State.RELEASED,
    (State.EXITING, "exit"): State.EXITING,
    (State.EXITING, "leaf_opened"): State.OPEN,
    (State.EXITING, "time_over"): State.CLOSED,
    (State.OPEN, "granted"): State.OPEN,
    (State.OPEN, "exit"): State.OPEN,
    (State.OPEN, "leaf_closed"): State.CLOSED,
    (State.OPEN, "time_over"): State.HELD,
    (State.HELD, "granted"): State.HELD,
    (State.HELD, "exit"): State.HELD,
    (State.HELD, "leaf_closed"): State.CLOSED,
}

EXIT_MS = 10_000  # how long after the exit button an opening is that exit


class Entrant(msgspec.Struct, frozen=True):
    """Somebody who was let in: ids, how they were recognised, until when they may be inside (UTC seconds)."""

    grant: str
    credential_id: str
    credential: CredentialKind
    inside_until_s: int


class Passage:
    """The leaf and the people around it. `handle_sensed` tells whether every way out gives an exit signal, so that an
    opening without one was forced. Times are monotonic milliseconds."""

    def __init__(self, *, handle_sensed: bool, leaf_open: bool, now_ms: int, held_open_ms: int) -> None:
        self._handle_sensed = handle_sensed
        self._opened_ms = now_ms
        self.state = State.OPEN if leaf_open else State.CLOSED
        self.deadline_ms: int | None = now_ms + held_open_ms if leaf_open else None
        self._awaited: dict[str, tuple[Entrant, int]] = {}  # by grant: who, and until when
        self._replaced: tuple[Entrant, int] | None = None  # what the newest of them took the place of
        self._exit_ms: int | None = None

    @property
    def leaf_open(self) -> bool:
        """Whether the leaf stands open."""
        return self.state in {State.OPEN, State.HELD}

    def let_in(self, entrant: Entrant, now_ms: int, no_entry_ms: int) -> list[Entrant]:
        """A grant was released; those who count as gone in already, because the leaf stands open."""
        open_already = self.leaf_open
        self._move("granted")
        if open_already:
            return [entrant]
        # Once more by the same grant is somebody who was too slow, not somebody else: one entry, one use.
        self._replaced = self._awaited.get(entrant.grant)
        self._awaited[entrant.grant] = (entrant, now_ms + no_entry_ms)
        self._await_next()
        return []

    def withdraw(self, grant: str) -> None:
        """The newest release did not happen after all: nobody is awaited for it."""
        if self.state is not State.RELEASED:
            return
        self._awaited.pop(grant, None)
        if self._replaced is not None:
            self._awaited[grant] = self._replaced
        self._await_next()
        if not self._awaited:
            self._move("time_over")

    def exit_pressed(self, now_ms: int) -> bool:
        """The exit button: somebody is about to leave, whoever else is about to enter. Whether it is a new exit, not
        the same one pressed again."""
        begins = self._exit_ms is None or now_ms - self._exit_ms > EXIT_MS
        self._exit_ms = now_ms
        self._move("exit")
        if self.state is State.EXITING:
            self.deadline_ms = now_ms + EXIT_MS
        return begins

    def leaf_opened(self, now_ms: int, held_open_ms: int, unlocked: bool) -> tuple[list[Entrant], Draft | None]:
        """Who came in by this opening, and the record when it was no entry. An `out` still lacks its attribution."""
        before = self.state
        if not self._move("leaf_opened"):
            return [], None
        self._opened_ms, self.deadline_ms = now_ms, now_ms + held_open_ms
        entrants = [entrant for entrant, _ in self._awaited.values()]
        self._awaited.clear()
        exit_ms, self._exit_ms = self._exit_ms, None
        if exit_ms is not None and now_ms - exit_ms <= EXIT_MS:
            return entrants, Draft("out", detail={"by": "button"})
        if before is State.RELEASED:
            return entrants, None
        if unlocked:
            return [], Draft("opened", detail={"by": "unlocked"})
        return [], Draft("forced") if self._handle_sensed else Draft("out", detail={"by": "handle"})

    def leaf_closed(self, now_ms: int) -> Draft | None:
        """The record of the leaf's closing."""
        if not self._move("leaf_closed"):
            return None
        self.deadline_ms = None
        return Draft("closed", detail={"open_ms": now_ms - self._opened_ms})

    def time_over(self, now_ms: int) -> list[Draft]:
        """The records due because nothing happened in time."""
        if self.deadline_ms is None or now_ms < self.deadline_ms:
            return []
        before = self.state
        gone = [entrant for entrant, until_ms in self._awaited.values() if now_ms >= until_ms]
        for entrant in gone:
            del self._awaited[entrant.grant]
        self._await_next()
        if not self._awaited:
            self._move("time_over")
        if before is State.OPEN:
            return [Draft("held_open")]
        return [Draft("no_entry", None, e.grant, e.credential_id, e.credential) for e in gone]

    def _await_next(self) -> None:
        self.deadline_ms = min((until_ms for _, until_ms in self._awaited.values()), default=None)

    def _move(self, signal: Signal) -> bool:
        after = TABLE.get((self.state, signal))
        if after is not None:
            self.state = after
        return after is not None


def attribution(inside: dict[str, Entrant], now_s: int) -> tuple[str, Entrant | None]:
    """How an OUT without a credential is attributed: `inferred` when exactly one grant can be inside, else `none`."""
    possible = [entrant for entrant in inside.values() if now_s < entrant.inside_until_s]
    return ("inferred", possible[0]) if len(possible) == 1 else ("none", None)
