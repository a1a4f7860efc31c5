"""What a town's release key says about a package: which one it is, for which machines, and its place in the sequence.

Signed as `zs-update-1` by a key of trust purpose `update`. The package itself is not in it: its SHA-256 is.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from controller.formats.code_list import Seconds
from controller.formats.encoding import decode, whole
from controller.formats.event import Hash

UPDATE_TYP = "zs-update-1"
MANIFEST_BYTES = 8 << 10
PACKAGE_BYTES = 512 << 20
"""Larger than any release; a unit has to have room for it twice."""


class Update(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`number` only ever rises, whatever versions are called; a unit that has tried a number never tries it or a lower
    one again. `issued` and `expires` bound when it may be installed. A unit fetches the package from its hub."""

    package: Literal["zaalsleutel-door"]
    version: Annotated[str, Meta(pattern=whole(r"[0-9][0-9A-Za-z.+~-]{0,60}"))]
    number: Annotated[int, Meta(ge=1, lt=1 << 53)]
    debian: Literal["12", "13"]
    arch: Literal["amd64", "arm64"]
    sha256: Hash
    size: Annotated[int, Meta(ge=1, le=PACKAGE_BYTES)]
    issued: Seconds
    expires: Seconds


def parse_update(payload: bytes) -> Update:
    """A manifest whose signature already held. Raises Refused."""
    return decode(payload, Update, "update")
