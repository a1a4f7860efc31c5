"""The hub's own certificate authority: TLS names for the broker, the hub and every door.

ECDSA on P-256, because every TLS stack speaks it. A door's certificate carries its door id as common name; the
broker's access rules give each name its own branch of topics and nothing else.
"""

from __future__ import annotations

import datetime
import ipaddress
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from controller.formats.errors import Refused
from sync.hub.keys.keyring import write_once

CA_DAYS = 20 * 365
LEAF_DAYS = 825
DOOR_DAYS = 90  # an enrolled door renews its own at two thirds of this
CRL_DAYS = 30  # a broker whose list of revoked certificates has run out lets nobody in: longer than a hub is away
CSR_CURVE = "secp256r1"
BACKDATED = datetime.timedelta(minutes=5)  # a peer whose clock is a little behind still accepts a new certificate
CRL = "crl.pem"
LOCAL_NAMES = ("localhost", "127.0.0.1")
HUB = "zs.hub"  # as the broker's access rules call it; the dot keeps a door from ever having this name
_UNUSED_RIGHTS = {
    "content_commitment": False,
    "key_encipherment": False,
    "data_encipherment": False,
    "key_agreement": False,
    "encipher_only": False,
    "decipher_only": False,
}


@dataclass(frozen=True)
class Authority:
    """A certificate and the private key that signs for it."""

    certificate: x509.Certificate
    private: ec.EllipticCurvePrivateKey

    @classmethod
    def load(cls, folder: Path) -> Authority:
        """The authority in `folder` (`ca.pem`, `ca.key`). Raises Refused `bad_key`."""
        try:
            certificate = x509.load_pem_x509_certificate((folder / "ca.pem").read_bytes())
            private = load_pem_private_key((folder / "ca.key").read_bytes(), None)
        except (OSError, ValueError):
            raise Refused("bad_key", str(folder), "holds no authority; `zaalsleutel hub init` makes one") from None
        if not isinstance(private, ec.EllipticCurvePrivateKey):
            raise Refused("bad_key", str(folder / "ca.key"), "not an EC key")
        return cls(certificate, private)

    @property
    def pem(self) -> bytes:
        """The certificate, for those who are to trust it."""
        return self.certificate.public_bytes(Encoding.PEM)

    def server(self, names: Sequence[str], now: datetime.datetime) -> tuple[bytes, bytes]:
        """(certificate, private key) in PEM for a server reached by these host names and addresses."""
        alternatives = x509.SubjectAlternativeName([_general_name(name) for name in names])
        return self._leaf(names[0], ExtendedKeyUsageOID.SERVER_AUTH, now, alternatives)

    def client(self, name: str, now: datetime.datetime, days: int = LEAF_DAYS) -> tuple[bytes, bytes]:
        """(certificate, private key) in PEM for a client known as `name`."""
        return self._leaf(name, ExtendedKeyUsageOID.CLIENT_AUTH, now, days=days)

    def door(self, name: str, csr: str, now: datetime.datetime) -> x509.Certificate:
        """A door's client certificate for the public key of a request (PEM); of the request nothing else counts.
        Raises Refused `bad_csr`."""
        try:
            request = x509.load_pem_x509_csr(csr.encode("ascii"))
            holds = request.is_signature_valid
            public = request.public_key()
        except (ValueError, UnicodeEncodeError, UnsupportedAlgorithm):
            raise Refused("bad_csr", "csr", "not a certificate request in PEM") from None
        if not holds or not isinstance(public, ec.EllipticCurvePublicKey) or public.curve.name != CSR_CURVE:
            raise Refused("bad_csr", "csr", "a request for an EC key on P-256, signed by that key, is wanted")
        return self._certificate(name, ExtendedKeyUsageOID.CLIENT_AUTH, now, public, DOOR_DAYS)

    def revocations(self, revoked: Iterable[tuple[int, datetime.datetime]], now: datetime.datetime) -> bytes:
        """The list of revoked certificates (serial number, since when) in PEM, good for `CRL_DAYS`."""
        builder = (
            x509.CertificateRevocationListBuilder()
            .issuer_name(self.certificate.subject)
            .last_update(now - BACKDATED)
            .next_update(now + datetime.timedelta(days=CRL_DAYS))
            .add_extension(x509.CRLNumber(int(now.timestamp())), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(self.private.public_key()), critical=False
            )
        )
        for serial, at in revoked:
            entry = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(at).build()
            builder = builder.add_revoked_certificate(entry)
        return builder.sign(self.private, hashes.SHA256()).public_bytes(Encoding.PEM)

    def _leaf(
        self,
        name: str,
        purpose: x509.ObjectIdentifier,
        now: datetime.datetime,
        alternatives: x509.SubjectAlternativeName | None = None,
        days: int = LEAF_DAYS,
    ) -> tuple[bytes, bytes]:
        private = ec.generate_private_key(ec.SECP256R1())
        made = self._certificate(name, purpose, now, private.public_key(), days, alternatives)
        return made.public_bytes(Encoding.PEM), _private_pem(private)

    def _certificate(
        self,
        name: str,
        purpose: x509.ObjectIdentifier,
        now: datetime.datetime,
        public: ec.EllipticCurvePublicKey,
        days: int,
        alternatives: x509.SubjectAlternativeName | None = None,
    ) -> x509.Certificate:
        builder = (
            _builder(name, self.certificate.subject, public, now, days)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(
                x509.KeyUsage(digital_signature=True, key_cert_sign=False, crl_sign=False, **_UNUSED_RIGHTS),
                critical=True,
            )
            .add_extension(x509.ExtendedKeyUsage([purpose]), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(self.private.public_key()), critical=False
            )
        )
        if alternatives is not None:
            builder = builder.add_extension(alternatives, critical=False)
        return builder.sign(self.private, hashes.SHA256())


