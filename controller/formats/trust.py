"""Which keys a door believes, and for what.

The document names every online key with one purpose, the doors it may speak for (id prefixes), its state and the end of
its life. A key that is not named for a purpose does not exist for it.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from controller.formats.code_list import Counter, DoorId, Seconds
from controller.formats.encoding import decode, whole
from controller.formats.errors import Refused
from controller.formats.jwk import VerifyKey, load_public

Purpose = Literal["list", "receipt", "command", "collect", "update"]
KeyState = Literal["active", "retired", "revoked"]
MAX_BYTES = 512 << 10


class TrustKey(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One online key: `jwk` holds the public members only; `doors` are door-id prefixes, `[""]` for all."""

    jwk: dict[str, str]
    purpose: Purpose
    state: KeyState
    doors: Annotated[tuple[Annotated[str, Meta(pattern=whole(r"[a-z0-9-]{0,40}"))], ...], Meta(min_length=1)]
    expires: Seconds

    def speaks_for(self, door: str) -> bool:
        """Whether this key's scope holds the door."""
        return any(door.startswith(prefix) for prefix in self.doors)


class Trust(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The trust payload. `threshold` of `roots` sign the next version; `epoch` is the key epoch lists must carry;
    `time_floor` (UTC seconds) sets the door's clock floor when given; `authorities` are the PEM certificates of the
    CAs that hub and broker are known by."""

    version: Counter
    epoch: Counter
    issued: Seconds
    expires: Seconds
    threshold: Annotated[int, Meta(ge=1, le=16)]
    roots: tuple[dict[str, str], ...]
    keys: tuple[TrustKey, ...]
    authorities: tuple[str, ...]
    time_floor: Seconds | None

    def keys_for(self, purpose: Purpose, door: DoorId, *, installed: bool = False) -> dict[str, VerifyKey]:
        """The keys that may sign for `purpose` at `door`, by thumbprint: the active ones; with `installed` (a list
        that is already in place) the retired ones as well, never the revoked."""
        states = {"active", "retired"} if installed else {"active"}
        chosen = (key for key in self.keys if key.purpose == purpose and key.state in states and key.speaks_for(door))
        loaded = (load_public(key.jwk, "trust.keys") for key in chosen)
        return {key.thumbprint: key for key in loaded}


def parse(payload: bytes) -> Trust:
    """A trust document. Raises Refused (`too_large`, `not_json`, `duplicate_member`, `bad_schema`, `bad_key`,
    `bad_trust` for a key that is named twice: it would be active in one place and revoked in the other)."""
    if len(payload) > MAX_BYTES:
        raise Refused("too_large", "trust", f"over {MAX_BYTES} bytes")
    trust = decode(payload, Trust, "trust")
    thumbprints = set()
    for index, key in enumerate(trust.keys):
        place = f"trust.keys[{index}].jwk"
        thumbprints.add(load_public(key.jwk, place).thumbprint)
        if len(thumbprints) <= index:
            raise Refused("bad_trust", place, "this key is named before; one key has one purpose and one state")
    return trust
