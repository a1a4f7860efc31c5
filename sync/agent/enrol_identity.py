"""The agent's only files: who it is towards the broker.

`agent.pem` holds a private key and its certificate together, so that a power cut cannot leave one without the other;
`agent.pem.next` holds the key and the request of the certificate that is on its way. Files carried by hand may keep the
key apart (`private_key`).
"""

from __future__ import annotations

import os
import ssl
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import NameOID

from controller.formats.errors import Refused
from sync.agent.broker import tls_context

RENEWED_AFTER = 2 / 3  # of a certificate's life
KEY_MARK = "PRIVATE KEY-----"


@dataclass(frozen=True)
class Life:
    """Of the certificate there is: serial number (hex), and when (UTC seconds) the next one is wanted and it ends."""

    serial: str
    renew_at: float
    ends_at: float


class Identity:
    """The files of one agent."""

    def __init__(self, certificate: Path, private_key: Path | None) -> None:
        self._certificate = certificate
        self._private_key = private_key
        self._next = certificate.with_name(certificate.name + ".next")

    def context(self, authorities: str) -> ssl.SSLContext:
        """TLS towards the broker, which `authorities` (PEM) must vouch for. Raises OSError (of which ssl.SSLError is
        one) or ValueError when there is no usable certificate."""
        together = KEY_MARK in self._certificate.read_text("ascii")
        return tls_context(self._certificate, None if together else self._private_key, authorities)

    def life(self) -> Life | None:
        """How long the certificate lives; None without a readable one."""
        try:
            found = x509.load_pem_x509_certificate(self._certificate.read_bytes())
        except (OSError, ValueError):
            return None
        begins = found.not_valid_before_utc.timestamp()
        ends = found.not_valid_after_utc.timestamp()
        return Life(f"{found.serial_number:x}", begins + RENEWED_AFTER * (ends - begins), ends)

    def request(self, door: str) -> str:
        """The certificate request (PEM) that is on its way; a new key and request when there is none. The same one
        until its certificate is here: whoever asks twice for one thing must not look like two. Raises OSError."""
        try:
            found = self._next.read_text("ascii")
            key, mark, request = found.partition("-----BEGIN CERTIFICATE REQUEST-----")
            load_pem_private_key(key.encode("ascii"), None)
            return mark + request
        except (OSError, ValueError):
            return self._new_request(door)

    def take(self, certificate: str) -> bool:
        """Use this certificate (PEM) from now on, if it is for the key that waits for one; whether it was. Raises
        OSError, or Refused `bad_certificate`."""
        try:
            public = x509.load_pem_x509_certificate(certificate.encode("ascii")).public_key()
        except ValueError:
            raise Refused("bad_certificate", "certificate", "not a certificate in PEM") from None
        try:
            key = load_pem_private_key(self._next.read_bytes().partition(b"-----BEGIN CERTIFICATE REQ")[0], None)
        except (OSError, ValueError):
            return False
        own, theirs = (
            each.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo) for each in (key.public_key(), public)
        )
        if own != theirs:
            return False
        pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode("ascii")
        _replace(self._certificate, pem + certificate)
        self._next.unlink()
        return True

    def _new_request(self, door: str) -> str:
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, door)])
        request = x509.CertificateSigningRequestBuilder().subject_name(name).sign(key, hashes.SHA256())
        text = request.public_bytes(Encoding.PEM).decode("ascii")
        pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode("ascii")
        _replace(self._next, pem + text)
        return text


def _replace(path: Path, text: str) -> None:
    beside = path.with_name(path.name + ".new")
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)
