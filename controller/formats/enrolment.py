"""How a new unit and its hub come to know each other: the QR that invites, the request, the answer, the renewal.

The QR, at most 90 characters of the alphanumeric set (version 4-M):

    ZSE1:<42 Base32 characters>/<DOOR>/<HUB>      Base32 of trust hash (16 bytes) and secret (10 bytes), unpadded

    unit  request   {"code", "csr", "door", "encrypt_key", "event_key", "nonce", "trust"}
    hub   answer    {"broker", "certificate", "door", "request"}

Both travel as `{"mac", "payload"}`, base64url: `mac` is HMAC-SHA256 under SHA-256("zs-enrol-key-1\\0" || secret) of a
label and the payload, so whoever carries them can swap nothing. The request is also encrypted to the hub's `collect`
key (JWE, `zs-enrol-1`), which the unit takes from the trust document that the QR names: so not even somebody who
photographed the QR learns the code that staff will see at the unit, and cannot put it into a request of their own.

    unit  renewal   {"csr", "door", "serial"}     signed with the unit's event key, `zs-renew-1`
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
from dataclasses import dataclass, field
from typing import Annotated, Final, TypeVar

import msgspec
from msgspec import Meta

from controller.formats.code_list import DoorId
from controller.formats.encoding import b64, canonical, decode, unb64, whole
from controller.formats.errors import Refused
from controller.formats.trust_step import HASH_BYTES

T = TypeVar("T")

PREFIX: Final = "ZSE1:"
TEXT_CHARS: Final = 90  # a QR code of version 4-M, and no more
NAMES_CHARS: Final = 41  # what is left for door id and hub together
SECRET_BYTES: Final = 10
HUB_PORT: Final = 443
TYP: Final = "zs-enrol-1"
RENEWAL_TYP: Final = "zs-renew-1"
CSR_CHARS: Final = 2_000
CERTIFICATE_CHARS: Final = 4_000
MAX_BYTES: Final = 16 << 10
CODE_DIGITS: Final = 4
CODE_FROM: Final = "123456789"  # no nought: nobody can count to it when a light blinks it

_TEXT: Final = re.compile(r"ZSE1:([A-Z2-7]{42})/([A-Z0-9-]{1,40})/([A-Z0-9.-]{1,39}(?::[1-9][0-9]{0,4})?)")
HubPlace = Annotated[str, Meta(pattern=whole(r"[a-z0-9.-]{1,253}(:[1-9][0-9]{0,4})?"))]
Hex16 = Annotated[str, Meta(pattern=whole(r"[0-9a-f]{32}"))]
Hex32 = Annotated[str, Meta(pattern=whole(r"[0-9a-f]{64}"))]
Serial = Annotated[str, Meta(pattern=whole(r"[0-9a-f]{1,40}"))]
Csr = Annotated[str, Meta(min_length=1, max_length=CSR_CHARS)]
Certificate = Annotated[str, Meta(min_length=1, max_length=CERTIFICATE_CHARS)]


@dataclass(frozen=True)
class Invitation:
    """What an enrolment QR says. `trust` is the hash (hex) of the trust document to begin with, `hub` is `name` or
    `name:port`. Whoever has `secret` may enrol as `door`, once, within the hour."""

    trust: str
    secret: bytes = field(repr=False)
    door: str
    hub: str

    def text(self) -> str:
        """What the QR code shows. Raises Refused `names_too_long`."""
        check_names(self.door, self.hub)
        coded = base64.b32encode(bytes.fromhex(self.trust) + self.secret).decode("ascii").rstrip("=")
        return f"{PREFIX}{coded}/{self.door.upper()}/{self.hub.upper()}"

    def mac_key(self) -> bytes:
        """What request and answer are authenticated with; also all that the hub keeps of the secret."""
        return hashlib.sha256(b"zs-enrol-key-1\0" + self.secret).digest()


class Broker(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Where the door's agent finds the broker."""

    host: Annotated[str, Meta(min_length=1, max_length=253)]
    port: Annotated[int, Meta(ge=1, le=65_535)]


