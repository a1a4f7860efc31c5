"""What a unit keeps on disk, behind one port: floors, list, trust document, own keys, log.

`Disk` is what the unit needs; `DataFolder` is the folder on the card. The simulator has another one, whose writes can
be cut, torn and refused.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from controller import enrol_files
from controller.codelist import Floors
from controller.disk import TRUST, list_path, read_floors, remove_other_lists, replace_file, write_floors, write_trust
from controller.enrolment import Enrolled
from controller.eventlog import EventLog, StorageFault
from controller.formats.jwe import DecryptKey
from controller.formats.jwk import Signer
from controller.formats.link_place import LinkPlace
from controller.own_keys import decrypt_key, event_key

LOG = "log.db"
TRIAL = "log.trial"


class Disk(Protocol):
    """Every write is durable when it returns, and after a power cut either wholly there or not at all. Reading and
    writing raise OSError; the log raises StorageFault."""

    def read_floors(self) -> Floors | None:
        """None before the first start. Raises ValueError when the file is damaged: without floors an older list could
        come back in."""

    def write_floors(self, floors: Floors) -> None: ...

    def read_list(self, payload_hash: str) -> bytes: ...

    def write_list(self, payload_hash: str, envelope: bytes) -> None:
        """Put a list beside the one in force; nothing names it yet."""

    def remove_other_lists(self, keep: str) -> None: ...

    def read_trust(self) -> bytes | None: ...

    def write_trust(self, document: bytes) -> None:
        """Put a verified trust document, as it arrived, in the place of the one before."""

    def event_key(self) -> Signer:
        """The unit's own signing key, made when there is none."""

    def decrypt_key(self) -> DecryptKey:
        """The unit's own decryption key, made when there is none."""

    def keep_enrolment(self, enrolled: Enrolled) -> None:
        """Put trust document, keys and places of a new enrolment in the place of those before, and the floors and lists
        of before away; all of it or nothing."""

    def finish_enrolment(self) -> None:
        """After a power cut: what was kept comes whole. Raises ValueError when it is damaged."""

    def read_link(self) -> LinkPlace | None:
        """Where hub and broker are, None where no enrolment said it. Raises Refused."""

    def log_exists(self) -> bool: ...

    def open_log(self, door: str) -> EventLog: ...

    def set_log_aside(self) -> None:
        """Keep an unreadable log for those who may want to look at it, out of the way. Raises OSError, also when no
        other could be made in its place: then it is the disk that fails, and the log may be whole."""

    def log_in_memory(self, door: str) -> EventLog:
        """A log for when there is none on disk."""


class DataFolder:
    """The folder on the card. `entropy` gives random bytes for log ids and nonces."""

    def __init__(self, path: Path, entropy: Callable[[int], bytes] = os.urandom) -> None:
        self._path = path
        self._entropy = entropy

    def read_floors(self) -> Floors | None:
        return read_floors(self._path)

    def write_floors(self, floors: Floors) -> None:
        write_floors(self._path, floors)

    def read_list(self, payload_hash: str) -> bytes:
        return list_path(self._path, payload_hash).read_bytes()

    def write_list(self, payload_hash: str, envelope: bytes) -> None:
        replace_file(list_path(self._path, payload_hash), envelope)

    def remove_other_lists(self, keep: str) -> None:
        remove_other_lists(self._path, keep)

    def read_trust(self) -> bytes | None:
        try:
            return (self._path / TRUST).read_bytes()
        except FileNotFoundError:
            return None

    def write_trust(self, document: bytes) -> None:
        write_trust(self._path, document)

    def event_key(self) -> Signer:
        return event_key(self._path)

    def decrypt_key(self) -> DecryptKey:
        return decrypt_key(self._path)

    def keep_enrolment(self, enrolled: Enrolled) -> None:
        enrol_files.keep(self._path, enrolled)

    def finish_enrolment(self) -> None:
        enrol_files.finish(self._path)

    def read_link(self) -> LinkPlace | None:
        return enrol_files.read_link(self._path)

    def log_exists(self) -> bool:
        return (self._path / LOG).exists()

    def open_log(self, door: str) -> EventLog:
        return EventLog.open(self._path / LOG, door, self._entropy)

    def log_in_memory(self, door: str) -> EventLog:
        return EventLog.in_memory(door, self._entropy)

    def set_log_aside(self) -> None:
        self._try_a_log()
        for found in self._files_of(LOG):
            if found.exists():
                found.replace(found.with_name(f"{found.name}.unreadable"))

    def _try_a_log(self) -> None:
        """A full disk opens no database either, and moves it all the same. Raises OSError."""
        try:
            EventLog.open(self._path / TRIAL, TRIAL, self._entropy).close()
        except StorageFault as fault:
            raise OSError(errno.EIO, f"no log can be made: {fault}") from fault
        finally:
            for left in self._files_of(TRIAL):
                left.unlink(missing_ok=True)

    def _files_of(self, name: str) -> list[Path]:
        return [self._path / f"{name}{suffix}" for suffix in ("", "-wal", "-shm")]
