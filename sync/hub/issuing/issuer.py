"""From what the hub knows about a door to the list the door decides by.

Pure: records, the time and a statement number in, a `CodeList` out. Signing, storing and sending are other people's
work (`lists.py`), so a year of issuing can run in seconds.

What travels (R002-20, R002-27): active grants; suspended ones with `active = false`, so that the door can say why;
never pending or cancelled ones. Only grants with an opening between one day back and 21 days ahead: little lies at
the door. A list is refreshed after a day and runs out after 21.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import msgspec

from controller.formats.code_list import (
    Closure,
    CodeList,
    Grant,
    Kind,
    PassKey,
    PinEntry,
    PinKdf,
    Policy,
    Posture,
    QrEntry,
    Window,
    check,
    dump,
)
from controller.formats.state import StateReport
from sync.hub.booking.windows import merged

GrantState = Literal["pending", "active", "suspended", "cancelled"]
TRAVELLING: frozenset[GrantState] = frozenset({"active", "suspended"})

DAY_S = 86_400
HORIZON_BACK_S = DAY_S
HORIZON_AHEAD_S = 21 * DAY_S
REFRESH_S = DAY_S
ISSUED_AHEAD_S = 120  # doors refuse to judge by a list dated further ahead of their clock
VALID_S = 21 * DAY_S


@dataclass(frozen=True, kw_only=True)
class DoorRecord:
    """One door as the issuer sees it; `pass_keys` are those of its own group, the current and the previous one."""

    id: str
    epoch: int
    kdf: PinKdf
    policy: Policy
    pass_keys: tuple[PassKey, ...]
    posture: Posture | None = None


class GrantRecord(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One grant at one door: its openings there (margins applied) and its credentials."""

    id: str
    kind: Kind
    state: GrantState
    openings: tuple[Window, ...]
    pins: tuple[PinEntry, ...] = ()
    qrs: tuple[QrEntry, ...] = ()
    max_uses: int | None = None
    offline_ok: bool = False


def build_list(
    door: DoorRecord,
    grants: Iterable[GrantRecord],
    closures: Iterable[Closure] = (),
    *,
    number: int,
    now_s: int,
    shrink: bool = False,
) -> CodeList:
    """The list of `door` as of `now_s` (UTC seconds) under the statement number `number`. Equal records give equal
    lists, in whatever order they come. Raises Refused `bad_list` when the records contradict each other."""
    travelling = [_grant(grant, now_s) for grant in grants if grant.state in TRAVELLING]
    code_list = CodeList(
        door=door.id,
        epoch=door.epoch,
        version=number,
        issued=now_s,
        refresh_after=now_s + REFRESH_S,
        valid_until=now_s + VALID_S,
        shrink=shrink,
        policy=door.policy,
        posture=door.posture,
        pin_kdf=door.kdf,
        grants=tuple(sorted((grant for grant in travelling if grant.windows), key=lambda grant: grant.id)),
        closures=tuple(sorted(closures, key=lambda closure: (closure.from_, closure.until, closure.reason))),
        pass_keys=door.pass_keys,
    )
    check(code_list)
    return code_list


def next_number(last: int, now_s: int, highest_reported: int) -> int:
    """The statement number after `last`. Never below the Unix second or what a door has seen, so that a hub restored
    from an old backup cannot fall behind its doors."""
    return max(last + 1, now_s, highest_reported + 1)


class SaidOfGrant(msgspec.Struct, frozen=True, gc=False):
    """When a list says that a grant opens."""

    id: str
    windows: tuple[Window, ...]


class Said(msgspec.Struct, frozen=True):
    """What `windows_moved` wants to know of the list before: read from its bytes alone, which this hub wrote and
    checked, at a tenth of what `parse` takes."""

    issued: int
    grants: tuple[SaidOfGrant, ...]


def windows_moved(before: Said, now: CodeList) -> list[str]:
    """The grants in both lists that open at other times than before: a neighbour came or went, and their margins with
    it. Times that are over, or that were still behind the horizon, do not count."""

    def lately(windows: tuple[Window, ...]) -> list[Window]:
        return [each for each in windows if each[1] > now.issued and each[0] < before.issued + HORIZON_AHEAD_S]

    said = {grant.id: grant.windows for grant in before.grants}
    return [
        grant.id
        for grant in now.grants
        if (then := said.get(grant.id, grant.windows)) != grant.windows and lately(then) != lately(grant.windows)
    ]


def needs_refresh(issued: int, refresh_after: int, now_s: int) -> bool:
    """Whether a list is due to be made anew: a day has passed, or it was dated while this hub's clock was ahead, and
    doors will not judge by it until that time has come."""
    return now_s >= refresh_after or issued > now_s + ISSUED_AHEAD_S


def beyond_reach(number: int, report: StateReport) -> bool:
    """Whether a door without a list will not take the one numbered `number`: it had a higher one, whose file it lost,
    from before this hub fell back to a backup. It needs one made anew."""
    return report.list_hash is None and report.list_version > number


def content_hash(code_list: CodeList) -> str:
    """SHA-256 of what the list says apart from numbers and times: equal means there is nothing new to tell."""
    bare = msgspec.structs.replace(code_list, version=1, issued=0, refresh_after=0, valid_until=0, shrink=False)
    return hashlib.sha256(dump(bare)).hexdigest()


def _grant(record: GrantRecord, now_s: int) -> Grant:
    near = (
        window
        for window in record.openings
        if window[1] > now_s - HORIZON_BACK_S and window[0] < now_s + HORIZON_AHEAD_S
    )
    return Grant(
        id=record.id,
        kind=record.kind,
        active=record.state == "active",
        windows=merged(near),
        max_uses=record.max_uses,
        offline_ok=record.offline_ok,
        pins=tuple(sorted(record.pins, key=lambda pin: pin.credential)),
        qrs=tuple(sorted(record.qrs, key=lambda qr: qr.credential)),
    )
