"""The demo's ceremony: the commands that three holders of offline keys would give, each on a machine of their own.

Everything it makes stays in one folder, to be looked at: root keys under their passphrases, drafts, signatures, the
signed documents.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final

from simulator.demo_files import Folders

HOLDERS: Final = (1, 2, 3)
SIGNING: Final = (1, 2)
ONLINE: Final = ("list", "receipt", "command", "collect")
WORDS: Final = "the demo keeps no secret of its own\n"


class Ceremony:
    """`run` gives a command of ours and returns what it printed."""

    def __init__(self, folders: Folders, run: Callable[..., str]) -> None:
        self._folder = folders.ceremony
        self._hub = folders.hub
        self._run = run

    def make_roots(self) -> None:
        """Each holder makes a key."""
        (self._folder / "passphrase").write_text(WORDS, "utf-8")
        for holder in HOLDERS:
            files = ("--out", str(self._root(holder)), "--public", str(self._root(holder, ".pub.jwk")))
            self._run("keys", "root", "make", *files, *self._passphrase())

    def first(self) -> None:
        """Version 1: whom the doors believe from the start."""
        roots = [argument for holder in HOLDERS for argument in ("--root", str(self._root(holder, ".pub.jwk")))]
        keys = [argument for name in ONLINE for argument in ("--key", str(self._hub / "keys" / f"{name}.pub.jwk"))]
        authority = ("--authority", str(self._hub / "tls" / "ca.pem"))
        self._run("keys", "trust", "new", *roots, *keys, *authority, "--out", str(self._folder / "draft-1"))
        self._sign(1)

    def next(self, version: int, *change: str) -> str:
        """Version 2 and on: `change` is `rotate`, `revoke`, … and its options. Returns what that command said."""
        verb, *options = change
        before = str(self._folder / f"trust-{version - 1}.json")
        said = self._run("keys", "trust", verb, before, *options, "--out", str(self._folder / f"draft-{version}"))
        self._sign(version)
        return said

    def _sign(self, version: int) -> None:
        parts = []
        for holder in SIGNING:
            part = str(self._folder / f"part-{version}-{holder}")
            files = ("--root", str(self._root(holder)), "--out", part)
            self._run("keys", "trust", "sign", str(self._folder / f"draft-{version}"), *files, *self._passphrase())
            parts.append(part)
        signed = self._folder / f"trust-{version}.json"
        before = () if version == 1 else ("--previous", str(self._folder / f"trust-{version - 1}.json"))
        self._run("keys", "trust", "combine", *parts, *before, "--out", str(signed))
        self._run("hub", "trust", str(signed), "--hub", str(self._hub))

    def _root(self, holder: int, suffix: str = ".jwe") -> Path:
        return self._folder / f"root-{holder}{suffix}"

    def _passphrase(self) -> tuple[str, str]:
        return ("--passphrase-file", str(self._folder / "passphrase"))
