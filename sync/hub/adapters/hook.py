"""Foreign webhooks: a trigger and nothing more. What holds is fetched from the product itself.

    outcome = Hook("i-reserve", plan, intake, Fetcher(), places).called(headers, body, now)

A caller proves that it knows the hook's secret; then one thing is read from its message, the reservation's number. So a
forged, repeated or delayed message can at most make the hub look again at what is true now, and the order in which
messages arrive does not matter.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, cast
from zoneinfo import ZoneInfo

from controller.formats.code_list import Window
from controller.formats.errors import Refused
from sync.hub.adapters.entry import LANGUAGES, Entry, Rejected, as_ref, one_of, read_json, rejected, window
from sync.hub.adapters.fetch import Access, Fetcher, read_secret
from sync.hub.adapters.intake import Intake, Outcome
from sync.hub.adapters.places import Places
from sync.hub.adapters.settings import HookPlan
from sync.hub.issuing.issuer import GrantState

_NUMBER = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
"""What goes into the address that is fetched: nothing that could lead it elsewhere."""


@dataclass
class Hook:
    """One product that calls. Calls queue up here, so that an older answer never overtakes a newer one."""

    name: str
    plan: HookPlan
    intake: Intake
    fetcher: Fetcher
    places: Callable[[], Places]
    _turn: threading.Lock = field(default_factory=threading.Lock, init=False, repr=False)

    def called(self, headers: Mapping[str, str], body: bytes, now: int) -> Outcome:
        """Take a call in at `now` (UTC seconds). Raises Refused `unauthorised`, `bad_request` for a message without a
        number, `upstream_failed` when the product does not answer: then the caller should call again."""
        self._check_proof(headers.get(self.plan.header.lower(), ""), body)
        number = self._number(body)
        with self._turn:
            item = self._fetch(number)
            if item is None:
                return self._gone(number, now)
            return self.intake.take([item], now)[0]

    def _check_proof(self, proof: str, body: bytes) -> None:
        secret = read_secret(self.plan.secret_file)
        expected = secret
        if self.plan.proof == "hmac-sha256":
            expected = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
            proof = proof.strip().removeprefix("sha256=").lower()
        if not hmac.compare_digest(proof.encode(), expected.encode()):
            raise Refused("unauthorised", self.plan.header, "does not prove that the caller knows the hook's secret")

    def _number(self, body: bytes) -> str:
        try:
            number = str(pick(read_json(body), self.plan.id))
        except ValueError:
            raise Refused("bad_request", "body", "is not JSON") from None
        if not _NUMBER.fullmatch(number):
            raise Refused("bad_request", self.plan.id, "names no reservation")
        return number

    def _fetch(self, number: str) -> Entry | Rejected | None:
        access = Access(self.plan.token_file, self.plan.oauth)
        fetched = self.fetcher.get(self.plan.fetch.format(id=number), access, accept="application/json")
        if fetched.gone:
            return None
        try:
            found = read_json(fetched.body or b"")
        except ValueError:
            raise Refused("upstream_failed", "fetch", "answered something that is not JSON") from None
        try:
            return self._entry(number, found)
        except Refused as refused:
            return rejected(f"reservation {number}", self._ref(number), refused)

    def _entry(self, number: str, found: object) -> Entry:
        fields, plan = self.plan.fields, self.plan
        status = str(pick(found, fields.state))
        if status not in plan.states:
            raise Refused("bad_request", fields.state, f"no state is given for {status}")
        state: GrantState = plan.states[status]
        rooms, windows = ((), ()) if state == "cancelled" else (self._rooms(found), self._windows(found))
        sequence = pick(found, fields.sequence) if fields.sequence else None
        holder = pick(found, fields.holder) if fields.holder else None
        replaced = picked(found, fields.replaces) if fields.replaces else []
        language = str(pick(found, fields.language)) if fields.language else plan.language
        return Entry(
            where=f"reservation {number}",
            ref=self._ref(number),
            state=state,
            rooms=rooms,
            windows=windows,
            holder=as_ref(str(holder), pseudonym=self.intake.pseudonym) if holder is not None else self._ref(number),
            holder_kind=plan.holder_kind,
            language=cast(Any, one_of(language, LANGUAGES, fields.language or "language")),
            sequence=None if sequence is None else self._sequence(sequence),
            replaces=self._ref(str(replaced[0])) if replaced else None,
        )

    def _rooms(self, found: object) -> tuple[str, ...]:
        places = self.places()
        return tuple(dict.fromkeys(places.room(str(room)) for room in picked(found, self.plan.fields.room)))

    def _windows(self, found: object) -> tuple[Window, ...]:
        fields = self.plan.fields
        starts, ends = ([self._instant(each) for each in picked(found, path)] for path in (fields.start, fields.end))
        if len(starts) != len(ends) or not starts:
            raise Refused("window_required", fields.start, "as many starts as ends are needed, one at least")
        return tuple(sorted(map(window, starts, ends)))

    def _ref(self, number: str) -> str:
        return as_ref(f"{self.name}-{number}")

    def _instant(self, value: object) -> datetime:
        try:
            found = datetime.fromisoformat(str(value))
        except ValueError:
            raise Refused("window_required", self.plan.fields.start, "a date and a time are needed") from None
        return found if found.tzinfo is not None else found.replace(tzinfo=ZoneInfo(self.plan.zone))

    def _sequence(self, value: object) -> int:
        """A counter as it is; an instant of change in milliseconds."""
        if isinstance(value, int):
            return value
        text = str(value)
        return int(text) if text.isdecimal() else int(self._instant(text).timestamp() * 1000)

    def _gone(self, number: str, now: int) -> Outcome:
        where, ref = f"reservation {number}", self._ref(number)
        holds = self.intake.held([ref]).get(ref)
        if holds is None:
            return Outcome(where, ref, "over")
        if self.plan.gone == "keep":
            return Outcome(where, ref, "refused", "upstream_gone", "the product no longer knows it; it was kept")
        return self.intake.cancel(holds, where, now)


def picked(document: object, path: str) -> list[Any]:
    """Every value at a path: `objects[].id` is the `id` of each of `objects`. Absent members give nothing."""
    found = [document]
    for step in path.split("."):
        name = step.removesuffix("[]")
        members = [each[name] for each in found if isinstance(each, dict) and each.get(name) is not None]
        lists = (each for each in members if isinstance(each, list))
        found = [value for each in lists for value in each] if step.endswith("[]") else members
    return found


def pick(document: object, path: str) -> object:
    """The one value at a path. Raises Refused `bad_request`."""
    found = picked(document, path)
    if len(found) != 1:
        raise Refused("bad_request", path, "is missing" if not found else "is there more than once")
    return found[0]
