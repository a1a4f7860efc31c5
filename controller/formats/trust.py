"""Which keys a door believes, and for what.

The document names every online key with one purpose, the doors it may speak for (id prefixes), the kinds of grants its
lists may hold, its state and the end of its life. A key that is not named for a purpose does not exist for it.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from controller.formats.code_list import Counter, DoorId, Kind, Seconds
from controller.formats.encoding import decode, whole
from controller.formats.errors import Refused
from controller.formats.jwe import EncryptKey
from controller.formats.jwe import load_public as load_encrypt_key
from controller.formats.jwk import VerifyKey, load_public

Purpose = Literal["list", "receipt", "command", "collect", "update"]
KeyState = Literal["active", "retired", "revoked"]
MAX_BYTES = 512 << 10
LIFE_S = 395 * 86_400  # 13 months: one yearly ceremony and a month for holidays
KEY_LIFE_S = 180 * 86_400  # what is online may be stolen unnoticed
THRESHOLD_MIN = 2  # one person alone, or one stolen stick, never speaks for a town
ROOTS_MAX = 16


class TrustKey(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One online key: `jwk` holds the public members only; `doors` are door-id prefixes, `[""]` for all; `kinds` those
    of the grants in its lists, left out for all."""

    jwk: dict[str, str]
    purpose: Purpose
    state: KeyState
    doors: Annotated[tuple[Annotated[str, Meta(pattern=whole(r"[a-z0-9-]{0,40}"))], ...], Meta(min_length=1)]
    expires: Seconds
    kinds: Annotated[tuple[Kind, ...], Meta(min_length=1)] | UnsetType = UNSET

    def speaks_for(self, door: str) -> bool:
        """Whether this key's scope holds the door."""
        return any(door.startswith(prefix) for prefix in self.doors)

    def may_grant(self, kind: Kind) -> bool:
        """Whether a list of this key may hold grants of this kind."""
        return isinstance(self.kinds, UnsetType) or kind in self.kinds


class Trust(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The trust payload. `threshold` of `roots` sign this version and the next; `epoch` is the key epoch lists must
    carry; `time_floor` (UTC seconds) sets the door's clock floor when given; `authorities` are the PEM certificates of
    the CAs that hub and broker are known by."""

    version: Counter
    epoch: Counter
    issued: Seconds
    expires: Seconds
    threshold: Annotated[int, Meta(ge=THRESHOLD_MIN, le=ROOTS_MAX)]
    roots: Annotated[tuple[dict[str, str], ...], Meta(min_length=THRESHOLD_MIN, max_length=ROOTS_MAX)]
    keys: tuple[TrustKey, ...]
    authorities: tuple[str, ...]
    time_floor: Seconds | None

    def keys_for(self, purpose: Purpose, door: DoorId, *, installed: bool = False) -> dict[str, VerifyKey]:
        """The keys that may sign for `purpose` at `door`, by thumbprint: the active ones; with `installed` (a list
        that is already in place) the retired ones as well, never the revoked."""
        states = {"active", "retired"} if installed else {"active"}
        chosen = (key for key in self.keys if key.purpose == purpose and key.state in states and key.speaks_for(door))
        loaded = (_loaded(*sorted(key.jwk.items())) for key in chosen)
        return {key.thumbprint: key for key in loaded}

    def named(self, kid: str) -> TrustKey:
        """The online signing key of this thumbprint. Raises KeyError."""
        signing = (key for key in self.keys if key.purpose != "collect")
        return {_loaded(*sorted(key.jwk.items())).thumbprint: key for key in signing}[kid]

    def living(self, now_s: int) -> Trust:
        """The same without the keys that have outlived their date, also where their state was never changed."""
        return msgspec.structs.replace(self, keys=tuple(key for key in self.keys if now_s < key.expires))

    def root_keys(self) -> dict[str, VerifyKey]:
        """The offline keys, by thumbprint."""
        loaded = (load_public(jwk, "trust.roots") for jwk in self.roots)
        return {key.thumbprint: key for key in loaded}

    def collect_key(self, door: DoorId) -> EncryptKey | None:
        """To whom a door encrypts its log: the active `collect` key that lives longest, None where there is none."""
        found = [
            key for key in self.keys if key.purpose == "collect" and key.state == "active" and key.speaks_for(door)
        ]
        newest = max(found, key=lambda key: key.expires, default=None)
        return None if newest is None else _loaded_reader(*sorted(newest.jwk.items()))


@lru_cache(maxsize=64)
def _loaded(*members: tuple[str, str]) -> VerifyKey:
    """A key of a document that was parsed, loaded once: every message asks for it again."""
    return load_public(dict(members), "trust.keys")


@lru_cache(maxsize=64)
def _loaded_reader(*members: tuple[str, str]) -> EncryptKey:
    """The same for a key that is encrypted to: every batch asks for it again."""
    return load_encrypt_key(dict(members), "trust.keys")


def parse(payload: bytes) -> Trust:
    """A trust document's payload. Raises Refused (`too_large`, `not_json`, `duplicate_member`, `bad_schema`, `bad_key`,
    `bad_base64`, and `bad_trust` for a key that is named twice (it would be active in one place and revoked in the
    other), for a threshold that its roots cannot meet, for a life that ends before it begins or is longer than 13
    months, and for an active key that lives on for more than 180 days)."""
    if len(payload) > MAX_BYTES:
        raise Refused("too_large", "trust", f"over {MAX_BYTES} bytes")
    trust = decode(payload, Trust, "trust")
    places = [
        (f"trust.roots[{index}]", load_public(jwk, f"trust.roots[{index}]")) for index, jwk in enumerate(trust.roots)
    ]
    named = {key.thumbprint for _, key in places}
    if len(named) < len(trust.roots):
        raise Refused("bad_trust", "trust.roots", "one key counts once")
    if trust.threshold > len(trust.roots):
        raise Refused("bad_trust", "trust.threshold", "more signatures than there are roots")
    if trust.expires <= trust.issued:
        raise Refused("bad_trust", "trust.expires", "over before it begins")
    if trust.expires > trust.issued + LIFE_S:
        raise Refused("bad_trust", "trust.expires", "lives for more than 13 months")
    for index, key in enumerate(trust.keys):
        if key.state == "active" and key.expires > trust.issued + KEY_LIFE_S:
            raise Refused("bad_trust", f"trust.keys[{index}].expires", "an online key lives for more than 180 days")
        place = f"trust.keys[{index}].jwk"
        load = load_encrypt_key if key.purpose == "collect" else load_public
        thumbprint = load(key.jwk, place).thumbprint
        if thumbprint in named:
            raise Refused("bad_trust", place, "this key is named before; one key has one purpose and one state")
        named.add(thumbprint)
    return trust
