"""The language a person chose at the keypad: `#9` asks for the policy's next one, and it lasts as long as they do.

    keyed = KeyedLanguage()
    keyed.heard(public, now_ms)                  # every word of the controller
    keyed.language(public.languages, now_ms)     # None while nobody has chosen

The controller counts how often `#9` was typed and knows no more; what a choice means and when it lapses is said here.
Times are any monotonic milliseconds.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from controller.formats.code_list import Language
from controller.formats.messages import PublicState

CHOICE_MS: Final = 20_000
"""After this long without anybody, the policy's order again: as long as the page lets a touched choice last."""


class KeyedLanguage:
    """Remembers the last count, the place of the choice in the policy's order, and when somebody was last there."""

    def __init__(self) -> None:
        self._turns: int | None = None
        self._place: int | None = None
        self._there_ms = 0
        self._there = False

    def heard(self, public: PublicState, now_ms: int) -> None:
        """A screen or a controller that has just started has seen nobody choose."""
        if self._lapsed(now_ms):
            self._place = None
        turned = 0 if self._turns is None else max(0, public.turns - self._turns)
        if turned:
            self._place = (self._place or 0) + turned
        was_there, self._there = self._there, bool(public.digits) or public.shown != "idle"
        if turned or was_there or self._there:
            self._there_ms = now_ms
        self._turns = public.turns

    def language(self, languages: Sequence[Language], now_ms: int) -> Language | None:
        """One of `languages`, the policy's."""
        if self._place is None or self._lapsed(now_ms):
            return None
        return languages[self._place % len(languages)]

    def _lapsed(self, now_ms: int) -> bool:
        return not self._there and now_ms - self._there_ms >= CHOICE_MS
