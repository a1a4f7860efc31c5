"""The keypad's grammar: from symbols to one complete entry.

    entry     = code [ "#" ]             complete at the list's PIN length, or at "#"
    function  = "#" digit code [ "#" ]   #0 sign out, #1 attended, #2 commissioning; any other digit makes a malformed
                                         entry
    language  = "#9"                     the screen's next language, where the policy lists several; takes no code, so a
                                         code that follows is an entry of its own

`*` or 10 s without a key clears. A `#` within 3 s of an entry that completed by length belongs to that entry. Without
a list no length is known: 6 to 8 digits end by `#` or by the 10 s.
"""

from __future__ import annotations

from typing import ClassVar

from controller.formats.discreet import Discreet

IDLE_MS = 10_000  # R002-02: nobody is cut off who takes 9 s between keys
TRAILING_ENTER_MS = 3_000
MAX_DIGITS = 9  # one more than any PIN has, so that a longer entry is seen to be too long
SIGN_OUT, ATTENDED, COMMISSION = "0", "1", "2"
FUNCTIONS = frozenset({SIGN_OUT, ATTENDED, COMMISSION})
LANGUAGE = "9"


class Entry(Discreet, frozen=True):
    """A complete entry. `digits` is a secret and never part of a printout; `function` is None for a plain code."""

    hidden: ClassVar = "digits"
    digits: str
    function: str | None = None

    @property
    def in_grammar(self) -> bool:
        """Whether its function, if it has one, exists: a code behind any other must not pass for a plain code."""
        return self.function is None or self.function in FUNCTIONS


class KeypadEntry:
    """What is being typed at one keypad. Times are monotonic milliseconds."""

    def __init__(self) -> None:
        self._digits = ""
        self._function: str | None = None  # "" while the function's digit is awaited
        self._last_ms: int | None = None
        self._completed_by_length_ms: int | None = None

    @property
    def typed(self) -> int:
        """How many digits of a code are there, for the dots on a display."""
        return len(self._digits)

    @property
    def deadline_ms(self) -> int | None:
        """When the entry goes idle."""
        return None if self._last_ms is None else self._last_ms + IDLE_MS

    def press(self, symbol: str, now_ms: int, pin_digits: int | None) -> Entry | None:
        """Take one symbol; the entry it completes, if any. `pin_digits`: the list's PIN length, None without a list."""
        self._last_ms = now_ms
        if symbol == "#":
            return self._enter(now_ms)
        self._completed_by_length_ms = None  # with any other key a new entry has begun, and a `#` would be its own
        if symbol == "*":
            self._clear()
            return None
        if self._function == "":
            self._function = symbol
            return self._complete() if symbol == LANGUAGE else None
        self._digits = (self._digits + symbol)[:MAX_DIGITS]
        if len(self._digits) == pin_digits:
            self._completed_by_length_ms = now_ms
            return self._complete()
        return None

    def idle(self, now_ms: int, pin_digits: int | None) -> Entry | None:
        """Clear what was left standing; without a list, a code of possible length is an entry all the same."""
        if self._last_ms is None or now_ms < self._last_ms + IDLE_MS:
            return None
        if pin_digits is None and self._function is None and 6 <= len(self._digits) <= 8:
            return self._complete()
        self._clear()
        return None

    def _enter(self, now_ms: int) -> Entry | None:
        if self._digits or self._function:
            return self._complete()
        completed, self._completed_by_length_ms = self._completed_by_length_ms, None
        if completed is not None and now_ms - completed <= TRAILING_ENTER_MS:
            self._clear()
            return None
        self._function = ""
        return None

    def _complete(self) -> Entry:
        entry = Entry(self._digits, self._function)
        self._clear()
        return entry

    def _clear(self) -> None:
        self._digits, self._function, self._last_ms = "", None, None
