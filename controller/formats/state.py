"""The door's report of itself, signed as `zs-state-1` and retained at the broker.

Signed, because the hub takes its next statement number and receipt number from what doors report: an agent that
could invent a number could run the sequence to its end.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from controller.formats.code_list import DoorId, Seconds
from controller.formats.encoding import decode
from controller.formats.event import ClockState, Hash, LogId, Word

STATE_TYP = "zs-state-1"
MAX_BYTES = 16 << 10
# The broker publishes this in the door's name when its link dies. It is unsigned, so it is only a hint.
OFFLINE = b'{"offline":true}'


Colour = Literal["green", "amber", "red"]
Checks = Annotated[dict[Word, Colour], Meta(max_length=40)]


class Doctor(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What the last self-tests of a unit found: `at` (UTC seconds) is when the newest ran, `checks` the newest colour
    of each check. Some need a person (the camera's focus, a key press), so not every run makes all of them."""

    at: Seconds
    checks: Checks


class UpdateState(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, omit_defaults=True):
    """What became of the update that was offered to the unit last, as its agent tells: `number` is the manifest's, 0
    where it cannot be read. `reason` is why it is not fetched yet, or was refused."""

    number: Annotated[int, Meta(ge=0, lt=1 << 53)]
    stage: Literal["fetching", "fetched", "installing", "restarting", "installed", "rolled_back", "refused"]
    reason: Word | None = None


class StateReport(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, omit_defaults=True):
    """`at` is UTC milliseconds by the door's clock; `list_version` 0 and `list_hash` null without a list; `receipt`
    is the highest receipt number accepted, `log` and `seq` the newest record; `posture` and `faults` are words;
    `doctor` is left out until the unit was tested, `update` while none was offered."""

    door: DoorId
    at: Annotated[int, Meta(ge=0, lt=1 << 53)]
    clock: ClockState
    list_version: Annotated[int, Meta(ge=0, lt=1 << 32)]
    list_hash: Hash | None
    trust_version: Annotated[int, Meta(ge=0, lt=1 << 53)]
    receipt: Annotated[int, Meta(ge=0, lt=1 << 40)]
    log: LogId
    seq: Annotated[int, Meta(ge=0, lt=1 << 53)]
    posture: Word
    faults: Annotated[tuple[Word, ...], Meta(max_length=64)]
    doctor: Doctor | None = None
    update: UpdateState | None = None


def parse_state(payload: bytes) -> StateReport:
    """A state report whose signature already held. Raises Refused."""
    return decode(payload, StateReport, "state")
