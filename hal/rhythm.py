"""Rhythms: what a light or a buzzer does over time, and the thread that plays them.

`RHYTHMS` of a driver is data; `Player` knows one thing, how to write a level, and plays the newest rhythm only.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from hal.errors import HardwareFault

Level = TypeVar("Level")


@dataclass(frozen=True)
class Rhythm(Generic[Level]):
    """`steps`: a level and how many ms it lasts, in order. `forever`: begin again, else rest after the last step."""

    steps: tuple[tuple[Level, int], ...]
    forever: bool = False


def blinks(*on_off_ms: int, forever: bool = False) -> Rhythm[bool]:
    """On, off, on, ... for that many ms each."""
    return Rhythm(tuple((step % 2 == 0, length_ms) for step, length_ms in enumerate(on_off_ms)), forever)


class Player(Generic[Level]):
    """Plays on one output. `what` is its name in faults, `write` sets a level and may raise anything, `rest` is the
    level it is opened at and that it comes back to."""

    def __init__(self, what: str, write: Callable[[Level], None], rest: Level) -> None:
        self._what = what
        self._write = write
        self._rest = self._level = rest
        self._changed = threading.Condition()
        self._rhythm: Rhythm[Level] = Rhythm(())
        self._turn = 0
        self._closed = False
        self._fault: Exception | None = None
        self._thread = threading.Thread(target=self._play, name=what, daemon=True)
        self._thread.start()

    @property
    def playing(self) -> bool:
        """False once the output failed or was closed."""
        return self._thread.is_alive()

    def play(self, rhythm: Rhythm[Level]) -> None:
        """Play this from its beginning, instead of what is being played. Raises `HardwareFault` when the output
        failed before."""
        with self._changed:
            if self._fault is not None:
                raise HardwareFault(f"{self._what} cannot be written: {self._fault}") from self._fault
            self._rhythm = rhythm
            self._turn += 1
            self._changed.notify()

    def close(self) -> None:
        """Stop; whoever made the player brings the output to rest."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        self._thread.join()

    def _play(self) -> None:
        with self._changed:
            try:
                while not self._closed:
                    self._play_once()
            except Exception as cause:  # whatever the backend throws; `play` tells the caller
                self._fault = cause

    def _play_once(self) -> None:
        """One pass through the rhythm, cut short by the next. Holds the condition except while it waits."""
        turn, rhythm = self._turn, self._rhythm
        for level, length_ms in rhythm.steps:
            self._bring_to(level)
            if self._changed.wait_for(lambda: self._closed or self._turn != turn, length_ms / 1000):
                return
        if not rhythm.forever:
            self._bring_to(self._rest)
            self._changed.wait_for(lambda: self._closed or self._turn != turn)

    def _bring_to(self, level: Level) -> None:
        if level != self._level:
            self._write(level)
            self._level = level
