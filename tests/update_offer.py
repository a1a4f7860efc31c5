"""A manifest of an update, as staff sign one, for every test in which one travels."""

from __future__ import annotations

import hashlib
from typing import Any

from controller.formats.encoding import canonical
from controller.formats.envelope import seal
from controller.formats.jwk import SigningKey
from controller.formats.update import UPDATE_TYP, Update
from tests.controller.worlds import DAY, NOON


def update(package: bytes, **changes: Any) -> Update:
    """What a manifest of `package` says: number 7, for Debian 12 on amd64, from noon for a day."""
    fields: dict[str, Any] = {
        "package": "zaalsleutel-door",
        "version": "0.2.0-1+deb12",
        "number": 7,
        "debian": "12",
        "arch": "amd64",
        "sha256": hashlib.sha256(package).hexdigest(),
        "size": len(package),
        "issued": NOON,
        "expires": NOON + DAY,
    }
    return Update(**{**fields, **changes})


def manifest(key: SigningKey, package: bytes, **changes: Any) -> bytes:
    """The same, signed with `key`."""
    return seal(canonical(update(package, **changes)), UPDATE_TYP, key)
