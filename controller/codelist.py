"""The trust gate: which list may be installed at this door, and which installed list may be used again after a start.

Pure: bytes, trust, floors and one instant in; an accepted list or `Refused` out. Any exception in here is a refusal.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import msgspec

from controller.formats import code_list as formats
from controller.formats.code_list import CodeList
from controller.formats.envelope import open_envelope
from controller.formats.errors import Refused
from controller.formats.limits import LIMITS
from controller.formats.trust import Trust, TrustKey

T = TypeVar("T")

ISSUED_AHEAD_S = 120
SHRINK_KEEPS = 10  # a list that keeps less than one in so many of the grants not yet over needs the issuer's word


@dataclass(frozen=True)
class Floors:
    """What a door never goes back behind: the active list (its payload's hash, None before the first), its statement
    number, the highest receipt number, the clock floor (UTC seconds), and version and key epoch of the trust
    document (0 before the first)."""

    list_hash: str | None = None
    list_version: int = 0
    receipt: int = 0
    clock_s: int = 0
    trust_version: int = 0
    epoch: int = 0


class Accepted(msgspec.Struct, frozen=True):
    """A list that passed, and its name."""

    code_list: CodeList
    hash: str


class GateTime(msgspec.Struct, frozen=True):
    """The instant of judging: `now_s` UTC seconds, which `trusted` says may be believed; else it is the floor."""

    now_s: int
    trusted: bool


def accept_new(
    envelope: bytes, door: str, trust: Trust, floors: Floors, installed: CodeList | None, time: GateTime
) -> Accepted | None:
    """A list that was delivered; None when it is the one already installed. `installed` is None where no list is in
    force, also when the floors name one whose file was lost.

    Raises Refused: everything `open_envelope` and `code_list.parse` raise, and `trust_expired`, `wrong_door`,
    `wrong_epoch`, `wrong_scope`, `rolled_back`, `list_fork`, `list_expired`, `issued_ahead`, `unexplained_shrink`."""
    return _guarded(lambda: _accept_new(envelope, door, trust, floors, installed, time))


def accept_installed(envelope: bytes, door: str, trust: Trust, floors: Floors) -> Accepted:
    """The list found on disk at start: the same checks, but it must be the one the floors name, it may have expired,
    and a key that was retired since may have signed it. Raises Refused."""
    return _guarded(lambda: _accept_installed(envelope, door, trust, floors))


def _guarded(check: Callable[[], T]) -> T:
    try:
        return check()
    except Refused:
        raise
    except Exception as error:
        # A gate that could be crashed into another path than refusal would be no gate.
        raise Refused("gate_failed", "list", f"the gate failed with {type(error).__name__}") from error


def _accept_new(
    envelope: bytes, door: str, trust: Trust, floors: Floors, installed: CodeList | None, time: GateTime
) -> Accepted | None:
    if time.now_s >= trust.expires:
        raise Refused("trust_expired", "trust", "the trust document has expired: no new list")
    accepted = _open(envelope, door, trust.living(time.now_s), installed=False)
    code_list = accepted.code_list
    if code_list.version == floors.list_version and floors.list_hash is not None:
        if accepted.hash != floors.list_hash:
            raise Refused("list_fork", "list.version", "two different lists carry this number")
        if installed is not None:
            return None
        # The door lost the file of its own list: the same list again is how it gets well.
    if code_list.version < floors.list_version:
        raise Refused("rolled_back", "list.version", "older than the list this door has had")
    if time.now_s >= code_list.valid_until:
        raise Refused("list_expired", "list.valid_until", "already over")
    if time.trusted and code_list.issued > time.now_s + ISSUED_AHEAD_S:
        raise Refused("issued_ahead", "list.issued", "dated more than 120 s ahead of this door's clock")
    _check_shrink(installed, code_list, time.now_s)
    return accepted


def _accept_installed(envelope: bytes, door: str, trust: Trust, floors: Floors) -> Accepted:
    accepted = _open(envelope, door, trust, installed=True)
    if accepted.hash != floors.list_hash or accepted.code_list.version != floors.list_version:
        raise Refused("rolled_back", "list", "not the list the floors name")
    return accepted


def _open(envelope: bytes, door: str, trust: Trust, *, installed: bool) -> Accepted:
    keys = trust.keys_for("list", door, installed=installed)
    opened = open_envelope(envelope, formats.TYP, keys, max_bytes=LIMITS.envelope_bytes)
    code_list = formats.parse(opened.payload)
    if code_list.door != door:
        raise Refused("wrong_door", "list.door", "made for another door")
    if code_list.epoch != trust.epoch:
        raise Refused("wrong_epoch", "list.epoch", "made under another key epoch")
    check_kinds(code_list, trust.named(opened.kid))
    return Accepted(code_list, formats.payload_hash(opened.payload))


def check_kinds(code_list: CodeList, key: TrustKey) -> None:
    """A key that is meant for the cleaners' lists lets in nobody else; a pass that opens by itself is a renter's.
    Raises Refused `wrong_scope`."""
    for index, grant in enumerate(code_list.grants):
        if not key.may_grant(grant.kind):
            raise Refused("wrong_scope", f"list.grants[{index}].kind", f"this key grants nothing to {grant.kind}")
    if code_list.pass_keys and not key.may_grant("renter"):
        raise Refused("wrong_scope", "list.pass_keys", "this key grants nothing to renters, so it makes no passes")


def _check_shrink(installed: CodeList | None, code_list: CodeList, now_s: int) -> None:
    """An empty calendar fetch must not lock everybody out: losing nearly all grants at once has to be said."""
    if installed is None or code_list.shrink:
        return
    live = {grant.id for grant in installed.grants if grant.windows and grant.windows[-1][1] > now_s}
    kept = live & {grant.id for grant in code_list.grants}
    if live and (not code_list.grants or SHRINK_KEEPS * len(kept) < len(live)):
        raise Refused("unexplained_shrink", "list.grants", f"keeps {len(kept)} of {len(live)} grants without saying so")
