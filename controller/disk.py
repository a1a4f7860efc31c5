"""Files of a door that must be whole or not there: written beside, synced, moved into place, directory synced."""

from __future__ import annotations

import contextlib
import os
from dataclasses import fields
from pathlib import Path

from controller.codelist import Floors
from controller.formats.encoding import canonical, convert, parse_object
from controller.formats.errors import Refused

FLOORS = "floors.json"
TRUST = "trust.json"


def replace_file(path: Path, data: bytes, mode: int = 0o600) -> None:
    """Put `data` at `path` so that after a power cut either the old or the new content is there, whole.

    Raises OSError."""
    beside = path.with_name(path.name + ".new")
    try:
        _write_file(beside, data, mode)
        beside.replace(path)
    except OSError:
        # The half that fitted must not keep the last of a full disk from the log.
        with contextlib.suppress(OSError):
            beside.unlink(missing_ok=True)
        raise
    sync_directory(path.parent)


def _write_file(path: Path, data: bytes, mode: int) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, mode)
    try:
        view = memoryview(data)
        while view:
            view = view[os.write(descriptor, view) :]
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_directory(path: Path) -> None:
    """Make the names in a directory durable. Raises OSError."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def read_floors(data: Path) -> Floors | None:
    """The door's floors, None before the first start. Raises OSError, or ValueError when the file is damaged: going on
    with none would let an older list back in."""
    try:
        content = (data / FLOORS).read_bytes()
    except FileNotFoundError:
        return None
    try:
        members = parse_object(content, FLOORS)
        floors = convert(members, Floors, FLOORS)
    except Refused as refused:
        raise ValueError(f"{FLOORS} is damaged: {refused}") from None
    if set(members) != {field.name for field in fields(Floors)}:
        # A floor that is not there must not read as the default: 0 lets everything in.
        raise ValueError(f"{FLOORS} is damaged: it wants every floor and nothing else")
    return floors


def write_floors(data: Path, floors: Floors) -> None:
    """Make the floors durable. Raises OSError."""
    replace_file(data / FLOORS, canonical(floors))


def write_trust(data: Path, document: bytes) -> None:
    """Put a verified trust document in the place of the one before. Raises OSError."""
    replace_file(data / TRUST, document)


def list_path(data: Path, payload_hash: str) -> Path:
    """Where the list of that name rests, as the envelope it arrived in."""
    return data / f"list-{payload_hash}"


def remove_other_lists(data: Path, keep: str | None) -> None:
    """Take away lists that are no longer named. Raises OSError."""
    for path in data.glob("list-*"):
        if keep is None or path.name != f"list-{keep}":
            path.unlink(missing_ok=True)
