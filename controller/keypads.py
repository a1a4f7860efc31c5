"""The keypads of a door: what is being typed at each, and the one entry of each whose verifier is being derived."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from controller.door_events import Derive
from controller.formats.code_list import PinKdf
from controller.keypad_entry import LANGUAGE, SIGN_OUT, Entry, KeypadEntry


class _Pending(msgspec.Struct):
    """An entry whose verifier is being derived."""

    ticket: int
    entry: Entry
    kdf: PinKdf


class Keypads:
    """`readers` are the keypads' names. Times are monotonic milliseconds; `pin_digits` is the list's PIN length, None
    without a list."""

    def __init__(self, readers: Iterable[str]) -> None:
        self._entries = {reader: KeypadEntry() for reader in readers}
        self._pending: dict[str, _Pending] = {}
        self._ticket = 0
        self.turns = 0
        """How often the next language was asked for: the screen's business, so it is counted here and that is all."""

    @property
    def typed(self) -> int:
        """Digits typed so far at the keypad that is furthest."""
        return max((entry.typed for entry in self._entries.values()), default=0)

    @property
    def deadline_ms(self) -> int | None:
        """When the next entry goes idle."""
        deadlines = [entry.deadline_ms for entry in self._entries.values() if entry.deadline_ms is not None]
        return min(deadlines) if deadlines else None

    @property
    def deriving_a_try(self) -> bool:
        """Whether a try was spent on an entry that may still turn out to be right."""
        return bool(self._pending) and any(each.entry.function != SIGN_OUT for each in self._pending.values())

    def press(self, reader: str, symbol: str, now_ms: int, pin_digits: int | None) -> Entry | None:
        """Take one symbol; the entry it completes, if any."""
        entry = self._entries[reader].press(symbol, now_ms, pin_digits)
        if entry is not None and entry.function == LANGUAGE:
            self.turns += 1
            return None
        return entry

    def idle(self, now_ms: int, pin_digits: int | None) -> list[tuple[str, Entry]]:
        """Clear what was left standing; the entries, with their keypad, that are complete by that."""
        complete = [(reader, entry.idle(now_ms, pin_digits)) for reader, entry in self._entries.items()]
        return [(reader, entry) for reader, entry in complete if entry is not None]

    def busy(self, reader: str) -> bool:
        """Whether an entry of this keypad is being derived. Nobody types faster than that, only machines do."""
        return reader in self._pending

    def derive(self, reader: str, entry: Entry, kdf: PinKdf) -> Derive:
        """Have the verifier of an entry derived."""
        self._ticket += 1
        self._pending[reader] = _Pending(self._ticket, entry, kdf)
        return Derive(self._ticket, entry.digits, kdf)

    def derived(self, ticket: int, kdf: PinKdf | None) -> Entry | Derive | None:
        """The entry a verifier belongs to, and the keypad is free for the next; or, when a re-key arrived while the
        derivation ran, the derivation to do instead; None for a ticket nobody waits for. `kdf` is the one in force,
        None when the list was lost meanwhile."""
        reader = next((name for name, pending in self._pending.items() if pending.ticket == ticket), None)
        if reader is None:
            return None
        pending = self._pending[reader]
        if kdf is not None and kdf != pending.kdf:
            pending.kdf = kdf
            return Derive(ticket, pending.entry.digits, kdf)
        return self._pending.pop(reader).entry
