"""Instants as the hub writes them for others: RFC 3339 in UTC."""

from __future__ import annotations

from datetime import UTC, datetime


def instant(seconds: float) -> str:
    """RFC 3339 in UTC, to the second or millisecond."""
    spec = "seconds" if seconds == int(seconds) else "milliseconds"
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec=spec).replace("+00:00", "Z")


def maybe_instant(seconds: float | None) -> str | None:
    """The same, where there may be none."""
    return None if seconds is None else instant(seconds)
