"""The code list: what one door may open for, from when until when. Signed as `zs-list-1`.

All instants are whole UTC seconds since 1970; windows and closures are half-open, `from <= now < until`. Margins,
time zones and clipping are the issuer's work: nothing here is computed, only checked.

    code_list = parse(payload)            # Refused, or a list every rule of this module holds for
    payload = dump(code_list)
"""

from __future__ import annotations

import hashlib
import itertools
from typing import Annotated, Literal, get_args

import msgspec
from msgspec import Meta

from controller.formats.encoding import canonical, decode, whole
from controller.formats.errors import Refused
from controller.formats.limits import LIMITS

TYP = "zs-list-1"

Kind = Literal["renter", "cleaning", "technical", "supplier", "facility", "emergency"]
KINDS: tuple[Kind, ...] = get_args(Kind)
Language = Literal["nl", "fr", "de", "en"]
PostureState = Literal["controlled", "unlocked", "lockdown"]
ClosureReason = Literal["room_closed", "room_not_ready"]

DoorId = Annotated[str, Meta(pattern=whole(r"[a-z0-9-]{1,40}"))]
Id = Annotated[str, Meta(pattern=whole(r"[A-Za-z0-9_.:-]{1,64}"))]
Seconds = Annotated[int, Meta(ge=0, le=1 << 40)]
# base64url of 32 and 16 bytes, unused bits zero
Bytes32 = Annotated[str, Meta(pattern=whole(r"[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]"))]
Bytes16 = Annotated[str, Meta(pattern=whole(r"[A-Za-z0-9_-]{21}[AQgw]"))]
# Whole numbers stay below 2^53, so that JavaScript and every double keeps them exact.
Counter = Annotated[int, Meta(ge=1, lt=1 << 53)]
# A statement number is the hub-wide sequence lists and passes share; a pass carries it in 4 bytes.
StatementNumber = Annotated[int, Meta(ge=1, lt=1 << 32)]
Window = tuple[Seconds, Seconds]
_PRINTABLE = whole(r"[^\x00-\x1f\x7f]*")


class _Strict(msgspec.Struct, frozen=True, forbid_unknown_fields=True, gc=False):
    pass


class PinEntry(_Strict, frozen=True, array_like=True):
    """`[credential id, verifier, duress]`; the verifier is base64url of 32 bytes (see `pin.py`)."""

    credential: Id
    verifier: Bytes32
    duress: bool


class QrEntry(_Strict, frozen=True, array_like=True):
    """`[credential id, hash]`; base64url of the 16 bytes of `qr_pass.list_hash`."""

    credential: Id
    hash: Bytes16


class Grant(_Strict, frozen=True, kw_only=True):
    """The permission of one reservation or staff member at this door. `windows` are sorted and do not overlap (they
    may touch); `max_uses` counts entries, null for any number; `offline_ok` opens also when the clock is not
    trusted or the list has run out."""

    id: Id
    kind: Kind
    active: bool
    windows: Annotated[tuple[Window, ...], Meta(max_length=LIMITS.windows_per_grant)]
    max_uses: Annotated[int, Meta(ge=1, le=1_000_000)] | None
    offline_ok: bool
    pins: Annotated[tuple[PinEntry, ...], Meta(max_length=64)]
    qrs: Annotated[tuple[QrEntry, ...], Meta(max_length=64)]


class Closure(_Strict, frozen=True, kw_only=True, rename={"from_": "from"}):
    """Renters stay out while `from <= now < until`; everybody else is let in."""

    from_: Seconds
    until: Seconds
    reason: ClosureReason


class PassKey(_Strict, frozen=True, array_like=True):
    """`[door group, key]`: a group key (32 bytes) with which QR passes are checked; the current and the previous
    key of a group are two entries."""

    group: Id
    key: Bytes32


class Posture(_Strict, frozen=True, kw_only=True):
    """What the door is doing as a whole; the newer `since` wins over command and staff keypad. `until` ends
    `unlocked` and is null for the other two."""

    state: PostureState
    since: Seconds
    until: Seconds | None


class PinKdf(_Strict, frozen=True, kw_only=True):
    """Argon2id parameters and the door's salt. The upper bounds keep a list from exhausting a door."""

    name: Literal["argon2id"] = "argon2id"
    salt: Bytes16
    memory_kib: Annotated[int, Meta(ge=8, le=LIMITS.pin_kdf_memory_kib)] = 19_456
    iterations: Annotated[int, Meta(ge=1, le=LIMITS.pin_kdf_iterations)] = 2
    lanes: Annotated[int, Meta(ge=1, le=1)] = 1


class Screen(_Strict, frozen=True, kw_only=True):
    """What the screen at the door says of its room: the room's name, the time zone of its clock times, and how to leave
    the room, by language. Signed like everything else that is shown (R004-05): unsigned text never is."""

    room: Annotated[str, Meta(max_length=60, pattern=_PRINTABLE)] = ""
    time_zone: Annotated[str, Meta(max_length=40, pattern=whole(r"[A-Za-z0-9_+-]+(/[A-Za-z0-9_+-]+){0,2}"))] = (
        "Europe/Brussels"
    )
    leave: dict[Language, Annotated[str, Meta(max_length=500, pattern=_PRINTABLE)]] = {}