def make_authority(now: datetime.datetime) -> Authority:
    """A new authority of its own."""
    private = ec.generate_private_key(ec.SECP256R1())
    name = "zaalsleutel"
    certificate = (
        _builder(name, _name(name), private.public_key(), now, CA_DAYS)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(
            x509.KeyUsage(digital_signature=False, key_cert_sign=True, crl_sign=True, **_UNUSED_RIGHTS), critical=True
        )
        .sign(private, hashes.SHA256())
    )
    return Authority(certificate, private)


def make_tls(folder: Path, hosts: Iterable[str], now: datetime.datetime) -> list[Path]:
    """Make what is missing of authority, broker certificate (for `hosts` and this machine), hub client certificate and
    the list of revoked ones, without which a broker lets nobody in. Returns the new files; those that exist stay."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    made: list[Path] = []
    if not (folder / "ca.key").exists():
        authority = make_authority(now)
        made += _write_pair(folder / "ca.pem", authority.pem, _private_pem(authority.private))
    authority = Authority.load(folder)
    names = tuple(dict.fromkeys((*hosts, *LOCAL_NAMES)))
    if not (folder / "broker.key").exists():
        made += _write_pair(folder / "broker.pem", *authority.server(names, now))
    if not (folder / "hub.key").exists():
        made += _write_pair(folder / "hub.pem", *authority.client(HUB, now))
    if write_once(folder / CRL, authority.revocations([], now), mode=0o644):
        made.append(folder / CRL)
    return made


def _write_pair(path: Path, certificate: bytes, private: bytes) -> list[Path]:
    secret = path.with_suffix(".key")
    write_once(path, certificate, mode=0o644)
    write_once(secret, private, mode=0o600)
    return [path, secret]


def _builder(
    name: str, issuer: x509.Name, public: ec.EllipticCurvePublicKey, now: datetime.datetime, days: int
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(_name(name))
        .issuer_name(issuer)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - BACKDATED)
        .not_valid_after(now + datetime.timedelta(days=days))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
    )


def _name(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _private_pem(private: ec.EllipticCurvePrivateKey) -> bytes:
    return private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
