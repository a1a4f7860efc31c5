"""A record before it has a place in the log."""

from __future__ import annotations

import msgspec

from controller.formats.event import CredentialKind, EventKind

DetailValue = str | int | bool | None


class Draft(msgspec.Struct, frozen=True):
    """What the door wants recorded. The log adds door, log id, sequence number and time; of `grant` and `credential_id`
    only a commitment goes into the event."""

    kind: EventKind
    reason: str | None = None
    grant: str | None = None
    credential_id: str | None = None
    credential: CredentialKind | None = None
    detail: dict[str, DetailValue] = msgspec.field(default_factory=dict)
