"""The hub's keys for the link: what signs commands, what opens the doors' logs; and the public halves of all of them,
which are what a ceremony takes along.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from controller.formats import jwe, jwk
from controller.formats.encoding import canonical
from controller.formats.errors import Refused
from controller.formats.jwe import DecryptKey, decrypt
from controller.formats.jwk import Signer
from sync.hub.keys.cli import key_document
from sync.hub.keys.keyring import LIST, RECEIPT, write_once

COMMAND: Final = "command.jwk"
COLLECT: Final = "collect.jwk"


@dataclass(frozen=True)
class LinkKeys:
    """`receipt_key` signs receipts, `command_key` commands; `collect_key` opens what doors send, and `older` what those
    send that have not heard of it yet."""

    receipt_key: Signer
    command_key: Signer
    collect_key: DecryptKey
    older: tuple[DecryptKey, ...] = ()

    def read(self, text: str, typ: str, *, max_bytes: int) -> bytes:
        """What a door encrypted to any of the collect keys. Raises Refused as `decrypt`."""
        for key in self.older:
            try:
                return decrypt(text, typ, key, max_bytes=max_bytes)
            except Refused as refused:
                if refused.code != "wrong_recipient":
                    raise
        return decrypt(text, typ, self.collect_key, max_bytes=max_bytes)

    @classmethod
    def load(cls, folder: Path) -> LinkKeys:
        """The keys in `folder`. Raises Refused `bad_key`, naming the file."""
        receipt_key = jwk.read_private(_read(folder / RECEIPT), RECEIPT)
        command_key = jwk.read_private(_read(folder / COMMAND), COMMAND)
        return cls(receipt_key, command_key, jwe.read_private(_read(folder / COLLECT), COLLECT))


def make_link_keys(folder: Path) -> list[Path]:
    """Make what is missing, and the public files of every key that doors are to know. Returns the new files."""
    contents = {
        folder / COMMAND: canonical(jwk.make_key().jwk()),
        folder / COLLECT: jwe.file_of(jwe.make_key()),
    }
    made = [path for path, content in contents.items() if write_once(path, content, mode=0o600)]
    for name in (LIST, RECEIPT, COMMAND):
        public = jwk.read_private(_read(folder / name), name).verify_key
        made += _write_public(folder / name, public.jwk(), public.thumbprint)
    reader = jwe.read_private(_read(folder / COLLECT), COLLECT).encrypt_key
    return made + _write_public(folder / COLLECT, reader.jwk(), reader.thumbprint)


def _write_public(private: Path, public: dict[str, str], thumbprint: str) -> list[Path]:
    path = private.with_suffix(".pub.jwk")
    return [path] if write_once(path, key_document(public, thumbprint, private.stem), mode=0o644) else []


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise Refused("bad_key", str(path), error.strerror or "cannot be read") from None
