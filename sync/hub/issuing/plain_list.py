"""A code list as a person would write it, and the signed kind made of it.

The input names PINs in clear and instants in RFC 3339 (UTC); its JSON Schema is `docs/formats/plain-list.schema.json`.
Verifiers, QR passes, credential ids, the salt and group keys are made here. None of the issuer's rules applies: the
caller answers for how PINs are chosen and how versions rise.

    plain = parse(data)                    # Refused, naming `grants[3].pins[0]`, never the PIN
    made = build(plain)
    payload, texts = made.payload, made.qr
"""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any, TypeVar

import msgspec
from msgspec import Meta

from controller.formats import code_list, qr_pass
from controller.formats.code_list import (
    Closure,
    ClosureReason,
    CodeList,
    Counter,
    DoorId,
    Grant,
    Id,
    Kind,
    PassKey,
    PinEntry,
    PinKdf,
    Policy,
    QrEntry,
    StatementNumber,
    Window,
)
from controller.formats.encoding import b64, decode, unb64, whole
from controller.formats.errors import Refused
from controller.formats.limits import LIMITS
from controller.formats.pin import derive, is_pin

T = TypeVar("T")

INPUT_BYTES = 32 << 20
DEFAULT_GROUP = "room"
CREDENTIAL_BYTES = qr_pass.CREDENTIAL_BYTES

