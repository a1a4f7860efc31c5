"""A ceremony in one call, for tests that need a town whose doors believe its hub."""

from __future__ import annotations

import time
from pathlib import Path

from controller.formats import trust_step
from controller.formats.encoding import canonical, parse_object
from controller.formats.jwk import SigningKey, make_key
from controller.formats.trust import Purpose
from controller.formats.trust_step import Step
from sync.hub.keys import ceremony
from sync.hub.keys.ceremony import OnlineKey
from sync.hub.keys.trust_shelf import TRUST, TrustShelf

PURPOSES: tuple[Purpose, ...] = ("list", "receipt", "command", "collect")


def online(keys: Path, purpose: Purpose, file: Path | None = None) -> OnlineKey:
    members = parse_object((file or keys / f"{purpose}.pub.jwk").read_bytes(), purpose)
    return OnlineKey({name: members[name] for name in ("kty", "crv", "x", "y") if name in members}, purpose)


def hold_ceremony(keys: Path, authority: str, now_s: int | None = None) -> tuple[Step, list[SigningKey]]:
    """Version 1 for the hub whose keys are in `keys`, put on its shelf; and the roots."""
    roots = [make_key() for _ in range(3)]
    named = [online(keys, purpose) for purpose in PURPOSES]
    now_s = int(time.time()) if now_s is None else now_s
    document = ceremony.first([root.verify_key.jwk() for root in roots], 2, named, [authority], now_s)
    return TrustShelf(keys / TRUST).add(trust_step.sign(canonical(document), roots[:2])), roots
