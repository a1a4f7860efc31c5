"""Where a fetched update is put down for the one-shot that installs it.

spool/<sha256>.part     what is there of the package
spool/package.deb       all of it
spool/manifest.json     the offer as it came: last, and by a rename, which is what starts the one-shot
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

from controller.formats.envelope import unverified
from controller.formats.errors import Refused
from controller.formats.update import MANIFEST_BYTES, Update, parse_update
from sync.agent.fetch import RESERVE_BYTES

MANIFEST, PACKAGE, PART = "manifest.json", "package.deb", ".part"


@dataclass(frozen=True)
class Offer:
    """A manifest as it came, its SHA-256, and what it says. Nobody has looked at its signature."""

    manifest: bytes
    name: str
    update: Update

    @classmethod
    def read(cls, manifest: bytes) -> Offer:
        """Raises Refused for what is no manifest."""
        if len(manifest) > MANIFEST_BYTES:
            raise Refused("too_large", "update", f"over {MANIFEST_BYTES} bytes")
        return cls(manifest, hashlib.sha256(manifest).hexdigest(), parse_update(unverified(manifest).payload))


class Spool:
    """The agent's folder for updates. Every method may raise OSError."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def holds(self, offer: Offer) -> bool:
        """Whether everything of this offer was put down."""
        try:
            whole = (self._folder / PACKAGE).stat().st_size == offer.update.size
            return whole and (self._folder / MANIFEST).read_bytes() == offer.manifest
        except FileNotFoundError:
            return False

    def part(self, offer: Offer) -> Path:
        """The file to fetch into; what belongs to other offers is gone. Raises Refused `disk_full` unless there is room
        for the package, for the copy that root makes of it, and for the door's log."""
        self._folder.mkdir(mode=0o700, exist_ok=True)
        part = self._folder / f"{offer.update.sha256}{PART}"
        package = self._folder / PACKAGE
        if not part.exists() and package.exists():
            package.rename(part)  # perhaps this one, from before a power cut; its hash will tell
        for other in (package, *self._folder.glob(f"*{PART}")):
            if other != part:
                other.unlink(missing_ok=True)
        here = part.stat().st_size if part.exists() else 0
        if self.room() < 2 * offer.update.size - here + RESERVE_BYTES:
            raise Refused("disk_full", str(self._folder), f"no room for {2 * offer.update.size >> 20} MiB")
        return part

    def drop(self, offer: Offer, part: Path) -> None:
        """All of it is there: put it down for the one-shot."""
        _sync(part)
        part.rename(self._folder / PACKAGE)
        self.knock(offer)

    def knock(self, offer: Offer) -> None:
        """Put the manifest down again, which starts the one-shot."""
        beside = self._folder / f"{MANIFEST}.new"
        beside.write_bytes(offer.manifest)
        _sync(beside)
        beside.rename(self._folder / MANIFEST)
        _sync(self._folder)

    def clear(self) -> None:
        """Nobody needs the package any more. The manifest stays: taking it away would start the one-shot too."""
        for path in (self._folder / PACKAGE, *self._folder.glob(f"*{PART}")):
            path.unlink(missing_ok=True)

    def room(self) -> int:
        """Free bytes of the disk."""
        found = os.statvfs(self._folder)
        return found.f_bavail * found.f_frsize


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
