"""Who may be a door: invitations made, taken and confirmed; certificates renewed; doors shut out.

    desk = EnrolDesk(sessions, keyring, Place(tls, keys, trust, broker))
    invitation = desk.invite("hall-1", hub="hub.example", now=now)      # what the QR says
    answer = desk.enrol(body, now)                                      # a unit has read it
    desk.confirm("hall-1", "4271", now)                                 # staff saw this code at that unit

An invitation is good for an hour and for one unit. Its second use ends the first: one of the two is a stranger, and
nobody here can tell which. Until staff confirmed what they see at the unit, its keys count for nothing: no list goes
out to it and nothing that it says is believed.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from controller.formats import enrolment as formats
from controller.formats import jwe, jwk
from controller.formats.encoding import canonical
from controller.formats.enrolment import Acceptance, Broker, Invitation, RenewalRequest, Renewed, Request
from controller.formats.envelope import open_envelope, unverified
from controller.formats.errors import Refused
from sync.hub.doors.enrol_models import DoorCertificate, Enrolment, ShutDoor
from sync.hub.doors.in_service import another_unit
from sync.hub.doors.readers import DoorReader
from sync.hub.keys.ca import Authority
from sync.hub.keys.keyring import Keyring
from sync.hub.keys.link_keys import LinkKeys
from sync.hub.keys.trust_shelf import TrustShelf
from sync.hub.records.log_store import LogStore
from sync.hub.store.database import Sessions
from sync.hub.store.models import Door, DoorList, ListRequest

GOOD_S: Final = 3_600
CONFIRM_S: Final = 86_400
"""A unit that nobody confirmed within a day was nobody's."""
WRONG_CODES: Final = 3
KEPT_S: Final = 365 * 86_400
"""How long what is over can still be looked up."""
SEALED_BYTES: Final = 32 << 10


@dataclass(frozen=True)
class Place:
    """What an answer is made with: the authority's folder, the keys that open requests (asked for each time: they are
    rotated), the trust documents, and where doors find the broker."""

    tls: Path
    keys: Callable[[], LinkKeys]
    trust: TrustShelf
    broker: Broker


