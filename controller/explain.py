"""`explain`: what the door would decide, and why, from a list file alone.

Judged like at the door but without counters (no tries, no uses), with the clock trusted and never read: the instant is
given. The list is judged as a start does, so one that has expired is acceptable and answers `list_expired`, and its own
posture is the door's.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from controller.codelist import check_kinds
from controller.decide import Installed, Moment, PinPresented, QrPresented, Verdict, decide, screen_pin
from controller.formats import code_list as formats
from controller.formats.code_list import PostureState
from controller.formats.envelope import key_id, open_envelope
from controller.formats.errors import Refused
from controller.formats.jwk import VerifyKey, load_public
from controller.formats.limits import LIMITS
from controller.formats.pin import derive, is_pin
from controller.formats.reasons import Reason
from controller.formats.trust import Trust
from controller.posture import Posture

# RFC 3339, section 5.6. Python's reader takes all of ISO 8601, such as week numbers, and more with each version.
INSTANT = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ]([01][0-9]|2[0-3]):[0-9]{2}:[0-9]{2}([.][0-9]+)?([Zz]|[+-][0-9]{2}:[0-9]{2})"
)
YEAR_10000_S = 253_402_300_800  # where four digits of a year end; a list's instants may lie further


@dataclass(frozen=True)
class Case:
    """One question: at `at_s` (UTC seconds), somebody presents this PIN or this QR text."""

    at_s: int
    pin: str | None
    qr: str | None


class Explainer:
    """Answers for one list, signed by one of `keys` (by thumbprint). Raises Refused when the list is not acceptable."""

    def __init__(self, envelope: bytes, keys: Mapping[str, VerifyKey]) -> None:
        opened = open_envelope(envelope, formats.TYP, keys, max_bytes=LIMITS.envelope_bytes)
        self._installed = Installed(formats.parse(opened.payload), formats.payload_hash(opened.payload))
        self._verifiers: dict[str, str] = {}

    @classmethod
    def trusting(cls, envelope: bytes, trust: Trust) -> Explainer:
        """For a list judged as a start judges the installed one: a key the trust document names for this door, and its
        key epoch. Raises Refused."""
        named = (load_public(each.jwk) for each in trust.keys if each.purpose == "list")
        judged = cls(envelope, {key.thumbprint: key for key in named})
        code_list = judged._installed.list
        cls(envelope, trust.keys_for("list", code_list.door, installed=True))
        if code_list.epoch != trust.epoch:
            raise Refused("wrong_epoch", "list.epoch", "made under another key epoch")
        check_kinds(code_list, trust.named(key_id(envelope)))
        return judged

    def explain(self, case: Case) -> dict[str, Any]:
        """`{"verdict", "reason", "grant", "opens_at"?}`."""
        verdict = self._decide(case)
        return answer(verdict.reason, verdict.grant, verdict.opens_at)

    def _decide(self, case: Case) -> Verdict:
        code_list = self._installed.list
        # The newest instant that certainly has passed, for somebody with nothing but this list, is its own date.
        moment = Moment(case.at_s, trusted=True, floor_s=code_list.issued)
        posture = self._posture(case.at_s)
        if case.qr is not None:
            return decide(self._installed, QrPresented(case.qr), moment, posture)
        pin = case.pin or ""
        # Any other text is no PIN of this door, of whatever length: -1 is nobody's PIN length.
        length = len(pin) if is_pin(pin, len(pin)) else -1
        reason = screen_pin(self._installed, length, tries=1)
        if reason is not None:
            return Verdict(reason, via="pin")
        return decide(self._installed, PinPresented(self._verifier(pin)), moment, posture)

    def _posture(self, at_s: int) -> PostureState:
        given = self._installed.list.posture
        return Posture(given.state, given.since, given.until).at(at_s, trusted=True).state if given else "controlled"

    def _verifier(self, pin: str) -> str:
        """Derived once for each distinct PIN."""
        if pin not in self._verifiers:
            self._verifiers[pin] = derive(pin, self._installed.list.pin_kdf)
        return self._verifiers[pin]


def answer(reason: Reason, grant: str | None, opens_at_s: int | None) -> dict[str, Any]:
    """`{"verdict", "reason", "grant", "opens_at"?}`."""
    told: dict[str, Any] = {
        "verdict": "granted" if reason is Reason.GRANTED else "refused",
        "reason": reason.value,
        "grant": grant,
    }
    if opens_at_s is not None and opens_at_s < YEAR_10000_S:
        told["opens_at"] = utc_text(opens_at_s)
    return told


def utc_text(seconds: int) -> str:
    """`2026-07-17T11:45:00Z`."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def utc_seconds(text: Any, where: str) -> int:
    """The whole UTC second of an RFC 3339 instant with offset. Raises Refused."""
    if not isinstance(text, str):
        raise Refused("bad_instant", where, "an RFC 3339 instant as a string is wanted")
    if not INSTANT.fullmatch(text):
        raise Refused("bad_instant", where, "not an RFC 3339 instant with an offset, e.g. 2026-07-17T11:45:00Z")
    try:
        instant = datetime.fromisoformat(text.upper())
    except ValueError:
        raise Refused("bad_instant", where, "there is no such day or time") from None
    return int(instant.timestamp() // 1)


def parse_case(line: Any, where: str) -> Case:
    """`{"at", "pin" | "qr"}` as a case. Raises Refused."""
    if not isinstance(line, dict) or not {"at"} < set(line) <= {"at", "pin", "qr"} or len(line) != 2:
        raise Refused("bad_case", where, 'exactly "at" and either "pin" or "qr"')
    pin, qr = line.get("pin"), line.get("qr")
    if not isinstance(pin if qr is None else qr, str):
        raise Refused("bad_case", where, "pin and qr are strings")
    return Case(utc_seconds(line["at"], f"{where}.at"), pin, qr)
