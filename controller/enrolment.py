"""How this unit becomes a door: from the QR code that staff show to what has to be kept. Decides only.

    CLOSED --housing button held 3 s, or no trust document--> OPEN --QR read--> FETCHING --trust document--> ASKING
    ASKING --answer--> ENROLLED (the code is shown until the first list) ; a refusal or two minutes: back to OPEN

Nothing of what the agent carries is believed: the trust document by the hash in the QR, the answer by the secret in it.
Until all of it held, nothing is kept; then everything is kept at once (`enrol_files`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar, Final

import msgspec

from controller.formats import enrolment as formats
from controller.formats import jwe
from controller.formats.discreet import Discreet
from controller.formats.encoding import canonical
from controller.formats.enrolment import Invitation, RenewalRequest, Request
from controller.formats.enrolment_messages import (
    AskRenewal,
    Enrolling,
    FetchTrust,
    FoundTrust,
    SendEnrolment,
    SendRenewal,
)
from controller.formats.envelope import seal
from controller.formats.errors import Refused
from controller.formats.jwe import DecryptKey, encrypt
from controller.formats.jwk import Signer, SigningKey, make_key
from controller.formats.link_place import LinkPlace
from controller.formats.trust_step import Step, open_first

HELD_MS: Final = 3_000  # nobody leans on a button inside a housing for that long by mistake
OPEN_MS: Final = 10 * 60_000
ATTEMPT_MS: Final = 120_000
UNSEEN_MS: Final = 3_000  # one QR is one presentation until it was unseen for so long
REFUSED_MS: Final = 30_000
CODE_MS: Final = 24 * 3_600_000  # as long as the hub waits for staff
RENEW_EVERY_MS: Final = 60_000

Entropy = Callable[[int], bytes]


class Enrolled(msgspec.Struct, frozen=True):
    """What a unit that was accepted has to keep, all of it or nothing: the trust document, its own new keys, and where
    hub and broker are."""

    step: Step
    event_key: SigningKey
    decrypt_key: DecryptKey
    link: LinkPlace


class _Asked(msgspec.Struct, frozen=True):
    """A request that was sent. It is sent again as it is: another one would be a second use of the code."""

    step: Step
    event_key: SigningKey
    decrypt_key: DecryptKey
    code: str
    request: str  # the hash that the answer names
    body: str


class _Attempt(Discreet, frozen=True):
    """One invitation that is being followed since `since_ms`."""

    hidden: ClassVar = "text"
    text: str
    invitation: Invitation
    since_ms: int
    asked: _Asked | None = None
    running: bool = True


class Enrolment:
    """`enrolled` says whether there is a trust document. Times are monotonic milliseconds."""

    def __init__(self, door: str, enrolled: bool, entropy: Entropy) -> None:
        self._door = door
        self._enrolled = enrolled
        self._entropy = entropy
        self._pressed_ms: int | None = None
        self._open_until_ms: int | None = None
        self._attempt: _Attempt | None = None
        self._seen: tuple[str, int] = ("", -UNSEEN_MS)
        self._refused: tuple[str, int] = ("", 0)  # why, and until when that is told
        self._code: tuple[str, int] | None = None
        self._renewed_ms: int | None = None

    # ---- who may begin

    def button(self, pressed: bool, now_ms: int) -> None:
        """The button inside the housing went down or up."""
        self._pressed_ms = now_ms if pressed else None

    def opens(self, now_ms: int) -> bool:
        """Whether the button has been held long enough just now; then codes are read for ten minutes."""
        if self._pressed_ms is None or now_ms - self._pressed_ms < HELD_MS:
            return False
        self._pressed_ms = None
        self._open_until_ms = now_ms + OPEN_MS
        return True

    def is_open(self, now_ms: int) -> bool:
        """Whether an enrolment code means anything to this unit now."""
        return not self._enrolled or (self._open_until_ms is not None and now_ms < self._open_until_ms)

    def deadline_ms(self) -> int | None:
        """When `opens` has something to say, if nothing else happens."""
        return None if self._pressed_ms is None else self._pressed_ms + HELD_MS

    # ---- the way through

    def read(self, text: str, now_ms: int) -> FetchTrust | None:
        """A text that begins like an enrolment code; to be called only while open. What the agent is to fetch, None
        while this very presentation is being followed. Raises Refused `malformed`, `wrong_door`."""
        before, seen_ms = self._seen
        self._seen = (text, now_ms)
        if text == before and now_ms - seen_ms < UNSEEN_MS:
            return None
        attempt = self._attempt
        if attempt is not None and attempt.text == text:
            if attempt.running and now_ms - attempt.since_ms < ATTEMPT_MS:
                return None
            self._attempt = msgspec.structs.replace(attempt, since_ms=now_ms, running=True)
            return FetchTrust(hub=attempt.invitation.hub, trust=attempt.invitation.trust)
        invitation = formats.parse_invitation(text)
        if invitation.door != self._door:
            raise Refused("wrong_door", "qr", "this code is for another door")
        self._attempt = _Attempt(text, invitation, now_ms)
        self._refused = ("", 0)
        return FetchTrust(hub=invitation.hub, trust=invitation.trust)

    def found(self, message: FoundTrust, now_ms: int) -> SendEnrolment:
        """The agent brings the trust document and its certificate request: what it is to send to the hub.

        Raises Refused: `unasked`, `wrong_trust` for another document than the QR names, `no_collector`, and what
        `open_first` raises."""
        attempt = self._running(now_ms)
        if attempt.asked is not None:
            return SendEnrolment(body=attempt.asked.body)
        step = open_first(message.document.encode("utf-8"))
        if step.hash != attempt.invitation.trust:
            raise Refused("wrong_trust", "trust", "not the trust document that the code names")
        collector = step.trust.collect_key(self._door)
        if collector is None:
            raise Refused("no_collector", "trust", "names nobody to whom a request could be encrypted")
        event_key, decrypt_key, code = make_key(), jwe.make_key(), self._draw_code()
        request = Request(
            code=code,
            csr=message.csr,
            door=self._door,
            encrypt_key=decrypt_key.encrypt_key.jwk(),
            event_key=event_key.verify_key.jwk(),
            nonce=self._entropy(16).hex(),
            trust=step.hash,
        )
        sealed = formats.seal_request(request, attempt.invitation.mac_key())
        body = encrypt(sealed, formats.TYP, collector)
        asked = _Asked(step, event_key, decrypt_key, code, formats.request_hash(sealed), body)
        self._attempt = msgspec.structs.replace(attempt, asked=asked)
        return SendEnrolment(body=body)

    def answered(self, body: str, now_ms: int) -> Enrolled:
        """The agent brings the hub's answer. Raises Refused: `unasked`, `bad_mac` and what else the format raises,
        `wrong_request` for the answer to another request, `wrong_door`."""
        attempt = self._running(now_ms)
        if attempt.asked is None:
            raise Refused("unasked", "enrolment", "nothing was asked")
        answer = formats.open_answer(body.encode("utf-8"), attempt.invitation.mac_key())
        if answer.request != attempt.asked.request:
            raise Refused("wrong_request", "enrolment.request", "answers another request")
        if answer.door != self._door:
            raise Refused("wrong_door", "enrolment.door", "the hub answers another door")
        asked = attempt.asked
        link = LinkPlace(hub=attempt.invitation.hub, broker=answer.broker, certificate=answer.certificate)
        return Enrolled(asked.step, asked.event_key, asked.decrypt_key, link)

    def failed(self, reason: str, now_ms: int) -> None:
        """This attempt is over; whoever stands there is told why. The request is kept for another try."""
        self._refused = (reason, now_ms + REFUSED_MS)
        if self._attempt is not None:
            self._attempt = msgspec.structs.replace(self._attempt, running=False)

    def done(self, now_ms: int) -> None:
        """Everything is on disk: the code is shown, and no other QR is read."""
        assert self._attempt is not None and self._attempt.asked is not None
        self._code = (self._attempt.asked.code, now_ms + CODE_MS)
        self._attempt, self._enrolled, self._open_until_ms = None, True, None
        self._refused = ("", 0)

    def confirmed(self) -> bool:
        """A list is in force. Whether that tells that staff have just confirmed what they saw."""
        waited, self._code = self._code is not None, None
        return waited

    # ---- what is told

    def code(self, now_ms: int) -> str | None:
        """The digits that staff are to read off this unit."""
        return self._code[0] if self._code is not None and now_ms < self._code[1] else None

    def shown(self, now_ms: int) -> Enrolling | None:
        """For the screen; None while enrolment is nobody's business here."""
        code = self.code(now_ms)
        if code is not None:
            return Enrolling(state="code", code=code)
        if not self.is_open(now_ms):
            return None
        reason, until_ms = self._refused
        if now_ms < until_ms:
            return Enrolling(state="refused", reason=reason)
        attempt = self._attempt
        busy = attempt is not None and attempt.running and now_ms - attempt.since_ms < ATTEMPT_MS
        return Enrolling(state="busy" if busy else "open")

    # ---- later

    def renewal(self, message: AskRenewal, signer: Signer, now_ms: int) -> SendRenewal:
        """The agent's certificate request, signed: the hub renews for whoever has the door's event key. Raises Refused
        `not_enrolled`, `too_often`."""
        if not self._enrolled:
            raise Refused("not_enrolled", "renewal", "this unit is no door yet")
        if self._renewed_ms is not None and now_ms - self._renewed_ms < RENEW_EVERY_MS:
            raise Refused("too_often", "renewal", "one request a minute")
        self._renewed_ms = now_ms
        request = RenewalRequest(csr=message.csr, door=self._door, serial=message.serial)
        return SendRenewal(body=seal(canonical(request), formats.RENEWAL_TYP, signer).decode("ascii"))

    def _running(self, now_ms: int) -> _Attempt:
        attempt = self._attempt
        if attempt is None or not attempt.running or now_ms - attempt.since_ms >= ATTEMPT_MS:
            raise Refused("unasked", "enrolment", "no enrolment is under way")
        return attempt

    def _draw_code(self) -> str:
        digits = formats.CODE_FROM
        code = ""
        while len(code) < formats.CODE_DIGITS:
            (drawn,) = self._entropy(1)
            if drawn < 252:  # 28 times nine: every digit as likely as every other
                code += digits[drawn % len(digits)]
        return code