class EnrolDesk:
    """Times are instants in UTC. Everything refused is Refused, with a code that tells the person what to do."""

    def __init__(self, sessions: Sessions, keyring: Keyring, place: Place) -> None:
        self._sessions = sessions
        self._keyring = keyring
        self._place = place
        self._log = LogStore(sessions)

    # ---- invitations

    def invite(self, door: str, hub: str, now: datetime) -> Invitation:
        """A new invitation; one before it that nobody took is void. Raises Refused `not_found`, `no_trust`,
        `names_too_long`."""
        invitation = Invitation(
            self._place.trust.needed().hash, secrets.token_bytes(formats.SECRET_BYTES), door, hub.lower()
        )
        formats.check_names(door, hub)
        now_s = int(now.timestamp())
        with self._sessions.begin() as session:
            _door(session, door)
            void = (Enrolment.door == door) & (Enrolment.state == "offered")
            session.execute(update(Enrolment).where(void).values(state="ended", ended="replaced"))
            row = Enrolment(
                door=door, state="offered", sealed_key=b"", trust=invitation.trust,
                made_at=now_s, until=now_s + GOOD_S, wrong_codes=0,
            )  # fmt: skip
            session.add(row)
            session.flush()
            row.sealed_key = self._keyring.seal(invitation.mac_key(), _place_of(row))
        return invitation

    # ---- a unit asks

    def enrol(self, body: str, now: datetime) -> bytes:
        """The answer to a unit's request. The same request again gets the same answer: an answer may be lost.

        Raises Refused: what the formats raise, `unknown_invitation`, `bad_mac` (altered, or not by the secret of a code
        of this door), `expired`, `reused` (and the first use is void from now on), `wrong_trust`, `bad_csr`."""
        data = self._place.keys().read(body, formats.TYP, max_bytes=SEALED_BYTES)
        with self._sessions.begin() as session:
            row, request, digest = self._find(session, data)
            if row.state == "offered":
                return self._take(session, row, request, digest, now)
            if row.state != "ended" and row.request == digest and row.answer is not None:
                return row.answer
            if row.state != "ended":
                self._end(session, row, "reused", now)
            reason = row.ended or "reused"
        if reason == "reused":
            self._log.refused(request.door, "enrolment_reused", int(now.timestamp()))
        raise Refused(reason, f"door {request.door}", _ENDED.get(reason, "this code counts no longer; make a new one"))

    def _find(self, session: Session, data: bytes) -> tuple[Enrolment, Request, str]:
        """The invitation whose secret authenticates this request."""
        door = formats.claimed_door(data)
        # Locked: of two units that come at once, one is the second.
        query = select(Enrolment).where(Enrolment.door == door).order_by(Enrolment.id.desc()).with_for_update()
        rows = session.scalars(query).all()
        if not rows:
            raise Refused("unknown_invitation", f"door {door}", "nobody was invited to be this door")
        for row in rows:
            try:
                request, digest = formats.open_request(data, self._keyring.unseal(row.sealed_key, _place_of(row)))
            except Refused as refused:
                if refused.code != "bad_mac":
                    raise
                continue
            return row, request, digest
        raise Refused("bad_mac", f"door {door}", "not made with the secret of a code for this door, or altered")

    def _take(self, session: Session, row: Enrolment, request: Request, digest: str, now: datetime) -> bytes:
        if now.timestamp() > row.until:
            raise Refused("expired", f"door {row.door}", "this code was good for an hour; make a new one")
        if request.trust != row.trust:
            raise Refused("wrong_trust", f"door {row.door}", "the request goes by another trust document")
        event_key = jwk.load_public(request.event_key, "request.event_key")
        encrypt_key = jwe.load_public(request.encrypt_key, "request.encrypt_key")
        # Units that asked before and were never confirmed are nobody's from now on.
        for other in session.scalars(select(Enrolment).where(Enrolment.door == row.door, Enrolment.state == "taken")):
            self._end(session, other, "replaced", now)
        issued = self._issue(session, row.door, request.csr, row.id, now)
        answer = Acceptance(broker=self._place.broker, certificate=issued.certificate, door=row.door, request=digest)
        row.state, row.taken_at, row.request, row.code = "taken", int(now.timestamp()), digest, request.code
        row.event_key, row.encrypt_key = event_key.jwk(), encrypt_key.jwk()
        row.answer = formats.seal_answer(answer, self._keyring.unseal(row.sealed_key, _place_of(row)))
        session.execute(delete(ShutDoor).where(ShutDoor.door == row.door))
        return row.answer

    # ---- staff confirms

    def confirm(self, door: str, code: str, now: datetime) -> None:
        """Believe the unit that shows `code`: from now on it is the door, and whatever was the door before is not. Its
        list is due at once. Raises Refused `not_found`, `nothing_to_confirm`, `wrong_code` (the third time the
        enrolment is void)."""
        with self._sessions.begin() as session:
            found = _door(session, door)
            waiting = select(Enrolment).where(Enrolment.door == door, Enrolment.state == "taken").with_for_update()
            row = session.scalars(waiting.order_by(Enrolment.id.desc())).first()
            if row is None or row.code is None:
                raise Refused("nothing_to_confirm", f"door {door}", "no unit waits for this; has it read the code?")
            right = hmac.compare_digest(row.code.encode(), code.strip().encode())
            if right:
                row.state = "confirmed"
                another_unit(found, row.event_key)
                session.merge(DoorReader(door=door, key=row.encrypt_key))
                # Another unit has to be commissioned anew, and the list says so.
                session.add(ListRequest(door=door, at=int(now.timestamp())))
                session.execute(update(DoorList).where(DoorList.door == door).values(published_at=None))
                retire(session, door, now, but=row.id)
            else:
                row.wrong_codes += 1
                left = WRONG_CODES - row.wrong_codes
                if not left:
                    self._end(session, row, "wrong_code", now)
        if not right:
            then = f"{left} more and it is void" if left else "the enrolment is void; make a new QR code"
            raise Refused("wrong_code", f"door {door}", f"not the code that the enrolled unit shows; {then}")

    # ---- renewal

    def renew(self, body: bytes, now: datetime) -> bytes:
        """The next certificate of a door's agent. The same request again gets the same one.

        Raises Refused: what the envelope raises, `not_enrolled`, `bad_csr`, `shut_out`, and `clone_suspected` for a
        second renewal that starts from one certificate: two units have the same keys."""
        claimed = formats.parse_renewal(unverified(body).payload).door
        with self._sessions.begin() as session:
            door = session.get(Door, claimed, with_for_update=True)
            if door is None or door.event_key is None:
                raise Refused("not_enrolled", f"door {claimed}", "no unit is enrolled as this door")
            if session.get(ShutDoor, claimed) is not None:
                raise Refused("shut_out", f"door {claimed}", "this door was shut out; enrol it anew")
            event_key = jwk.load_public(door.event_key)
            keys = {event_key.thumbprint: event_key}
            opened = open_envelope(body, formats.RENEWAL_TYP, keys, max_bytes=formats.MAX_BYTES)
            issued = self._renewed(session, formats.parse_renewal(opened.payload), now)
        if issued is None:
            self._log.refused(claimed, "clone_suspected", int(now.timestamp()))
            raise Refused("clone_suspected", f"door {claimed}", "this certificate was renewed before, by somebody else")
        return canonical(Renewed(certificate=issued.certificate))

    def _renewed(self, session: Session, request: RenewalRequest, now: datetime) -> DoorCertificate | None:
        living = select(DoorCertificate).where(DoorCertificate.door == request.door, _LIVING)
        newest = session.scalars(living.order_by(DoorCertificate.id.desc())).first()
        if newest is not None and newest.csr == _digest(request.csr):
            return newest
        if newest is not None and request.serial not in {None, newest.serial}:
            return None
        return self._issue(session, request.door, request.csr, None if newest is None else newest.enrolment, now)

    # ---- the end of it

    def revoke(self, door: str, now: datetime) -> None:
        """No unit is this door any more: certificates revoked, keys forgotten, the name shut out. Raises Refused
        `not_found`."""
        with self._sessions.begin() as session:
            _door(session, door)
            counting = (Enrolment.door == door) & (Enrolment.state != "ended")
            session.execute(update(Enrolment).where(counting).values(state="ended", ended="revoked"))
            _shut(session, door, now)

    def tidy(self, now: datetime) -> None:
        """End what nobody confirmed; forget invitations and certificates that have long run out."""
        now_s = int(now.timestamp())
        with self._sessions.begin() as session:
            late = select(Enrolment).where(Enrolment.state == "taken", Enrolment.taken_at < now_s - CONFIRM_S)
            for row in session.scalars(late):
                self._end(session, row, "unconfirmed", now)
            over = (Enrolment.state == "ended") & (Enrolment.made_at < now_s - KEPT_S)
            session.execute(delete(Enrolment).where(over))
            session.execute(delete(DoorCertificate).where(DoorCertificate.expires_at < now_s - KEPT_S))

    def _end(self, session: Session, row: Enrolment, why: str, now: datetime) -> None:
        """An enrolment counts no longer. What it had become is undone: its certificates, and the door's name with them
        unless a unit of before is still the door."""
        confirmed = row.state == "confirmed"
        row.state, row.ended = "ended", why
        own = (DoorCertificate.enrolment == row.id) & _LIVING
        session.execute(update(DoorCertificate).where(own).values(revoked_at=int(now.timestamp())))
        door = session.get(Door, row.door)
        if confirmed or door is None or door.event_key is None:
            _shut(session, row.door, now)

    def _issue(self, session: Session, door: str, csr: str, enrolment: int | None, now: datetime) -> DoorCertificate:
        made = Authority.load(self._place.tls).door(door, csr, now)
        return note_certificate(session, door, made, enrolment=enrolment, csr=_digest(csr))


