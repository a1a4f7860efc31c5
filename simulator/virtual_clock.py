"""The time a virtual unit is told by its network, below the door's own clock: a driver of the port `clock`.

It registers at the entry point group `zaalsleutel_drivers`, where any driver that is not ours would, and is chosen by
name: `[clock] driver = "virtual"`. Where the file named by `ZS_VIRTUAL_CLOCK` says how far ahead that time is and how
it drifts; no file, and it is this machine's own.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from time import time_ns
from typing import Any, Final

import msgspec

from hal.clock_linux import boot_id, raw_ms
from hal.pins import Board
from hal.ports import TimeSource

FILE_VARIABLE: Final = "ZS_VIRTUAL_CLOCK"
AHEAD_MAX_S: Final = 10 * 366 * 86_400.0
DRIFT_MAX_PPM: Final = 1e6


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Nothing to set."""


def open(_settings: Settings, _board: Board | None = None) -> TimeSource:
    """Never raises."""
    return VirtualClock(Path(os.environ.get(FILE_VARIABLE, os.devnull)))


class VirtualClock:
    """See `hal.ports.TimeSource`."""

    def __init__(self, file: Path) -> None:
        self._file = VirtualClockFile(file)
        self._boot_id = boot_id()

    def raw_ms(self) -> int:
        """The machine's own: a unit's oscillator is not what the page plays with."""
        return raw_ms()

    def ntp_ms(self) -> int | None:
        """System time, as far ahead as somebody wanted it."""
        return time_ns() // 1_000_000 + self._file.ahead_ms()

    def rtc_ms(self) -> int | None:
        """There is none."""
        return None

    def boot_id(self) -> str:
        """The kernel's name for this boot."""
        return self._boot_id

    def close(self) -> None:
        """Nothing is held."""


class VirtualClockFile:
    """How far ahead the told time is: written by the page, read by the driver."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def set(self, ahead_s: float, drift_ppm: float) -> None:
        """Step the told time to `ahead_s` from now on, and let it drift. Raises ValueError."""
        if not (abs(ahead_s) <= AHEAD_MAX_S and abs(drift_ppm) <= DRIFT_MAX_PPM):
            raise ValueError("that is no time a clock would tell")
        told = {"ahead_s": ahead_s, "drift_ppm": drift_ppm, "since_ms": raw_ms()}
        new = self._path.with_suffix(".new")
        new.write_text(json.dumps(told), "utf-8")
        new.replace(self._path)

    def told(self) -> dict[str, Any]:
        """What was set last."""
        try:
            told: dict[str, Any] = json.loads(self._path.read_text("utf-8"))
        except (OSError, ValueError):
            return {"ahead_s": 0.0, "drift_ppm": 0.0, "since_ms": 0}
        return told

    def ahead_ms(self) -> int:
        """How far ahead the told time is now."""
        told = self.told()
        return int(told["ahead_s"] * 1000 + (raw_ms() - told["since_ms"]) * told["drift_ppm"] / 1e6)
