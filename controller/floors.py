"""The floors as one value in memory and one file on disk, changed together and from one thread at a time."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path

from controller.codelist import Floors
from controller.disk import install_list, read_floors, write_floors


class FloorsFile:
    """`current` is what the disk holds."""

    def __init__(self, data: Path) -> None:
        self._data = data
        self._guard = threading.Lock()
        found = read_floors(data)
        self.existed = found is not None
        self.current = found or Floors()

    def raise_to(self, *, clock_s: int, receipt: int) -> None:
        """Note the clock floor (which a believed signed reading may lower) and the receipt number. Raises OSError."""
        with self._guard:
            floors = replace(self.current, clock_s=clock_s, receipt=max(receipt, self.current.receipt))
            write_floors(self._data, floors)
            self.current = floors

    def install(self, envelope: bytes, list_hash: str, version: int) -> None:
        """Put a list in force. Raises OSError, and then the one before still is."""
        with self._guard:
            floors = replace(self.current, list_hash=list_hash, list_version=version)
            install_list(self._data, envelope, floors)
            self.current = floors