class Request(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A unit asks to be `door`. `code` is what it will show to staff; `csr` (PEM) comes from its agent; the keys are
    the public halves of its own; `trust` names the document that it verified by the QR."""

    code: Annotated[str, Meta(pattern=whole(r"[1-9]{4}"))]
    csr: Csr
    door: DoorId
    encrypt_key: dict[str, str]
    event_key: dict[str, str]
    nonce: Hex16
    trust: Hex16


class Acceptance(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The hub takes the unit: its agent's TLS certificate (PEM) and the broker's place. `request` is the SHA-256 of the
    request's payload, hex."""

    broker: Broker
    certificate: Certificate
    door: DoorId
    request: Hex32


class RenewalRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The agent wants its next certificate; `serial` (hex) is the one it has, null when it has lost it."""

    csr: Csr
    door: DoorId
    serial: Serial | None


class Renewed(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The hub's answer to a renewal."""

    certificate: Certificate


class _Authenticated(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    mac: str
    payload: str


def check_names(door: str, hub: str) -> None:
    """Raises Refused `names_too_long` when door id and hub do not fit into the QR code."""
    if len(door) + len(hub) > NAMES_CHARS:
        text = f"{len(door) + len(hub)} characters with the hub's {hub!r}; an enrolment QR has room for {NAMES_CHARS}"
        raise Refused("names_too_long", f"door {door}", text)


def parse_invitation(text: str) -> Invitation:
    """The invitation in a QR text that begins with `ZSE1:`. Raises Refused `malformed`."""
    found = _TEXT.fullmatch(text) if len(text) <= TEXT_CHARS else None
    if found is None:
        raise Refused("malformed", "qr", "not an enrolment code")
    coded, door, hub = found.groups()
    try:
        data = base64.b32decode(coded + "=" * (-len(coded) % 8))
    except binascii.Error:
        raise Refused("malformed", "qr", "not an enrolment code") from None
    invitation = Invitation(data[:HASH_BYTES].hex(), data[HASH_BYTES:], door.lower(), hub.lower())
    if len(door) + len(hub) > NAMES_CHARS or invitation.text() != text:
        raise Refused("malformed", "qr", "not the one spelling of an enrolment code")
    return invitation


def host_and_port(hub: str) -> tuple[str, int]:
    """Where to connect for a `HubPlace`."""
    host, _, port = hub.partition(":")
    return host, int(port or HUB_PORT)


def seal_request(request: Request, key: bytes) -> bytes:
    """The authenticated request, still to be encrypted."""
    return _authenticate(canonical(request), b"zs-enrol-request-1\0", key)


def claimed_door(data: bytes) -> str:
    """The door a request names, for looking up its key. Proves nothing. Raises Refused."""
    return decode(unb64(_read(data).payload, "enrolment.payload"), Request, "enrolment").door


def open_request(data: bytes, key: bytes) -> tuple[Request, str]:
    """An authenticated request and the SHA-256 (hex) of its payload. Raises Refused, `bad_mac` when anything in it is
    not as the unit wrote it."""
    payload = _open(data, b"zs-enrol-request-1\0", key)
    return decode(payload, Request, "enrolment"), hashlib.sha256(payload).hexdigest()


def seal_answer(answer: Acceptance, key: bytes) -> bytes:
    """The authenticated answer."""
    return _authenticate(canonical(answer), b"zs-enrol-answer-1\0", key)


def open_answer(data: bytes, key: bytes) -> Acceptance:
    """An authenticated answer. Raises Refused, `bad_mac` when anything in it is not as the hub wrote it."""
    return decode(_open(data, b"zs-enrol-answer-1\0", key), Acceptance, "enrolment")


def request_hash(sealed: bytes) -> str:
    """How the answer names the request that was sealed as this."""
    return hashlib.sha256(unb64(_read(sealed).payload, "enrolment.payload")).hexdigest()


def parse_renewal(payload: bytes) -> RenewalRequest:
    """What a verified `zs-renew-1` envelope held. Raises Refused."""
    return decode(payload, RenewalRequest, "renewal")


def _authenticate(payload: bytes, label: bytes, key: bytes) -> bytes:
    mac = hmac.digest(key, label + payload, "sha256")
    return canonical(_Authenticated(mac=b64(mac), payload=b64(payload)))


def _open(data: bytes, label: bytes, key: bytes) -> bytes:
    """The payload, once its MAC held."""
    read = _read(data)
    payload = unb64(read.payload, "enrolment.payload")
    mac = unb64(read.mac, "enrolment.mac")
    if not hmac.compare_digest(mac, hmac.digest(key, label + payload, "sha256")):
        raise Refused("bad_mac", "enrolment.mac", "not made with the secret of the QR code, or altered on the way")
    return payload


def _read(data: bytes) -> _Authenticated:
    if len(data) > MAX_BYTES:
        raise Refused("too_large", "enrolment", f"over {MAX_BYTES} bytes")
    return decode(data, _Authenticated, "enrolment")
