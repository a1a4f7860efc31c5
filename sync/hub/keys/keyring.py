"""The hub's keys: what signs lists and receipts, and what seals secrets at rest.

Files of mode 0600 in one folder. Everybody else sees only the `Signer` port, so a PKCS#11 token or a signer of its own
can take their place.

    keyring = Keyring.load(folder)
    envelope = seal(payload, "zs-list-1", keyring.list_key)
    stored = keyring.seal(b"482913", "c-1")
"""

from __future__ import annotations

import hmac
import os
import secrets
from dataclasses import dataclass
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from controller.formats.encoding import b64, canonical, parse_object, unb64
from controller.formats.errors import Refused
from controller.formats.jwk import Signer, load_private, make_key

LIST, RECEIPT, STORE = "list.jwk", "receipt.jwk", "store.key"
NONCE_BYTES = 12
STORE_KEY_BYTES = 32
MARK_BYTES = 16


@dataclass(frozen=True)
class Keyring:
    """The keys of one hub. `store_key` is 32 bytes for AES-256-GCM."""

    list_key: Signer
    receipt_key: Signer
    store_key: bytes

    def __repr__(self) -> str:
        return f"Keyring(list {self.list_key.verify_key.thumbprint})"

    @classmethod
    def load(cls, folder: Path) -> Keyring:
        """The keys in `folder`. Raises Refused `bad_key`, naming the file."""
        store_key = unb64(_read(folder / STORE).decode("ascii", "replace").strip(), STORE)
        if len(store_key) != STORE_KEY_BYTES:
            raise Refused("bad_key", STORE, f"{STORE_KEY_BYTES} bytes in base64url are wanted")
        return cls(_signer(folder / LIST), _signer(folder / RECEIPT), store_key)

    def seal(self, secret: bytes, place: str) -> bytes:
        """`secret` encrypted for the database. It opens only at the same `place` (a row's name), so that nobody who
        may write to the database can swap two rows."""
        nonce = secrets.token_bytes(NONCE_BYTES)
        return nonce + AESGCM(self.store_key).encrypt(nonce, secret, place.encode())

    def mark(self, text: str) -> str:
        """A name for `text` that says nothing without the store key: equal texts have equal marks."""
        return hmac.digest(self.store_key, b"zs-mark\0" + text.encode(), "sha256")[:MARK_BYTES].hex()

    def unseal(self, sealed: bytes, place: str) -> bytes:
        """The secret again. Raises Refused `bad_seal` when the row was altered or the store key is another one."""
        try:
            return AESGCM(self.store_key).decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], place.encode())
        except (InvalidTag, ValueError):
            raise Refused("bad_seal", place, "does not open with this store key") from None


def make_keys(folder: Path) -> list[Path]:
    """Make the key files that are missing; those that exist stay. Returns the new ones."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    contents = {
        folder / LIST: canonical(make_key().jwk()),
        folder / RECEIPT: canonical(make_key().jwk()),
        folder / STORE: b64(secrets.token_bytes(STORE_KEY_BYTES)).encode(),
    }
    return [path for path, content in contents.items() if write_once(path, content, mode=0o600)]


def write_once(path: Path, content: bytes, *, mode: int) -> bool:
    """Write a new file with `mode`; False when there is one already."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    except FileExistsError:
        return False
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
    return True


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise Refused("bad_key", str(path), error.strerror or "cannot be read") from None


def _signer(path: Path) -> Signer:
    return load_private(parse_object(_read(path), path.name), path.name)
