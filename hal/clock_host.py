"""The clock of a machine that is already on time: a demo, a container, a test bench. Not for a door on a wall.

A container may not ask the kernel whether NTP holds, and has no RTC. Here system time counts as NTP whatever the kernel
says, so a machine that is wrong makes a door that is wrong without noticing.
"""

from __future__ import annotations

from time import time_ns

import msgspec

from hal.clock_linux import boot_id, raw_ms
from hal.pins import Board
from hal.ports import TimeSource


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Nothing to set."""


def open(_settings: Settings, _board: Board | None = None) -> TimeSource:
    """Never raises."""
    return HostClock()


class HostClock:
    """See `hal.ports.TimeSource`."""

    def __init__(self) -> None:
        self._boot_id = boot_id()

    def raw_ms(self) -> int:
        """Milliseconds since some instant before this boot's first process."""
        return raw_ms()

    def ntp_ms(self) -> int | None:
        """System time, believed."""
        return time_ns() // 1_000_000

    def rtc_ms(self) -> int | None:
        """There is none."""
        return None

    def boot_id(self) -> str:
        """The kernel's name for this boot."""
        return self._boot_id

    def close(self) -> None:
        """Nothing is held."""
