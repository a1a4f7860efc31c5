"""What every adapter makes of foreign data: entries, or the reason why an item is none.

An entry is a reservation without a revision; the intake numbers it. `where` names the item as its own side knows it
(`row 7`, `event 17@planner`), so that whoever reads a report finds it.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, get_args

from controller.formats.code_list import KINDS, Kind, Language, Window
from controller.formats.errors import Refused
from sync.hub.booking.personal_data import refuse_person, refuse_personal_data
from sync.hub.booking.reservations import Method, Wish
from sync.hub.issuing.issuer import GrantState

HolderKind = Literal["person", "association", "company", "staff"]
HOLDER_KINDS: tuple[HolderKind, ...] = get_args(HolderKind)
LANGUAGES: tuple[Language, ...] = get_args(Language)
STATES: tuple[GrantState, ...] = ("pending", "active", "suspended", "cancelled")

REF_CHARS = 100
_IN_REF = re.compile(r"[A-Za-z0-9_.:-]")
_HOLDER = re.compile(r"[!-~]([ -~]{0,98}[!-~])?")


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One foreign reservation. `windows` are booked times in UTC seconds; `sequence` rises with each change on the
    other side, None where that side does not count; `correlation` is kept beside the reservation. A cancelled one needs
    neither rooms nor windows: it gets through whatever has become of them. `replaces` is the ref of one whose place and
    code this one takes, for a side that makes a cancellation and a new reservation out of a move (R003-02)."""

    where: str
    ref: str
    state: GrantState
    rooms: tuple[str, ...]
    windows: tuple[Window, ...]
    holder: str
    holder_kind: HolderKind = "association"
    kind: Kind = "renter"
    language: Language = "nl"
    methods: tuple[Method, ...] = ("pin", "qr")
    sequence: int | None = None
    replaces: str | None = None
    correlation: Mapping[str, str] = field(default_factory=dict)

    def wish(self, revision: int, source: str) -> Wish:
        """The same as a call of the API would ask it. Raises Refused `personal_data_refused`, `bad_request`."""
        if not _HOLDER.fullmatch(self.holder):
            raise Refused("bad_request", "holder", "a reference of at most 100 plain characters is needed")
        refuse_person("holder", self.holder)
        refuse_personal_data([("ref", self.ref)])
        counted = {} if self.sequence is None else {"sequence": str(self.sequence)}
        return Wish(
            revision=revision,
            state=self.state,
            kind=self.kind,
            rooms=self.rooms,
            windows=self.windows,
            holder={"ref": self.holder, "kind": self.holder_kind},
            methods=self.methods,
            language=self.language,
            correlation={**self.correlation, **counted, "source": source},
        )


@dataclass(frozen=True)
class Rejected:
    """An item that makes no entry: `code` is stable, `text` a sentence. `ref` where the item has one."""

    where: str
    ref: str | None
    code: str
    text: str


def rejected(where: str, ref: str | None, refused: Refused) -> Rejected:
    """What was refused, as a line of the report."""
    text = f"{refused.where}: {refused.text}" if refused.where else refused.text
    return Rejected(where, ref, refused.code, text)


def read_json(data: bytes) -> Any:
    """A foreign document. Raises ValueError for what is no JSON, is nested too deep, or holds text that is no Unicode:
    half of a surrogate pair could neither be stored nor told again."""
    try:
        document = json.loads(data)
        json.dumps(document, ensure_ascii=False).encode()
    except RecursionError:
        raise ValueError("nested too deep") from None
    return document


def _digest(name: str) -> str:
    return hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()


def as_ref(name: str, *, is_uid: bool = False, pseudonym: Callable[[str], str] = _digest) -> str:
    """A foreign identifier as a ref: the same where it can be, other characters as `~` and their hexadecimal code; a
    digest where that gets too long or looks like personal data. The UID of an event may look like an e-mail address
    (`17@planner` is `17~40planner`): behind its @ there is a host. For what may name a person, `pseudonym` is one that
    only this hub can make (X-05)."""
    ref = "".join(each if _IN_REF.fullmatch(each) else _escaped(each) for each in name)
    try:
        refuse_personal_data([("ref", ref), ("name", name.replace("@", " ") if is_uid else name)])
    except Refused:
        ref = ""
    if 0 < len(ref) <= REF_CHARS:
        return ref
    return f"h-{pseudonym(name)[:32]}"


def _escaped(character: str) -> str:
    return "".join(f"~{byte:02X}" for byte in character.encode("utf-8", "surrogatepass"))


def window(start: datetime, end: datetime) -> Window:
    """Two aware instants as a booked time. Raises Refused `bad_request`."""
    if any(each.second or each.microsecond for each in (start, end)):
        raise Refused("bad_request", "window", "starts and ends on a whole minute")
    if not start < end:
        raise Refused("bad_request", "window", "ends after it starts")
    begins, ends = int(start.timestamp()), int(end.timestamp())
    # Two times of one zone compare as the wall clock shows them. Where the clocks go over all of it, its length stays.
    return begins, ends if ends > begins else begins + int((end - start).total_seconds())


def one_of(value: str, allowed: tuple[str, ...], where: str) -> str:
    """The value, if it is allowed. Raises Refused `bad_request`."""
    if value not in allowed:
        raise Refused("bad_request", where, f"is one of {', '.join(allowed)}")
    return value


def kind_of(value: str) -> Kind:
    """A kind of grant. Raises Refused `bad_request`."""
    one_of(value, KINDS, "category")
    return value  # type: ignore[return-value]
