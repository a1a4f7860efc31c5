"""One record a minute for what repeats: a guesser or a broken reader must not fill the log.

The first of a kind is recorded at once; what follows within its minute is counted, and becomes one record with
`detail.count` when the minute is over.
"""

from __future__ import annotations

import msgspec

from controller.draft import Draft

QUIET_MS = 60_000
MAX_KINDS = 64

_Key = tuple[str, str | None, str | None, str | None]


class _Repeat(msgspec.Struct):
    draft: Draft
    until_ms: int
    count: int = 0


class Throttle:
    """Counts repeats by (kind, reason, credential kind, grant). Times are monotonic milliseconds."""

    def __init__(self) -> None:
        self._repeats: dict[_Key, _Repeat] = {}

    def admit(self, draft: Draft, now_ms: int) -> Draft | None:
        """The draft when it is the first of its minute, else None: it is counted."""
        key: _Key = (draft.kind, draft.reason, draft.credential, draft.grant)
        if key not in self._repeats and len(self._repeats) >= MAX_KINDS:
            # Too many kinds at once can only be many grants; from here on they share one count per reason.
            key = (draft.kind, draft.reason, draft.credential, None)
            draft = msgspec.structs.replace(draft, grant=None, credential_id=None)
        repeat = self._repeats.get(key)
        if repeat is not None and now_ms < repeat.until_ms:
            repeat.count += 1
            return None
        self._repeats[key] = _Repeat(draft, now_ms + QUIET_MS)
        return draft

    def due(self, now_ms: int) -> list[Draft]:
        """The counted records of every minute that is over."""
        over = [key for key, repeat in self._repeats.items() if now_ms >= repeat.until_ms]
        counted = [self._repeats.pop(key) for key in over]
        return [
            msgspec.structs.replace(repeat.draft, detail={**repeat.draft.detail, "count": repeat.count})
            for repeat in counted
            if repeat.count
        ]

    @property
    def deadline_ms(self) -> int | None:
        """When the next minute is over."""
        return min([repeat.until_ms for repeat in self._repeats.values()]) if self._repeats else None
