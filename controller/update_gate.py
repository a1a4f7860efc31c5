"""Which update this unit installs: the one its trust document vouches for, for this machine, newer than any it tried.

Pure: bytes, the trust document in force and what the machine is in; an `Update` or `Refused` out.
"""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from controller.formats.envelope import open_envelope
from controller.formats.errors import Refused
from controller.formats.trust import Trust
from controller.formats.update import MANIFEST_BYTES, UPDATE_TYP, Update, parse_update


@dataclass(frozen=True)
class Machine:
    """This unit: its door, its Debian and architecture; `tried` is the highest number it ever tried, 0 for none."""

    door: str
    debian: str
    arch: str
    tried: int


def accept(manifest: bytes, trust: Trust, machine: Machine, floor_s: int) -> Update:
    """The update to install. `floor_s` is a time (UTC seconds) that has certainly passed, by which what expired before
    it is refused. Raises Refused: what the envelope's gate raises; `trust_expired`, `wrong_machine`, `update_expired`,
    `update_older`."""
    living = msgspec.structs.replace(trust, keys=tuple(key for key in trust.keys if floor_s < key.expires))
    keys = living.keys_for("update", machine.door)
    update = parse_update(open_envelope(manifest, UPDATE_TYP, keys, max_bytes=MANIFEST_BYTES).payload)
    if trust.expires <= floor_s:
        raise Refused("trust_expired", "trust.expires", "an old trust document vouches for nothing new")
    if (update.debian, update.arch) != (machine.debian, machine.arch):
        raise Refused("wrong_machine", "update.debian", f"for Debian {update.debian} {update.arch}")
    if update.expires <= floor_s:
        raise Refused("update_expired", "update.expires", "offered too late")
    if update.number <= machine.tried:
        raise Refused("update_older", "update.number", f"number {machine.tried} was tried already")
    return update
