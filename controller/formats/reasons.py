"""Why a door did or did not open: stable names that go to the log, the hub and the display verbatim.

The order is the order of judging: the first that applies is the answer.
"""

from __future__ import annotations

from enum import StrEnum


class Reason(StrEnum):
    FOREIGN = "foreign"
    MALFORMED = "malformed"
    LOCKED_OUT = "locked_out"
    LIST_MISSING = "list_missing"
    UNKNOWN_CODE = "unknown_code"
    SUSPENDED = "suspended"
    CLOCK_UNTRUSTED = "clock_untrusted"
    LIST_EXPIRED = "list_expired"
    LOCKDOWN = "lockdown"
    TOO_EARLY = "too_early"
    TOO_LATE = "too_late"
    ROOM_CLOSED = "room_closed"
    ROOM_NOT_READY = "room_not_ready"
    USED_UP = "used_up"
    GRANTED = "granted"