def note_certificate(
    session: Session, door: str, made: x509.Certificate, *, enrolment: int | None = None, csr: str | None = None
) -> DoorCertificate:
    """Keep a certificate that was made for a door, so that it can be revoked."""
    row = DoorCertificate(
        door=door,
        enrolment=enrolment,
        serial=f"{made.serial_number:x}",
        csr=csr,
        certificate=made.public_bytes(Encoding.PEM).decode("ascii"),
        expires_at=int(made.not_valid_after_utc.timestamp()),
    )
    session.add(row)
    session.flush()
    return row


def retire(session: Session, door: str, now: datetime, but: int | None = None) -> None:
    """Whatever was this door is not any more, except for the enrolment `but`; who was shut out may come back."""
    certificates = (DoorCertificate.door == door) & _LIVING
    enrolments = (Enrolment.door == door) & (Enrolment.state != "ended")
    if but is not None:
        certificates &= DoorCertificate.enrolment.is_distinct_from(but)
        enrolments &= Enrolment.id != but
    session.execute(update(DoorCertificate).where(certificates).values(revoked_at=int(now.timestamp())))
    session.execute(update(Enrolment).where(enrolments).values(state="ended", ended="replaced"))
    session.execute(delete(ShutDoor).where(ShutDoor.door == door))


_LIVING = DoorCertificate.revoked_at.is_(None)
_ENDED: Final = {
    "reused": "this code was used twice, so neither use counts; make a new one",
    "replaced": "a newer code was made for this door",
    "wrong_code": "a wrong code was confirmed three times; make a new QR code",
}


def _shut(session: Session, door: str, now: datetime) -> None:
    now_s = int(now.timestamp())
    living = (DoorCertificate.door == door) & _LIVING
    session.execute(update(DoorCertificate).where(living).values(revoked_at=now_s))
    found = session.get(Door, door)
    if found is not None:
        found.event_key = None
    reader = session.get(DoorReader, door)
    if reader is not None:
        session.delete(reader)
    session.merge(ShutDoor(door=door, since=now_s, shut_at=None))


def _door(session: Session, door: str) -> Door:
    found = session.get(Door, door)
    if found is None:
        raise Refused("not_found", f"door {door}", "town.toml names no such door")
    return found


def _place_of(row: Enrolment) -> str:
    return f"enrolment {row.id}"


def _digest(csr: str) -> str:
    return hashlib.sha256(csr.encode()).hexdigest()
