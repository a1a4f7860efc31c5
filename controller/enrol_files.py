"""An enrolment on the card: all of it or nothing.

It touches six files, so first all of it is written as one (`enrolment.json`); then each file is put in its place and
the one is taken away. A power cut before that one is whole leaves what was; afterwards the next start goes on here.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import msgspec

from controller.codelist import Floors
from controller.disk import TRUST, read_floors, remove_other_lists, replace_file, sync_directory, write_floors
from controller.enrolment import Enrolled
from controller.formats import link_place
from controller.formats.encoding import canonical, decode
from controller.formats.errors import Refused
from controller.formats.link_place import LinkPlace
from controller.formats.trust_step import open_first
from controller.own_keys import DECRYPT_KEY, EVENT_KEY

PENDING: Final = "enrolment.json"
LINK: Final = "link.json"


class _Kept(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    decrypt_key: dict[str, Any]
    event_key: dict[str, Any]
    link: LinkPlace
    trust: str


def keep(data: Path, accepted: Enrolled) -> None:
    """Make an enrolment durable. Raises OSError; then nothing has changed, or the next start finishes it."""
    kept = _Kept(
        decrypt_key=accepted.decrypt_key.jwk(),
        event_key=accepted.event_key.jwk(),
        link=accepted.link,
        trust=accepted.step.document.decode("utf-8"),
    )
    replace_file(data / PENDING, canonical(kept))
    finish(data)


def finish(data: Path) -> None:
    """Put an enrolment that was written down in its place, if there is one. Raises OSError, or ValueError when it is
    damaged."""
    pending = data / PENDING
    if not pending.exists():
        return
    try:
        kept = decode(pending.read_bytes(), _Kept, PENDING)
        trust = open_first(kept.trust.encode("utf-8")).trust
    except Refused as refused:
        raise ValueError(f"{PENDING} is damaged: {refused}") from None
    replace_file(data / EVENT_KEY, canonical(kept.event_key))
    replace_file(data / DECRYPT_KEY, canonical(kept.decrypt_key))
    replace_file(data / LINK, canonical(kept.link))
    replace_file(data / TRUST, kept.trust.encode("utf-8"))
    # Lists of before are encrypted to a key that is gone. The clock's floor stays: time does not begin anew.
    before = read_floors(data) or Floors()
    write_floors(data, floors_of(before, trust.version, trust.epoch))
    remove_other_lists(data, None)
    pending.unlink()
    sync_directory(data)


def floors_of(before: Floors, version: int, epoch: int) -> Floors:
    """The floors of a unit that has just been enrolled."""
    return Floors(clock_s=before.clock_s, trust_version=version, epoch=epoch)


def read_link(data: Path) -> LinkPlace | None:
    """Where hub and broker are; None on a unit whose files were carried by hand. Raises OSError or Refused."""
    try:
        return link_place.parse((data / LINK).read_bytes())
    except FileNotFoundError:
        return None
