"""What the holders of the offline keys decide: the next trust document out of the one before. Pure; nothing is signed
here and no private key is seen.

    draft = rotate(first(roots, 2, keys, authorities, now_s), new_key, now_s)

Every change gives version N+1 with fresh dates. None takes away the last active key of a purpose, or a key without
saying what becomes of the lists it signed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from controller.formats import jwe, trust
from controller.formats.code_list import Kind
from controller.formats.encoding import canonical
from controller.formats.errors import Refused
from controller.formats.jwk import load_public
from controller.formats.trust import Purpose, Trust, TrustKey

TRUST_S, KEY_S = trust.LIFE_S, trust.KEY_LIFE_S
"""How long documents and online keys live: as long as doors allow."""

SIGNS_FOR_DOORS = {"list", "receipt", "command"}


@dataclass(frozen=True)
class OnlineKey:
    """A public key of the hub and what it is for: `doors` are door-id prefixes, `kinds` those of the grants in its
    lists, empty for all."""

    jwk: dict[str, str]
    purpose: Purpose
    doors: tuple[str, ...] = ("",)
    kinds: tuple[Kind, ...] = ()

    def named(self, now_s: int) -> TrustKey:
        key = TrustKey(jwk=self.jwk, purpose=self.purpose, state="active", doors=self.doors, expires=now_s + KEY_S)
        return msgspec.structs.replace(key, kinds=self.kinds) if self.kinds else key

    def replaces(self, key: TrustKey) -> bool:
        """Whether `key` is an active one with the same work."""
        return (key.purpose, key.state, key.doors, key.kinds or ()) == (
            self.purpose, "active", self.doors, self.kinds,
        )  # fmt: skip


def first(
    roots: Sequence[dict[str, str]], threshold: int, keys: Sequence[OnlineKey], authorities: Sequence[str], now_s: int
) -> Trust:
    """Version 1. Raises Refused `bad_trust`, `bad_schema`."""
    return _checked(
        Trust(
            version=1,
            epoch=1,
            issued=now_s,
            expires=now_s + TRUST_S,
            threshold=threshold,
            roots=tuple(roots),
            keys=tuple(key.named(now_s) for key in keys),
            authorities=tuple(authorities),
            time_floor=None,
        )
    )


def renew(before: Trust, now_s: int, time_floor: int | None = None) -> Trust:
    """The same once more, with new dates; `time_floor` sets the doors' clock floor. Raises Refused `issued_back` when
    this machine's clock is behind the version before."""
    if now_s < before.issued:
        raise Refused("issued_back", "clock", "this machine's clock is behind the version before")
    return _checked(
        msgspec.structs.replace(
            before, version=before.version + 1, issued=now_s, expires=now_s + TRUST_S, time_floor=time_floor
        )
    )


def rotate(before: Trust, key: OnlineKey, now_s: int) -> Trust:
    """Another key for a purpose and scope. The active ones of both before it retire: they sign nothing new, and the
    lists they signed live to their end. Raises Refused."""
    after = renew(before, now_s)
    kept = tuple(msgspec.structs.replace(each, state="retired") if key.replaces(each) else each for each in after.keys)
    return _checked(msgspec.structs.replace(after, keys=(*kept, key.named(now_s))))


def retire(before: Trust, kid: str, now_s: int) -> Trust:
    """A key signs nothing new; the lists it signed live to their end. Raises Refused `unknown_key`, `last_key`."""
    return _with_state(renew(before, now_s), kid, retired=True)


def revoke(before: Trust, kid: str, now_s: int) -> Trust:
    """A key is in wrong hands: what it signed dies at once, and a new key epoch voids whatever numbers its thief has
    pushed to their end. Raises Refused `unknown_key`, `last_key`."""
    after = _with_state(renew(before, now_s), kid, retired=False)
    if _find(before, kid).purpose in SIGNS_FOR_DOORS:
        after = msgspec.structs.replace(after, epoch=after.epoch + 1)
    return _checked(after)


def replace_root(before: Trust, old_kid: str, new: dict[str, str], now_s: int) -> Trust:
    """Another offline key in the place of a lost or stolen one. Raises Refused `unknown_key`, `bad_trust`."""
    after = renew(before, now_s)
    if old_kid not in after.root_keys():
        raise Refused("unknown_key", old_kid, "no root key of this document")
    roots = tuple(new if load_public(jwk).thumbprint == old_kid else jwk for jwk in after.roots)
    return _checked(msgspec.structs.replace(after, roots=roots))


def kid_of(key: TrustKey) -> str:
    """A key's thumbprint."""
    return jwe.load_public(key.jwk).thumbprint if key.purpose == "collect" else load_public(key.jwk).thumbprint


def full_kid(document: Trust, start: str) -> str:
    """The one key, online or root, whose thumbprint begins like this. Raises Refused `unknown_key`."""
    every = [*document.root_keys(), *(kid_of(key) for key in document.keys)]
    found = [kid for kid in every if kid.startswith(start)]
    if len(found) != 1 or not start:
        raise Refused("unknown_key", start, "no key, or more than one, whose name begins like this")
    return found[0]


def _with_state(after: Trust, kid: str, *, retired: bool) -> Trust:
    wanted = _find(after, kid)
    state: trust.KeyState = "retired" if retired else "revoked"
    keys = tuple(msgspec.structs.replace(each, state=state) if each is wanted else each for each in after.keys)
    if not any(each.purpose == wanted.purpose and each.state == "active" for each in keys):
        raise Refused("last_key", kid, f"the last active {wanted.purpose} key: `rotate` to a new one first")
    return _checked(msgspec.structs.replace(after, keys=keys))


def _find(document: Trust, kid: str) -> TrustKey:
    for key in document.keys:
        if kid_of(key) == kid:
            return key
    raise Refused("unknown_key", kid, "no online key of this document")


def _checked(document: Trust) -> Trust:
    return trust.parse(canonical(document))
