"""The entry log's records: canonical bytes, a hash chain, and commitments that can be opened or forgotten.

An event's bytes are its canonical JSON; `hash = SHA-256(previous hash || bytes)`, the first one follows 32 zero bytes.
Who it was stays outside the bytes: the event holds `who = SHA-256(nonce || grant || 0 || credential)`, and the opening
(nonce, grant id, credential id) travels and rests beside it, so it can be erased while the chain still verifies.

The door vouches for a stretch of its log by signing a statement over its ends, `{door, log, first, prev, last, hash}`,
as `zs-log-1`. A batch is such a statement with the records next to it.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Annotated, Literal, get_args

import msgspec
from msgspec import Meta

from controller.formats.code_list import DoorId, Id, Seconds
from controller.formats.encoding import decode, decode_canonical, whole
from controller.formats.envelope import Sealed
from controller.formats.errors import Refused
from controller.formats.limits import LIMITS

STATEMENT_TYP = "zs-log-1"
RECEIPT_TYP = "zs-receipt-1"
BATCH_TYP = "zs-batch-1"
GENESIS = "0" * 64

EventKind = Literal[
    "granted", "refused", "in", "out", "opened", "closed", "forced", "held_open", "no_entry", "list", "trust",
    "command", "posture", "clock", "fault_raised", "fault_cleared", "loss", "boot",
    "commissioning",
]  # fmt: skip
EVENT_KINDS: tuple[EventKind, ...] = get_args(EventKind)
ClockState = Literal["synced", "holdover", "floor", "bad"]
CredentialKind = Literal["pin", "qr", "pass", "remote"]

Hash = Annotated[str, Meta(pattern=whole(r"[0-9a-f]{64}"))]
LogId = Annotated[str, Meta(pattern=whole(r"[0-9a-f]{16}"))]
Nonce = Annotated[str, Meta(pattern=whole(r"[0-9a-f]{32}"))]
Sequence = Annotated[int, Meta(ge=1, lt=1 << 53)]
Word = Annotated[str, Meta(pattern=whole(r"[a-z0-9_]{1,40}"))]
DetailText = Annotated[str, Meta(pattern=whole(r"[ -~]{0,200}"))]
DetailNumber = Annotated[int, Meta(gt=-(1 << 53), lt=1 << 53)]
Detail = dict[Word, DetailText | DetailNumber | bool | None]


class Place(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Where an event stood when it was first written."""

    log: LogId
    seq: Sequence


class Event(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, omit_defaults=True):
    """One entry. `at` is UTC milliseconds by the door's clock, `clock` how good that clock was; `reason` says why for
    kinds that have a why; `detail` is flat and holds no text from outside. `was` marks a record that a log took over
    from an earlier one of the same door: the same happening, told under another name."""

    door: DoorId
    log: LogId
    seq: Sequence
    at: Annotated[int, Meta(ge=0, lt=1 << 53)]
    clock: ClockState
    kind: EventKind
    reason: Word | None = None
    who: Hash | None = None
    credential: CredentialKind | None = None
    detail: Detail
    was: Place | None = None

    def as_first_written(self) -> Event:
        """The event under the name it had at first: equal for every telling of one happening."""
        if self.was is None:
            return self
        return msgspec.structs.replace(self, log=self.was.log, seq=self.was.seq, was=None)


@dataclass(frozen=True)
class LogEnd:
    """How far a log is known: the number of its newest record (0 for an empty log) and the chain's hash there."""

    seq: int
    hash: str


BEGINNING = LogEnd(0, GENESIS)


class Opening(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What opens an event's `who`. Personal-linked: never inside the hashed bytes."""

    nonce: Nonce
    grant: Id
    credential: Id

    def commitment(self) -> str:
        """`who` of the event this opens."""
        parts = bytes.fromhex(self.nonce), self.grant.encode(), b"\0", self.credential.encode()
        return hashlib.sha256(b"".join(parts)).hexdigest()


class Record(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, omit_defaults=True):
    """An event as its exact bytes, with the opening while it may still be known."""

    event: msgspec.Raw
    opening: Opening | None = None


class Statement(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What the door signs: the records `first`..`last` of `log` follow hash `prev` and end in `hash`."""

    door: DoorId
    log: LogId
    first: Sequence
    prev: Hash
    last: Sequence
    hash: Hash


# The signed envelope around a statement, as a member of other documents.
SealedStatement = Sealed


class Batch(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Records and the statement that vouches for them."""

    statement: Sealed
    records: Annotated[tuple[Record, ...], Meta(min_length=1, max_length=LIMITS.batch_records)]


class Receipt(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The hub's word that it holds `log` of `door` up to `seq`, whose hash is `hash`. Only a higher `number` counts;
    `issued` (UTC seconds) is a clock reading and nothing else. Signed as `zs-receipt-1`."""

    door: DoorId
    log: LogId
    seq: Annotated[int, Meta(ge=0, lt=1 << 53)]
    hash: Hash
    number: Annotated[int, Meta(ge=1, lt=1 << 40)]
    issued: Seconds


def parse_event(data: bytes, where: str = "event") -> Event:
    """The event in its canonical bytes. Raises Refused (`too_large`, `not_json`, `bad_schema`, `not_canonical`)."""
    if len(data) > LIMITS.event_bytes:
        raise Refused("too_large", where, f"over {LIMITS.event_bytes} bytes")
    return decode_canonical(data, Event, where)


def chain(previous: str, data: bytes) -> str:
    """The hash after `data` follows `previous` (both hashes hex)."""
    return hashlib.sha256(bytes.fromhex(previous) + data).hexdigest()


def parse_batch(data: bytes) -> Batch:
    """A batch from the wire; its signature and chain are the reader's to check. Raises Refused."""
    if len(data) > LIMITS.batch_bytes:
        raise Refused("too_large", "batch", f"over {LIMITS.batch_bytes} bytes")
    return decode(data, Batch, "batch")


def parse_receipt(payload: bytes) -> Receipt:
    """A receipt whose signature already held. Raises Refused."""
    return decode(payload, Receipt, "receipt")


def parse_statement(payload: bytes, where: str = "statement") -> Statement:
    """A statement whose signature already held. Raises Refused."""
    statement = decode(payload, Statement, where)
    if statement.first > statement.last:
        raise Refused("bad_schema", where, "ends before it starts")
    return statement