class Policy(_Strict, frozen=True, kw_only=True):
    """The signed rules of one door; every default is the proposal for a room without wishes of its own.

    `pin_digits` length of every PIN; `pin_tries` and `pin_refill_s` the bucket of PIN tries; `release_s` how long the
    lock lets go; `no_entry_s` how long after a release an opening still counts as that entry; `held_open_s` after
    how long an open door is a fault; `early_hint_s` how near its window a refused PIN is told why; `log_failure`
    what happens while nothing can be recorded; `passes` whether a QR pass newer than the list opens by itself;
    `staff_qr` whether the issuer makes QRs for staff (the door does not look at it); `screen` what a screen says of the
    room, for doors that have one: absent otherwise, never null."""

    pin_digits: Annotated[int, Meta(ge=6, le=8)] = 6
    pin_tries: Annotated[int, Meta(ge=1, le=100)] = 10
    pin_refill_s: Annotated[int, Meta(ge=1, le=86_400)] = 1_800
    release_s: Annotated[int, Meta(ge=1, le=60)] = 5
    no_entry_s: Annotated[int, Meta(ge=1, le=300)] = 10
    held_open_s: Annotated[int, Meta(ge=5, le=3_600)] = 120
    early_hint_s: Annotated[int, Meta(ge=0, le=86_400)] = 7_200
    log_failure: Literal["grant", "refuse"] = "grant"
    languages: Annotated[tuple[Language, ...], Meta(min_length=1, max_length=4)] = ("nl",)
    help: Annotated[str, Meta(max_length=500, pattern=_PRINTABLE)] = ""
    passes: bool = True
    staff_qr: bool = False
    # A list that says nothing here has the bytes it had before there were screens.
    screen: Screen | msgspec.UnsetType = msgspec.UNSET


class CodeList(_Strict, frozen=True, kw_only=True):
    """One door's list. `version` is a statement number; `epoch` must equal the trust document's key epoch; `shrink`
    is the issuer's word that losing nearly all grants at once is meant."""

    door: DoorId
    epoch: Counter
    version: StatementNumber
    issued: Seconds
    refresh_after: Seconds
    valid_until: Seconds
    shrink: bool
    policy: Policy
    posture: Posture | None
    pin_kdf: PinKdf
    grants: Annotated[tuple[Grant, ...], Meta(max_length=LIMITS.list_grants)]
    closures: Annotated[tuple[Closure, ...], Meta(max_length=LIMITS.closures)]
    pass_keys: Annotated[tuple[PassKey, ...], Meta(max_length=LIMITS.pass_keys)]


def parse(payload: bytes) -> CodeList:
    """The list in a payload whose signature already held.

    Raises Refused: `too_large`, `not_json`, `duplicate_member`, `bad_schema`, `bad_list`."""
    if len(payload) > LIMITS.list_payload_bytes:
        raise Refused("too_large", "list", f"over {LIMITS.list_payload_bytes} bytes")
    code_list = decode(payload, CodeList, "list")
    check(code_list)
    return code_list


def dump(code_list: CodeList) -> bytes:
    """The payload of a list. Deterministic: equal lists give equal bytes."""
    return canonical(code_list)


def payload_hash(payload: bytes) -> str:
    """The list's name: SHA-256 of the signed payload, hex. Stays the same when a list is signed or wrapped anew."""
    return hashlib.sha256(payload).hexdigest()


def check(code_list: CodeList) -> None:
    """The rules a schema cannot say. Raises Refused `bad_list`, naming the place."""
    if not code_list.issued <= code_list.refresh_after <= code_list.valid_until:
        raise Refused("bad_list", "list", "wants issued <= refresh_after <= valid_until")
    if len(set(code_list.policy.languages)) != len(code_list.policy.languages):
        raise Refused("bad_list", "list.policy.languages", "a language is named twice")
    posture = code_list.posture
    if posture and (posture.until is None) != (posture.state != "unlocked"):
        raise Refused("bad_list", "list.posture.until", "given for unlocked and only then")
    for index, closure in enumerate(code_list.closures):
        if not closure.from_ < closure.until:
            raise Refused("bad_list", f"list.closures[{index}]", "ends before it starts")
    grants = code_list.grants
    for index, grant in enumerate(grants):
        _check_windows(grant.windows, index)
        credentials = [pin.credential for pin in grant.pins] + [qr.credential for qr in grant.qrs]
        if len(set(credentials)) != len(credentials):
            raise Refused("bad_list", f"list.grants[{index}]", "a credential id occurs twice")
    _unique([[grant.id] for grant in grants], "id", "a grant id")
    # One dictionary look-up decides a PIN, so a verifier may belong to one grant only.
    _unique([[pin.verifier for pin in grant.pins] for grant in grants], "pins", "a PIN verifier")
    _unique([[qr.hash for qr in grant.qrs] for grant in grants], "qrs", "a QR hash")


def _check_windows(windows: tuple[Window, ...], grant: int) -> None:
    before = 0
    for index, (start, end) in enumerate(windows):
        if not start < end:
            raise Refused("bad_list", f"list.grants[{grant}].windows[{index}]", "ends before it starts")
        if start < before:
            where = f"list.grants[{grant}].windows[{index}]"
            raise Refused("bad_list", where, "windows are sorted and do not overlap")
        before = end


def _unique(of_grants: list[list[str]], member: str, what: str) -> None:
    """No value twice in all of the grants; the second one is named."""
    values = list(itertools.chain.from_iterable(of_grants))
    if len(set(values)) == len(values):
        return
    seen: set[str] = set()
    for index, own in enumerate(of_grants):
        for value in own:
            if value in seen:
                raise Refused("bad_list", f"list.grants[{index}].{member}", f"{what} occurs twice")
            seen.add(value)
