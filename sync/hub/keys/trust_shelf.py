"""Every version of the town's trust document, as the offline keys signed them: `1.json`, `2.json`, … in one folder.

The hub cannot make one. It keeps what a ceremony brought, judged by the rules of a door, and hands doors the versions
they have not got.
"""

from __future__ import annotations

from pathlib import Path

from controller.formats import trust_step
from controller.formats.errors import Refused
from controller.formats.trust_step import Step
from sync.hub.keys.keyring import write_once

TRUST = "trust"
"""The folder of the documents, beside the hub's keys."""


class TrustShelf:
    """The versions in `folder`. Reads it anew at each call: a ceremony may have brought another."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def newest(self) -> Step | None:
        """The newest version, every one before it judged; None before the first. Raises Refused when a file does not
        follow from the one before."""
        step: Step | None = None
        for document in self._documents(1):
            step = _next(step, document)
        return step

    def needed(self) -> Step:
        """The newest version. Raises Refused `no_trust` before the first."""
        step = self.newest()
        if step is None:
            raise Refused("no_trust", str(self._folder), "no trust document yet; see `zaalsleutel keys trust --help`")
        return step

    def named(self, trust_hash: str) -> bytes:
        """The version that an enrolment QR names by its hash. Raises Refused `not_found`."""
        for document in reversed(self._documents(1)):
            if trust_step.trust_hash(trust_step.payload_of(document)) == trust_hash:
                return document
        raise Refused("not_found", "trust", "no trust document of this name here")

    def count(self) -> int:
        """How many versions are here; cheap, nothing is judged."""
        found = 0
        while self._path(found + 1).exists():
            found += 1
        return found

    def add(self, document: bytes) -> Step:
        """Keep the next version. Raises Refused as a door would, and `exists` when two add at once."""
        step = _next(self.newest(), document)
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not write_once(self._path(step.trust.version), document, mode=0o644):
            raise Refused("exists", str(self._path(step.trust.version)), "this version has just come from elsewhere")
        return step

    def since(self, version: int) -> bytes | None:
        """The `trust` message for a door that holds `version`: that version and all after it, oldest first; None when
        there is nothing newer."""
        documents = self._documents(max(1, version))
        newer = documents if version < 1 else documents[1:]
        return trust_step.pack(documents[: trust_step.STEPS_MAX]) if newer else None

    def _documents(self, first: int) -> list[bytes]:
        found: list[bytes] = []
        while (path := self._path(first + len(found))).exists():
            found.append(path.read_bytes())
        return found

    def _path(self, version: int) -> Path:
        return self._folder / f"{version}.json"


def _next(before: Step | None, document: bytes) -> Step:
    if before is not None:
        return trust_step.open_next(document, before.trust)
    step = trust_step.open_first(document)
    if step.trust.version != 1:
        raise Refused("trust_gap", "trust.version", "the first version is 1")
    return step