INSTANT = whole(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(Z|[+]00:00)")
Instant = Annotated[
    str,
    Meta(
        description="RFC 3339 in UTC, whole seconds",
        pattern=INSTANT,
        examples=["2026-07-17T11:45:00Z"],
    ),
]
# A PIN is checked here and not by the schema's reader, whose errors would talk of regular expressions.
Pin = Annotated[
    str, Meta(description="as many digits as policy.pin_digits", extra_json_schema={"pattern": "^[0-9]{6,8}$"})
]


class _Plain(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    pass


class PlainGrant(_Plain, frozen=True, kw_only=True):
    """One grant. Windows may come in any order, touch and overlap: they are sorted and overlapping ones merged.
    `qr` asks for a QR pass, whatever the kind."""

    id: Id
    kind: Kind
    active: bool
    windows: Annotated[tuple[tuple[Instant, Instant], ...], Meta(max_length=LIMITS.windows_per_grant)]
    max_uses: Annotated[int, Meta(ge=1, le=1_000_000)] | None = None
    offline_ok: bool = False
    pins: Annotated[tuple[Pin, ...], Meta(max_length=63)] = ()
    qr: bool = False


class PlainClosure(_Plain, frozen=True, kw_only=True, rename={"from_": "from"}):
    """Renters stay out from `from` until just before `until`."""

    from_: Instant
    until: Instant
    reason: ClosureReason


class PlainList(_Plain, frozen=True, kw_only=True):
    """The input of `zaalsleutel list make`: a code list with PINs in clear. Unnamed policy values take defaults."""

    door: DoorId
    epoch: Counter
    version: StatementNumber
    issued: Instant
    refresh_after: Instant
    valid_until: Instant
    policy: Policy = Policy()
    grants: Annotated[tuple[PlainGrant, ...], Meta(max_length=LIMITS.list_grants)]
    closures: Annotated[tuple[PlainClosure, ...], Meta(max_length=LIMITS.closures)] = ()


@dataclass(frozen=True)
class Made:
    """A finished list: what gets signed, and the QR texts by grant id."""

    code_list: CodeList
    payload: bytes
    qr: dict[str, list[str]]


def parse(data: bytes) -> PlainList:
    """The input in a file's bytes. Raises Refused."""
    return _decode(data, PlainList, "input")


def parse_pass_keys(data: bytes) -> tuple[PassKey, ...]:
    """Group keys in a file's bytes: a JSON list of `[group, base64url of 32 bytes]`, the newest key of a group first.
    Raises Refused."""
    return _decode(data, tuple[PassKey, ...], "pass keys")


def _decode(data: bytes, kind: type[T], whole_document: str) -> T:
    try:
        return decode(data, kind, "")
    except Refused as refusal:
        place = refusal.where.lstrip(".")
        where = place if place and not place.startswith("[") else whole_document + place
        text = (
            "an instant in UTC is wanted, like 2026-07-17T11:45:00Z" if repr(INSTANT) in refusal.text else refusal.text
        )
        raise Refused(refusal.code, where, text) from None


def build(
    plain: PlainList,
    pass_keys: Sequence[PassKey] | None = None,
    *,
    derived: Callable[[], None] = lambda: None,
    random: Callable[[int], bytes] = secrets.token_bytes,
) -> Made:
    """The list of an input. Without `pass_keys` one key for the group `room` is made; `derived` is called after each
    PIN (tens of milliseconds a PIN and core); `random(n)` gives n secret bytes. Raises Refused."""
    if pass_keys is None:
        pass_keys = (PassKey(DEFAULT_GROUP, b64(random(32))),)
    kdf = PinKdf(salt=b64(random(16)))
    _check_pins(plain)
    pins = [pin for grant in plain.grants for pin in grant.pins]
    verifiers = iter(derive_all(pins, kdf, derived))
    passes: dict[str, list[str]] = {}
    grants = []
    for index, grant in enumerate(plain.grants):
        windows = _windows(grant.windows, f"grants[{index}].windows")
        made = [_pass_for(windows, plain.version, pass_keys, random)] if grant.qr else []
        if made:
            passes[grant.id] = [qr.text() for qr in made]
        grants.append(
            Grant(
                id=grant.id,
                kind=grant.kind,
                active=grant.active,
                windows=windows,
                max_uses=grant.max_uses,
                offline_ok=grant.offline_ok,
                pins=tuple(PinEntry(random(CREDENTIAL_BYTES).hex(), next(verifiers), False) for _ in grant.pins),
                qrs=tuple(QrEntry(qr.credential, qr.list_hash) for qr in made),
            )
        )
    result = CodeList(
        door=plain.door,
        epoch=plain.epoch,
        version=plain.version,
        issued=_seconds(plain.issued, "issued"),
        refresh_after=_seconds(plain.refresh_after, "refresh_after"),
        valid_until=_seconds(plain.valid_until, "valid_until"),
        shrink=False,
        policy=plain.policy,
        posture=None,
        pin_kdf=kdf,
        grants=tuple(grants),
        closures=tuple(_closures(plain.closures)),
        pass_keys=tuple(pass_keys),
    )
    payload = code_list.dump(result)
    # What a door would refuse for its own reasons (sizes, ids that occur twice) does not get signed.
    try:
        return Made(code_list.parse(payload), payload, passes)
    except Refused as refusal:
        # The places of the list are those of the input.
        where = "input" if refusal.where == "list" else refusal.where.removeprefix("list.")
        raise Refused(refusal.code, where, refusal.text) from None


def derive_all(pins: Sequence[str], kdf: PinKdf, derived: Callable[[], None]) -> list[str]:
    """The verifiers of PINs, in their order; on all cores, since the derivation releases the interpreter lock."""
    verifiers = []
    with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        for verifier in pool.map(lambda pin: derive(pin, kdf), pins):
            verifiers.append(verifier)
            derived()
    return verifiers


def schema() -> str:
    """The JSON Schema of the input, as it stands in `docs/formats/plain-list.schema.json`."""
    document: dict[str, Any] = msgspec.json.schema(PlainList)
    return json.dumps({"$schema": "https://json-schema.org/draft/2020-12/schema", **document}, indent=2) + "\n"


def _check_pins(plain: PlainList) -> None:
    digits = plain.policy.pin_digits
    taken: set[str] = set()
    for index, grant in enumerate(plain.grants):
        for number, pin in enumerate(grant.pins):
            where = f"grants[{index}].pins[{number}]"
            if not is_pin(pin, digits):
                raise Refused("bad_pin", where, f"a PIN at this door is {digits} digits (policy.pin_digits)")
            if pin in taken:
                raise Refused("pin_taken", where, "this PIN occurs before; it could open for one grant only")
            taken.add(pin)


def _windows(pairs: Sequence[tuple[str, str]], where: str) -> tuple[Window, ...]:
    merged: list[Window] = []
    for start, end in sorted(_span(*pair, f"{where}[{index}]") for index, pair in enumerate(pairs)):
        if merged and start < merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return tuple(merged)


def _closures(closures: Sequence[PlainClosure]) -> Iterator[Closure]:
    for index, closure in enumerate(closures):
        start, end = _span(closure.from_, closure.until, f"closures[{index}]")
        yield Closure(from_=start, until=end, reason=closure.reason)


def _span(start: str, end: str, where: str) -> Window:
    span = _seconds(start, where), _seconds(end, where)
    if not span[0] < span[1]:
        raise Refused("bad_list", where, "ends before it starts")
    return span


def _seconds(instant: str, where: str) -> int:
    try:
        moment = datetime.fromisoformat(instant)
    except ValueError:
        raise Refused("bad_instant", where, "there is no such day or time") from None
    if moment.year < 1970:
        raise Refused("bad_instant", where, "before 1970")
    return int(moment.astimezone(UTC).timestamp())


def _pass_for(
    windows: Sequence[Window], number: int, pass_keys: Sequence[PassKey], random: Callable[[int], bytes]
) -> qr_pass.QrPass:
    """A pass whose own words are the first window, in whole minutes around it. Where they cannot say that (more than a
    stand-alone pass may have, out of the range of its bytes, no window) its length is 0: the list alone decides."""
    start, until = windows[0] if windows else (qr_pass.EPOCH_S, qr_pass.EPOCH_S)
    start -= start % 60
    minutes = -(-(until - start) // 60)
    if not 0 <= start - qr_pass.EPOCH_S <= 60 * qr_pass.LAST_START_MINUTE:
        start, minutes = qr_pass.EPOCH_S, 0
    if minutes > qr_pass.ALONE_MAX_MINUTES:
        minutes = 0
    # The newest key of a group tags; a pass has room for three groups.
    newest: dict[str, bytes] = {}
    for group, key in ((entry.group, entry.key) for entry in pass_keys):
        newest.setdefault(group, unb64(key, "pass keys"))
    group_keys = list(newest.values())[: max(qr_pass.TAG_BYTES)]
    return qr_pass.make_pass(random(CREDENTIAL_BYTES), start, minutes, number, group_keys, random(qr_pass.TAGS_AREA))
