"""What the hub keeps of enrolments: invitations and what came of them, certificates, doors that are shut out."""

from __future__ import annotations

from typing import Any, Literal

from sqlalchemy import JSON, LargeBinary, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from sync.hub.store.database import Base
from sync.hub.store.models import Instant

EnrolmentState = Literal["offered", "taken", "confirmed", "ended"]


class Enrolment(Base):
    """One QR code and the unit that used it. Of the secret only a hash is kept, sealed: it authenticates request and
    answer. `trust` is the hash of the document the QR names; `request` that of the request which took it, whose
    repetition gets the same `answer`; `code` is what the unit shows; `ended` why it no longer counts."""

    __tablename__ = "enrolments"
    id: Mapped[int] = mapped_column(primary_key=True)
    door: Mapped[str] = mapped_column(index=True)
    state: Mapped[EnrolmentState] = mapped_column(String(20))
    sealed_key: Mapped[bytes] = mapped_column(LargeBinary)
    trust: Mapped[str]
    made_at: Mapped[int] = mapped_column(Instant)
    until: Mapped[int] = mapped_column(Instant)
    taken_at: Mapped[int | None] = mapped_column(Instant)
    request: Mapped[str | None]
    answer: Mapped[bytes | None] = mapped_column(LargeBinary)
    code: Mapped[str | None]
    wrong_codes: Mapped[int] = mapped_column(default=0)
    event_key: Mapped[dict[str, Any] | None] = mapped_column(JSON)
    encrypt_key: Mapped[dict[str, Any] | None] = mapped_column(JSON)
    ended: Mapped[str | None]


class DoorCertificate(Base):
    """One TLS certificate of a door's agent. `serial` in hex; `csr` is the SHA-256 of the request it answers, so that
    a repeated request gets the same certificate; `enrolment` is null for one that was carried by hand."""

    __tablename__ = "door_certificates"
    id: Mapped[int] = mapped_column(primary_key=True)
    door: Mapped[str] = mapped_column(index=True)
    enrolment: Mapped[int | None]
    serial: Mapped[str] = mapped_column(unique=True)
    csr: Mapped[str | None]
    certificate: Mapped[str] = mapped_column(Text)
    expires_at: Mapped[int] = mapped_column(Instant)
    revoked_at: Mapped[int | None] = mapped_column(Instant)


class ShutDoor(Base):
    """A door whose name the broker shall refuse, until it is enrolled anew. `shut_at` is when the broker itself was
    seen to refuse it."""

    __tablename__ = "shut_doors"
    door: Mapped[str] = mapped_column(primary_key=True)
    since: Mapped[int] = mapped_column(Instant)
    shut_at: Mapped[int | None] = mapped_column(Instant)
